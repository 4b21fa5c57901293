#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| caracal_core::fuzz::templates(data));

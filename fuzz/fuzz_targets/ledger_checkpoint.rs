#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| caracal_ledger::fuzz::checkpoint(data));

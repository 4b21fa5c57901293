#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| caracal_crypto::fuzz::dpop_proof(data));

#![no_main]

// The binary's own reader wraps this, to tell the place of a mistake.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(error) = serde_saphyr::from_str::<caracal_wire::ZoneFile>(text)
    {
        let _ = (error.render(), error.location());
    }
});

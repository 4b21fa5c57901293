//! The body of a fuzz target: a backup. A target builds this file and what it reads in, since the
//! binary is no library.

use crate::backup::archive::check_stream;
use crate::backup::manifest::Manifest;

/// The bytes of an archive.
pub(crate) fn archive(data: &[u8]) {
    let accept = |manifest: &Manifest| {
        // As it is asked how much room there has to be, before anything is believed.
        let _ = (manifest.bytes(), manifest.events());
        Ok(())
    };
    if let Ok(manifest) = check_stream(data, "input", accept) {
        // Every byte that it names was there.
        assert!(manifest.bytes() <= data.len() as u64);
    }
}

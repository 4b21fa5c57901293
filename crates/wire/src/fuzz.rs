//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    ApplicationBody, ApplyRequest, BundleBody, ExplainBody, IssuerBody, PolicyBody, ProviderBody,
    ResourceBody, RevocationBody, TokenBody, ZoneBody, ZoneFile,
};

/// A body of the control API: what is accepted is written so that it is read as the same.
pub fn bodies(data: &[u8]) {
    body::<ZoneFile>(data);
    body::<ApplyRequest>(data);
    body::<ZoneBody>(data);
    body::<ApplicationBody>(data);
    body::<IssuerBody>(data);
    body::<ResourceBody>(data);
    body::<ProviderBody>(data);
    body::<PolicyBody>(data);
    body::<BundleBody>(data);
    body::<RevocationBody>(data);
    body::<TokenBody>(data);
    body::<ExplainBody>(data);
}

fn body<T: DeserializeOwned + Serialize + PartialEq>(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(data) else {
        return;
    };
    let written = serde_json::to_vec(&value);
    let again = written.map(|written| serde_json::from_slice::<T>(&written));
    assert!(again.is_ok_and(|again| again.is_ok_and(|again| again == value)));
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[Target {
            name: "wire_bodies",
            body: super::bodies,
            copies: 3000,
        }]);
    }
}

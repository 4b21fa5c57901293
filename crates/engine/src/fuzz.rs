//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use crate::authenticate::{format_token, parse_token};
use crate::resource_entry::Upstream;

/// An API token: what is accepted is written so that it is read as the same.
pub fn token(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    if let Some((zone, id, secret)) = text.and_then(parse_token) {
        let written = format_token(zone, id, secret);
        assert_eq!(parse_token(&written), Some((zone, id, secret)));
    }
}

/// The upstream of a resource: what is accepted has an origin that is the same upstream.
pub fn upstream(data: &[u8]) {
    let text = std::str::from_utf8(data).ok();
    if let Some(Ok(upstream)) = text.map(Upstream::parse) {
        let again = Upstream::parse(upstream.origin());
        assert!(
            again.is_ok_and(|again| again.host == upstream.host && again.https == upstream.https)
        );
        let _ = (upstream.is_loopback(), upstream.may_carry_credential(true));
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::{Target, replay};

    #[test]
    fn the_corpus_and_changed_copies_of_it_break_nothing() {
        replay(&[
            Target {
                name: "engine_token",
                body: super::token,
                copies: 3000,
            },
            Target {
                name: "engine_upstream",
                body: super::upstream,
                copies: 4000,
            },
        ]);
    }
}

//! A query, taken apart without being rewritten.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::refused::Refused;

/// More parameters than any ordinary request has.
const MAX_PAIRS: usize = 1024;

/// What stays as it is in an injected value.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The parameters of a query in their order; empty ones are left out.
#[derive(Debug, Default)]
pub(crate) struct Query<'q> {
    pairs: Vec<Pair<'q>>,
}

/// One parameter: as it came, and decoded.
#[derive(Debug)]
pub(crate) struct Pair<'q> {
    raw: &'q str,
    pub(crate) name: Cow<'q, str>,
    pub(crate) value: Cow<'q, str>,
}

impl<'q> Query<'q> {
    pub(crate) fn parse(text: Option<&'q str>) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for raw in text
            .unwrap_or_default()
            .split('&')
            .filter(|raw| !raw.is_empty())
        {
            if pairs.len() == MAX_PAIRS {
                let detail = format!("the query has more than {MAX_PAIRS} parameters");
                return Err(Refused::malformed(detail));
            }
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            pairs.push(Pair {
                raw,
                name: decode(name),
                value: decode(value),
            });
        }
        Ok(Self { pairs })
    }

    pub(crate) fn pairs(&self) -> &[Pair<'q>] {
        &self.pairs
    }

    /// Decoded `name=value` of what does not name one of these parameters.
    pub(crate) fn decoded_without<'s>(
        &self,
        names: impl Iterator<Item = &'s str> + Clone,
    ) -> Vec<String> {
        let kept = self
            .pairs
            .iter()
            .filter(|pair| !names_any(pair.raw, names.clone()));
        kept.map(|pair| format!("{}={}", pair.name, pair.value))
            .collect()
    }

    /// Writes what does not name one of these parameters as it came, after `?` or `&`.
    pub(crate) fn write_without<'s>(
        &self,
        names: impl Iterator<Item = &'s str> + Clone,
        target: &mut String,
        separator: &mut char,
    ) {
        for pair in &self.pairs {
            if !names_any(pair.raw, names.clone()) {
                push(target, separator, pair.raw);
            }
        }
    }
}

/// Writes an injected parameter, encoded.
pub(crate) fn write_pair(target: &mut String, separator: &mut char, name: &str, value: &str) {
    push(target, separator, "");
    target.extend(utf8_percent_encode(name, ENCODED));
    target.push('=');
    target.extend(utf8_percent_encode(value, ENCODED));
}

fn push(target: &mut String, separator: &mut char, text: &str) {
    target.push(*separator);
    *separator = '&';
    target.push_str(text);
}

/// True when an upstream may read the parameter under one of these (decoded) names.
pub(crate) fn names_any<'s>(raw: &str, mut names: impl Iterator<Item = &'s str>) -> bool {
    names.any(|name| {
        // Some servers separate parameters by `;` too.
        raw.split(';').any(|part| {
            let own = part.split_once('=').map_or(part, |(own, _)| own);
            same_name(&decode(own), name)
        })
    })
}

/// Compares names as loosely as servers do: PHP reads `a.b`, `a b` and `a[b` as `a_b`, drops
/// leading blanks and what follows a NUL; `a[]` and `a[x]` set `a`; some ignore case.
fn same_name(own: &str, slot: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> + '_ {
        let name = name.trim_start();
        name.char_indices()
            .take_while(|(at, c)| *c != '\0' && (*c != '[' || *at == 0))
            .map(|(_, c)| match c {
                '.' | ' ' | '[' => '_',
                other => other.to_ascii_lowercase(),
            })
    }
    let bracketed = |c: char| {
        if matches!(c, '.' | ' ' | '[') {
            '_'
        } else {
            c.to_ascii_lowercase()
        }
    };
    folded(own).eq(folded(slot))
        || own
            .trim_start()
            .chars()
            .map(bracketed)
            .eq(slot.trim_start().chars().map(bracketed))
}

fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn without(query: &str, names: &[&str]) -> String {
        let (mut text, mut separator) = (String::new(), '?');
        let query = Query::parse(Some(query)).unwrap();
        query.write_without(names.iter().copied(), &mut text, &mut separator);
        text
    }

    #[test]
    fn only_named_parameters_go_and_the_rest_stays_raw() {
        let table: &[(&str, &[&str], &str)] = &[
            ("", &["key"], ""),
            ("a=1&b=%20+x", &["key"], "?a=1&b=%20+x"),
            ("a=1&key=x&b=2", &["key"], "?a=1&b=2"),
            ("key=x", &["key"], ""),
            ("key", &["key"], ""),
            ("key=x&key=y&a", &["key"], "?a"),
            ("k%65y=x&a=1", &["key"], "?a=1"),
            ("%6B%65%79=x", &["key"], ""),
            ("KEY=x&Key=y", &["key"], ""),
            ("a=1;key=x&b=2", &["key"], "?b=2"),
            ("a=1%3Bkey=x", &["key"], "?a=1%3Bkey=x"),
            ("api_key=x&api.key=y&api+key=z&api[key=w", &["api_key"], ""),
            ("api%5Bkey=w", &["api_key"], ""),
            ("api_key[]=x&api_key%5B0%5D=y", &["api_key"], ""),
            ("+api_key=x&%20api_key=y&api_key%00z=1", &["api_key"], ""),
            (
                "monkey=1&keys=2&key2=3",
                &["key"],
                "?monkey=1&keys=2&key2=3",
            ),
            ("a=key&b==key=", &["key"], "?a=key&b==key="),
            ("&&a=1&&", &["key"], "?a=1"),
            ("a=1&b=2", &["a", "b"], ""),
            ("%zz=1&%=2", &["key"], "?%zz=1&%=2"),
        ];
        for (query, names, expected) in table {
            assert_eq!(without(query, names), *expected, "{query}");
        }
    }

    #[test]
    fn policy_sees_decoded_parameters() {
        let query = Query::parse(Some("a=1+2&b=%26%3D&flag&key=x&c=%ff")).unwrap();
        let decoded = query.decoded_without(["key"].into_iter());
        assert_eq!(decoded, ["a=1 2", "b=&=", "flag=", "c=\u{fffd}"]);
    }

    #[test]
    fn injected_parameters_are_encoded() {
        let (mut text, mut separator) = ("/x".to_owned(), '?');
        write_pair(&mut text, &mut separator, "api key", "a&b=c+d#/é~");
        write_pair(&mut text, &mut separator, "k", "v");
        assert_eq!(text, "/x?api%20key=a%26b%3Dc%2Bd%23%2F%C3%A9~&k=v");
    }

    #[test]
    fn too_many_parameters_are_refused() {
        assert!(Query::parse(Some(&"a&".repeat(1024))).is_ok());
        assert_eq!(
            Query::parse(Some(&"a&".repeat(1025))).unwrap_err().status(),
            400
        );
    }

    proptest! {
        #[test]
        fn no_spelling_of_the_name_survives(
            encode in proptest::collection::vec(any::<bool>(), 3),
            upper in proptest::collection::vec(any::<bool>(), 3),
        ) {
            let mut name = String::new();
            for ((c, encode), upper) in "key".chars().zip(encode).zip(upper) {
                let c = if upper { c.to_ascii_uppercase() } else { c };
                if encode {
                    name.push_str(&format!("%{:02x}", u32::from(c)));
                } else {
                    name.push(c);
                }
            }
            prop_assert_eq!(without(&format!("a=1&{name}=x"), &["key"]), "?a=1");
        }

        #[test]
        fn nothing_is_lost_without_a_slot(query in "[a-z0-9=%&;+.\\[\\]]{0,40}") {
            let kept: Vec<_> = query.split('&').filter(|p| !p.is_empty()).collect();
            let text = without(&query, &[]);
            prop_assert_eq!(text.trim_start_matches('?'), kept.join("&"));
        }
    }
}

//! Request paths, parsed once: rules match the parsed segments, and the same segments are sent.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

const MAX_PATH_BYTES: usize = 8192;
const MAX_SEGMENTS: usize = 256;

/// What RFC 3986 lets stand in a segment as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Why a request path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path does not start with `/`")]
    Relative,
    /// It is longer than 8192 bytes or has more than 256 segments.
    #[error("the path is too long")]
    TooLong,
    /// Two slashes in a row, or a slash at the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, plain, encoded, encoded twice or with parameters.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `%` without two hex digits.
    #[error("the path has a malformed percent-encoding")]
    Encoding,
    /// A control character, or bytes that are not UTF-8.
    #[error("the path has a control character or is not UTF-8")]
    Character,
    /// `/` or `\` inside a segment, where the resource does not allow it.
    #[error("the path has an encoded slash or a backslash")]
    EncodedSlash,
}

/// A request path as decoded segments. `/` has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath {
    segments: Vec<Box<str>>,
    has_encoded_slash: bool,
}

impl RequestPath {
    /// Parses the path of a request target, without its query.
    ///
    /// # Errors
    /// See [`PathError`]. An encoded slash is no error here; ask [`Self::check_slashes`].
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let rest = text.strip_prefix('/').ok_or(PathError::Relative)?;
        if text.len() > MAX_PATH_BYTES {
            return Err(PathError::TooLong);
        }
        let mut path = Self {
            segments: Vec::new(),
            has_encoded_slash: false,
        };
        if rest.is_empty() {
            return Ok(path);
        }
        for raw in rest.split('/') {
            if path.segments.len() == MAX_SEGMENTS {
                return Err(PathError::TooLong);
            }
            if is_plain(raw) {
                path.segments.push(raw.into());
                continue;
            }
            let segment = decode(raw)?;
            check(&segment)?;
            path.has_encoded_slash |= segment.contains(['/', '\\']);
            path.segments.push(segment.into());
        }
        Ok(path)
    }

    /// Refuses slashes and backslashes inside segments unless the resource takes them literally.
    ///
    /// # Errors
    /// [`PathError::EncodedSlash`].
    pub fn check_slashes(&self, literal: bool) -> Result<(), PathError> {
        if self.has_encoded_slash && !literal {
            Err(PathError::EncodedSlash)
        } else {
            Ok(())
        }
    }

    /// The decoded segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map(AsRef::as_ref)
    }

    /// The path without its first `count` segments.
    pub fn skip(&self, count: usize) -> Self {
        let segments: Vec<_> = self.segments.iter().skip(count).cloned().collect();
        let has_encoded_slash = segments.iter().any(|s| s.contains(['/', '\\']));
        Self {
            segments,
            has_encoded_slash,
        }
    }

    /// This path below another one.
    pub fn below(&self, base: &Self) -> Self {
        let segments = base
            .segments
            .iter()
            .chain(&self.segments)
            .cloned()
            .collect();
        Self {
            segments,
            has_encoded_slash: self.has_encoded_slash || base.has_encoded_slash,
        }
    }
}

impl fmt::Display for RequestPath {
    /// The canonical form that is sent: every segment encoded anew.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.segments {
            write!(f, "/{}", utf8_percent_encode(segment, ENCODED))?;
        }
        Ok(())
    }
}

/// True for most segments: nothing in them could be read in two ways.
fn is_plain(raw: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !raw.is_empty() && raw.bytes().all(plain)
}

fn decode(raw: &str) -> Result<String, PathError> {
    let bytes = raw.as_bytes();
    for (at, _) in raw.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).ok_or(PathError::Encoding)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(PathError::Encoding);
        }
    }
    let text = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| PathError::Character)?;
    Ok(text.into_owned())
}

/// Refuses what an upstream that decodes once more, or that strips parameters, would read
/// as a way up.
fn check(segment: &str) -> Result<(), PathError> {
    if segment.is_empty() {
        return Err(PathError::EmptySegment);
    }
    let mut text = segment.to_owned();
    for depth in 0.. {
        if text.chars().any(char::is_control) {
            return Err(PathError::Character);
        }
        if text.split(['/', '\\']).any(is_dots) {
            return Err(PathError::DotSegment);
        }
        if depth > 0 && text.contains(['/', '\\']) && !segment.contains(['/', '\\']) {
            return Err(PathError::DotSegment);
        }
        let next = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if next == text || depth > 4 {
            break;
        }
        text = next;
    }
    Ok(())
}

/// True for what some upstream reads as `.` or `..`: also with parameters after it, and, as
/// Windows does, with dots and blanks at its end.
fn is_dots(part: &str) -> bool {
    let name = part.split(';').next().unwrap_or_default();
    name.starts_with('.') && name.trim_end_matches(['.', ' ']).is_empty()
}

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a path template: {why}")]
pub struct TemplateError {
    text: String,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Part {
    // The order is the order of specificity: what is more specific comes first.
    Literal(Box<str>),
    One,
    Rest,
}

/// A path with wildcards: `{x}` or `*` matches one segment, a final `**` any number including none.
#[derive(Debug, Clone)]
pub struct PathTemplate {
    text: Box<str>,
    parts: Vec<Part>,
}

impl PathTemplate {
    /// The template as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when the path matches.
    pub fn matches(&self, path: &RequestPath) -> bool {
        let mut segments = path.segments();
        for part in &self.parts {
            match part {
                Part::Rest => return true,
                Part::One => {
                    if segments.next().is_none() {
                        return false;
                    }
                }
                Part::Literal(literal) => {
                    if segments.next() != Some(literal) {
                        return false;
                    }
                }
            }
        }
        segments.next().is_none()
    }

    /// A key that sorts the more specific of two templates first; equal for templates that
    /// match the same paths.
    pub(crate) fn specificity(&self) -> impl Ord + '_ {
        &self.parts
    }
}

impl PartialEq for PathTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathTemplate {}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PathTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let refuse = |why| {
            let text = text.chars().filter(|c| !c.is_control()).take(200).collect();
            TemplateError { text, why }
        };
        let rest = text
            .strip_prefix('/')
            .ok_or_else(|| refuse("it must start with `/`"))?;
        if text.len() > 1024 {
            return Err(refuse("it is longer than 1024 bytes"));
        }
        if text.contains(['?', '#']) {
            return Err(refuse("a template has no query and no fragment"));
        }
        let mut parts = Vec::new();
        if !rest.is_empty() {
            let count = rest.split('/').count();
            for (i, raw) in rest.split('/').enumerate() {
                parts.push(match raw {
                    "**" if i + 1 == count => Part::Rest,
                    "**" => return Err(refuse("`**` may stand only at the end")),
                    "*" => Part::One,
                    _ if raw.starts_with('{') && raw.ends_with('}') && raw.len() > 2 => Part::One,
                    _ if raw.contains(['*', '{', '}']) => {
                        return Err(refuse("a wildcard stands for a whole segment"));
                    }
                    _ => {
                        let segment =
                            decode(raw).map_err(|_| refuse("malformed percent-encoding"))?;
                        check(&segment).map_err(|_| refuse("an empty or dot segment"))?;
                        Part::Literal(segment.into())
                    }
                });
            }
        }
        Ok(Self {
            text: text.into(),
            parts,
        })
    }
}

impl Serialize for PathTemplate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for PathTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, PathError> {
        RequestPath::parse(text).map(|path| path.to_string())
    }

    #[test]
    fn ordinary_paths_are_sent_as_they_came() {
        for path in [
            "/",
            "/v1/models",
            "/a%20b",
            "/a:b@c/~x",
            "/a%2Fb",
            "/100%25",
            "/%C3%A4",
        ] {
            assert_eq!(parse(path).as_deref(), Ok(path));
        }
        assert_eq!(parse("/%61%2d%7e").as_deref(), Ok("/a-~"));
    }

    #[test]
    fn ways_up_are_refused_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/.%2E",
            "/%252e%252e/a",
            "/%25252e%25252e",
            "/..;/a",
            "/..;x=1/a",
            "/a%2F..%2Fb",
            "/a%5C..%5Cb",
            "/..%2fetc",
            "/%252e%252e%252f",
            "/a%2F..;x%2Fb",
            "/.. /a",
            "/..%20",
            "/.../a",
            "/a%252fb",
        ] {
            assert_eq!(parse(path), Err(PathError::DotSegment), "{path}");
        }
    }

    #[test]
    fn malformed_paths_have_their_own_reasons() {
        assert_eq!(parse("a"), Err(PathError::Relative));
        assert_eq!(parse("//a"), Err(PathError::EmptySegment));
        assert_eq!(parse("/a/"), Err(PathError::EmptySegment));
        assert_eq!(parse("/%"), Err(PathError::Encoding));
        assert_eq!(parse("/%4"), Err(PathError::Encoding));
        assert_eq!(parse("/%zz"), Err(PathError::Encoding));
        assert_eq!(parse("/%00"), Err(PathError::Character));
        assert_eq!(parse("/%ff"), Err(PathError::Character));
        assert_eq!(parse("/%0d%0a"), Err(PathError::Character));
        assert_eq!(parse("/%250d"), Err(PathError::Character));
        assert_eq!(parse(&"/a".repeat(300)), Err(PathError::TooLong));
        assert_eq!(
            parse(&format!("/{}", "a".repeat(9000))),
            Err(PathError::TooLong)
        );
    }

    #[test]
    fn encoded_slashes_stay_inside_their_segment() {
        let path = RequestPath::parse("/a%2Fb/c").unwrap();
        assert_eq!(path.segments().collect::<Vec<_>>(), ["a/b", "c"]);
        assert_eq!(path.check_slashes(false), Err(PathError::EncodedSlash));
        assert_eq!(path.check_slashes(true), Ok(()));
        assert_eq!(
            RequestPath::parse("/a\\b").unwrap().check_slashes(false),
            Err(PathError::EncodedSlash)
        );
    }

    #[test]
    fn templates_match_segments() {
        let matches = |template: &str, path: &str| {
            let template: PathTemplate = template.parse().unwrap();
            template.matches(&RequestPath::parse(path).unwrap())
        };
        assert!(matches("/v1/{id}", "/v1/x"));
        assert!(matches("/v1/*", "/v1/a%2Fb"));
        assert!(!matches("/v1/*", "/v1"));
        assert!(!matches("/v1/*", "/v1/a/b"));
        assert!(matches("/v1/**", "/v1"));
        assert!(matches("/v1/**", "/v1/a/b"));
        assert!(matches("/**", "/"));
        assert!(matches("/", "/"));
        assert!(!matches("/v1", "/V1"));
        for bad in [
            "v1", "/a/**/b", "/a*", "/{", "/a//b", "/../a", "/a?x", "/a/",
        ] {
            assert!(bad.parse::<PathTemplate>().is_err(), "{bad} was accepted");
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_parses_to_the_same_segments(text in "(/[a-zA-Z0-9%./;\\\\~ä-]{0,6}){1,4}") {
            if let Ok(path) = RequestPath::parse(&text) {
                let sent = path.to_string();
                prop_assert_eq!(RequestPath::parse(&sent).unwrap(), path);
            }
        }
    }
}

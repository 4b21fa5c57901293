//! Bodies of fuzz targets: untrusted bytes go in, a panic says that something broke. They run in
//! `fuzz/` with a fuzzer, and in the test below on the committed corpus.

use std::fmt::Display;
use std::str::FromStr;

use crate::{
    AllowedHost, Anchor, ApplicationId, BundleId, EventId, KeyId, Kind, Label, LogId, MandateId,
    Name, Operation, OperationTable, OperatorId, PathTemplate, RequestPath, ResourceIdentifier,
    Role, Scope, ScopeSet, SessionId, ZoneId,
};

/// The path of a request: what is accepted has no dot or empty segments, and is sent as the
/// same segments.
pub fn request_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(path) = RequestPath::parse(text) else {
        return;
    };
    assert!(path.segments().all(|s| !["", ".", ".."].contains(&s)));
    let sent = path.to_string();
    // Encoding makes a path longer, at most threefold.
    if sent.len() <= 8192 {
        assert_eq!(RequestPath::parse(&sent).as_ref(), Ok(&path));
    }
    assert_eq!(path.skip(0), path);
    assert_eq!(path.skip(usize::MAX).segments().count(), 0);
}

/// Operation templates, one a line, and a path on the last line.
pub fn templates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (lines, path) = text.rsplit_once('\n').unwrap_or((text, "/"));
    let mut operations = Vec::new();
    let Ok(scope) = "a:b".parse::<Scope>() else {
        return;
    };
    for line in lines.lines().take(50) {
        let Ok(template) = line.parse::<PathTemplate>() else {
            continue;
        };
        same::<PathTemplate>(&template);
        operations.push(Operation {
            method: "GET".to_owned(),
            path: template,
            scope: scope.clone(),
        });
    }
    let (Ok(table), Ok(path)) = (
        OperationTable::new(operations.clone()),
        RequestPath::parse(path),
    ) else {
        return;
    };
    let matching = operations
        .iter()
        .any(|operation| operation.path.matches(&path));
    assert_eq!(table.find("GET", &path).is_some(), matching);
    assert_eq!(table.find("HEAD", &path).is_some(), matching);
}

/// Names, ids, scopes and hosts: what is accepted is written so that it is read as the same.
pub fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    word::<Name>(text);
    word::<Label>(text);
    word::<Scope>(text);
    word::<ScopeSet>(text);
    word::<ResourceIdentifier>(text);
    word::<AllowedHost>(text);
    word::<Anchor>(text);
    word::<ZoneId>(text);
    word::<ApplicationId>(text);
    word::<SessionId>(text);
    word::<MandateId>(text);
    word::<EventId>(text);
    word::<LogId>(text);
    word::<KeyId>(text);
    word::<OperatorId>(text);
    word::<BundleId>(text);
    let _ = text.parse::<Role>();
    let _ = Kind::parse(text);
}

fn word<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        same(&value);
    }
}

fn same<T: FromStr + Display + PartialEq>(value: &T) {
    let written = value.to_string();
    assert!(
        written.parse::<T>().is_ok_and(|again| again == *value),
        "`{written}` is read as something else"
    );
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
                name: "core_request_path",
                body: super::request_path,
                copies: 5000,
            },
            Target {
                name: "core_templates",
                body: super::templates,
                copies: 3000,
            },
            Target {
                name: "core_words",
                body: super::words,
                copies: 5000,
            },
        ]);
    }
}

//! The page that monitoring reads, and who may read it.

use std::sync::Arc;

use crate::{Engine, Unauthenticated};

/// Writes the page. It is given the engine whose figures it shows.
pub type MetricsWriter = Arc<dyn Fn(&Engine) -> String + Send + Sync>;

/// The media type of the page: the text format of Prometheus.
pub const METRICS_MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The headers of those who pass requests on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// How a process shows its metrics.
#[derive(Clone)]
pub struct MetricsSource {
    /// Writes the page.
    pub writer: MetricsWriter,
    /// False when a proxy stands before the doors: whoever comes over loopback is then the
    /// proxy, and what it passes on may come from anywhere.
    pub trust_loopback: bool,
}

/// Marks a request whose connection came from this machine, by the addresses that the kernel
/// tells and never by a header. Listeners put it into a request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnThisMachine;

/// Who asks for the page.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsReader<'r> {
    on_this_machine: bool,
    is_forwarded: bool,
    /// The server as the client names it; a page in a browser whose name was made to resolve to
    /// loopback gives that name away here.
    names: [Option<&'r str>; 2],
    authorization: Option<&'r str>,
}

impl<'r> MetricsReader<'r> {
    /// Whoever sent a request. `on_this_machine` is true when its connection came from there, see
    /// [`OnThisMachine`]; `authority` is what its target names, and `header` finds the text of a
    /// header by its name, which is empty where it is none.
    pub fn of(
        on_this_machine: bool,
        authority: Option<&'r str>,
        header: impl Fn(&str) -> Option<&'r str>,
    ) -> Self {
        Self {
            on_this_machine,
            is_forwarded: FORWARDED.iter().any(|name| header(name).is_some()),
            names: [authority, header("host")],
            authorization: header("authorization"),
        }
    }
}

/// Why the page is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricsRefusal {
    /// This process has no metrics.
    #[error("there are no metrics here")]
    Absent,
    /// The reader is not on this machine and shows no token.
    #[error("metrics are shown on loopback, or to an API token")]
    TokenNeeded,
    /// The token is not good.
    #[error("the API token is unknown, wrong or expired")]
    TokenInvalid,
}

impl MetricsRefusal {
    /// The HTTP status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Absent => 404,
            Self::TokenNeeded | Self::TokenInvalid => 401,
        }
    }

    /// The code of the answer.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Absent => "not_found",
            Self::TokenNeeded | Self::TokenInvalid => "unauthenticated",
        }
    }
}

impl Engine {
    /// Says how this process shows its metrics; the first call counts.
    pub fn show_metrics(&self, source: MetricsSource) {
        // A second source is a fault in the wiring that changes nothing for a reader.
        let _ = self.0.metrics.set(source);
    }

    /// The page, for somebody on this machine or with an API token of any role.
    ///
    /// # Errors
    /// See [`MetricsRefusal`]. A token that is shown must be good, also on this machine.
    pub fn metrics_page(&self, reader: MetricsReader<'_>) -> Result<String, MetricsRefusal> {
        let source = self.0.metrics.get().ok_or(MetricsRefusal::Absent)?;
        match reader.authorization {
            Some(authorization) => self.check_metrics_token(authorization)?,
            None if is_local(source, &reader) => {}
            None => return Err(MetricsRefusal::TokenNeeded),
        }
        Ok((source.writer)(self))
    }

    fn check_metrics_token(&self, authorization: &str) -> Result<(), MetricsRefusal> {
        let token = authorization
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim_start_matches(' '))
            .ok_or(MetricsRefusal::TokenInvalid)?;
        // Every role may look, and of zones the page tells only how many there are.
        self.authenticate_operator(token)
            .map(|_| ())
            .map_err(|Unauthenticated| MetricsRefusal::TokenInvalid)
    }
}

fn is_local(source: &MetricsSource, reader: &MetricsReader<'_>) -> bool {
    source.trust_loopback
        && reader.on_this_machine
        && !reader.is_forwarded
        && reader
            .names
            .iter()
            .flatten()
            .all(|name| names_loopback(name))
}

/// True for what a client on this machine puts into `Host`.
fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(trust_loopback: bool) -> MetricsSource {
        MetricsSource {
            writer: Arc::new(|_| String::new()),
            trust_loopback,
        }
    }

    #[test]
    fn only_a_direct_reader_on_this_machine_is_local() {
        let local = MetricsReader {
            on_this_machine: true,
            names: [None, Some("127.0.0.1:8081")],
            ..MetricsReader::default()
        };
        let is = |reader| is_local(&source(true), &reader);
        assert!(is(local));
        assert!(!is_local(&source(false), &local), "behind a proxy");
        assert!(!is(MetricsReader {
            on_this_machine: false,
            ..local
        }));
        assert!(!is(MetricsReader {
            is_forwarded: true,
            ..local
        }));
        for good in [
            "localhost",
            "LOCALHOST:1",
            "[::1]:8081",
            "127.0.0.1",
            "[::ffff:127.0.0.1]",
        ] {
            for names in [[None, Some(good)], [Some(good), None], [Some(good); 2]] {
                assert!(is(MetricsReader { names, ..local }), "{names:?}");
            }
        }
        for bad in [
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "127.0.0.1.evil.example:80",
        ] {
            for names in [
                [None, Some(bad)],
                [Some(bad), None],
                [Some("localhost"), Some(bad)],
                [Some(bad), Some("localhost")],
            ] {
                assert!(!is(MetricsReader { names, ..local }), "{names:?}");
            }
        }
    }

    #[test]
    fn a_request_tells_who_reads() {
        let with = |name: &'static str, value: &'static str| {
            MetricsReader::of(true, None, move |asked| (asked == name).then_some(value))
        };
        assert!(is_local(&source(true), &with("host", "localhost")));
        assert!(!is_local(&source(true), &with("host", "evil.example")));
        for name in FORWARDED {
            assert!(!is_local(&source(true), &with(name, "")), "{name}");
        }
        let token = with("authorization", "Bearer x").authorization;
        assert_eq!(token, Some("Bearer x"));
    }
}

//! What is logged, and in which form.

use std::str::FromStr;

use tracing_subscriber::EnvFilter;

use crate::failure::{Failure, Outcome};

/// The form of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Time, level, place, the message, then its fields.
    #[default]
    Text,
    /// One JSON object a line, with the fields beside the message.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is no format of the log")),
        }
    }
}

/// Which requests have a line each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AccessLog {
    /// None.
    Off,
    /// Those that are refused.
    #[default]
    Refusals,
    /// All.
    All,
}

impl FromStr for AccessLog {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "refusals" => Ok(Self::Refusals),
            "all" => Ok(Self::All),
            other => Err(format!("`{other}` is no choice of requests to log")),
        }
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogRules {
    /// A level, or directives such as `info,caracal_engine=debug`.
    pub(crate) level: String,
    /// The form of a line.
    pub(crate) format: LogFormat,
    /// Which requests have a line each.
    pub(crate) access: AccessLog,
}

impl LogRules {
    /// The filter. A bare level below `info` is of our own code only: what libraries tell of
    /// their work at that depth may quote what they work on.
    ///
    /// # Errors
    /// The level is none.
    pub(super) fn filter(&self) -> Outcome<EnvFilter> {
        let level = self.level.trim();
        let own = match level.to_ascii_lowercase().as_str() {
            "debug" | "trace" => format!("info,caracal={level}"),
            _ => level.to_owned(),
        };
        let access = match self.access {
            AccessLog::Off => ",caracal::refused=off,caracal::access=off",
            AccessLog::Refusals => ",caracal::access=off",
            AccessLog::All => "",
        };
        EnvFilter::try_new(format!("{own}{access}")).map_err(|error| {
            Failure::usage(format!(
                "`CARACAL_LOG` is `{level}`, which is no log level: {error}"
            ))
            .hint("use `error`, `warn`, `info`, `debug` or `trace`")
        })
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Which of our own, the libraries', the refused and the answered lines are written.
    fn written(level: &str, access: AccessLog) -> [bool; 4] {
        let rules = LogRules {
            level: level.to_owned(),
            format: LogFormat::Text,
            access,
        };
        let filter = rules.filter().unwrap();
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "caracal_engine::issue", tracing::Level::DEBUG),
                tracing::enabled!(target: "h2::codec", tracing::Level::DEBUG),
                tracing::enabled!(target: "caracal::refused", tracing::Level::WARN),
                tracing::enabled!(target: "caracal::access", tracing::Level::INFO),
            ]
        })
    }

    #[test]
    fn levels_are_of_our_own_code_and_requests_have_a_switch() {
        use AccessLog::{All, Off, Refusals};
        assert_eq!(written("info", Refusals), [false, false, true, false]);
        assert_eq!(written("trace", Refusals), [true, false, true, false]);
        assert_eq!(written("debug", All), [true, false, true, true]);
        assert_eq!(written("info", All), [false, false, true, true]);
        assert_eq!(written("info", Off), [false, false, false, false]);
        assert_eq!(written("error", All), [false, false, false, false]);
        assert_eq!(written("info,h2=debug", Off), [false, true, false, false]);
    }

    #[test]
    fn what_is_no_level_is_refused() {
        let rules = LogRules {
            level: "loud=very".to_owned(),
            format: LogFormat::default(),
            access: AccessLog::default(),
        };
        assert!(rules.filter().is_err());
        assert!("xml".parse::<LogFormat>().is_err());
        assert!("some".parse::<AccessLog>().is_err());
    }
}

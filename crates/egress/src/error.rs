//! Why a request got no answer.

use crate::{MAX_ANSWER_HEAD_BYTES, MAX_ANSWER_HEADERS, Refusal};

/// Why a request got no answer. Texts never hold anything of the request but its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// No address of the host may be connected to.
    #[error("`{host}` may not be connected to: {refusal}")]
    Forbidden {
        /// Host and port.
        host: Box<str>,
        /// Why; that of the first address where the host has several.
        refusal: Refusal,
    },
    /// The URI cannot be sent to at all.
    #[error("the target is not usable: {0}")]
    BadTarget(&'static str),
    /// The name has no address, or the resolver failed.
    #[error("`{host}` could not be resolved: {why}")]
    Unresolvable {
        /// Host and port.
        host: Box<str>,
        /// What the resolver said.
        why: Box<str>,
    },
    /// No allowed address took the connection.
    #[error("`{host}` could not be reached: {why}")]
    Unreachable {
        /// Host and port.
        host: Box<str>,
        /// What the last address answered.
        why: Box<str>,
    },
    /// The TLS handshake failed; nothing of the request was sent.
    #[error(
        "no trusted TLS connection to `{host}`: {why}; an upstream with a private authority needs `upstream_ca`"
    )]
    Tls {
        /// Host and port.
        host: Box<str>,
        /// What TLS said.
        why: Box<str>,
    },
    /// The destination's own certificates are not usable.
    #[error("`upstream_ca` is not usable: {0}")]
    BadCa(Box<str>),
    /// The system's certificates could not be read and the destination names none.
    #[error(
        "the system's trusted certificates are not usable: {0}; install them, or give the resource an `upstream_ca`"
    )]
    NoRoots(Box<str>),
    /// A step before the request was sent took too long.
    #[error("`{host}` took too long while {phase}")]
    Timeout {
        /// Host and port.
        host: Box<str>,
        /// The step.
        phase: Phase,
    },
    /// The answer's head is larger than [`MAX_ANSWER_HEAD_BYTES`] or has more than
    /// [`MAX_ANSWER_HEADERS`] headers.
    #[error(
        "the head of the answer from `{host}` is over {MAX_ANSWER_HEAD_BYTES} bytes or {MAX_ANSWER_HEADERS} headers"
    )]
    HeadTooLarge {
        /// Host and port.
        host: Box<str>,
    },
    /// What came back is not HTTP.
    #[error("the answer from `{host}` is not valid HTTP: {why}")]
    Protocol {
        /// Host and port.
        host: Box<str>,
        /// What is wrong.
        why: Box<str>,
    },
    /// The upstream said, in the words of HTTP/2, that it did not look at the request, and
    /// sending it once more did not help or was not possible.
    #[error("`{host}` refused the request before it looked at it")]
    Refused {
        /// Host and port.
        host: Box<str>,
    },
    /// The request's own body failed while it was sent.
    #[error("the body of the request to `{host}` ended early: {why}")]
    RequestBody {
        /// Host and port.
        host: Box<str>,
        /// What the body said.
        why: Box<str>,
    },
    /// The connection broke before an answer came.
    #[error("the connection to `{host}` broke before an answer came: {why}")]
    Broken {
        /// Host and port.
        host: Box<str>,
        /// What broke it.
        why: Box<str>,
        /// False only if certainly no byte of the request was written.
        written: bool,
    },
}

/// A bounded step before a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Asking for the addresses of a name.
    Resolving,
    /// Opening a connection to one of them.
    Connecting,
    /// Opening TLS on it.
    Handshaking,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolving => "resolving its name",
            Self::Connecting => "connecting",
            Self::Handshaking => "opening TLS",
        })
    }
}

impl EgressError {
    /// True if certainly no byte of the request was written, so that the same request may
    /// be sent again and nothing can have happened at the upstream. False when in doubt.
    pub const fn is_before_write(&self) -> bool {
        match self {
            Self::Forbidden { .. }
            | Self::BadTarget(_)
            | Self::Unresolvable { .. }
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::BadCa(_)
            | Self::NoRoots(_)
            | Self::Timeout { .. } => true,
            Self::Broken { written, .. } => !*written,
            Self::HeadTooLarge { .. }
            | Self::Protocol { .. }
            | Self::Refused { .. }
            | Self::RequestBody { .. } => false,
        }
    }

    /// One word for metrics.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "forbidden",
            Self::BadTarget(_) => "bad_target",
            Self::Unresolvable { .. } => "unresolvable",
            Self::Unreachable { .. } => "unreachable",
            Self::Tls { .. } => "tls",
            Self::BadCa(_) => "bad_ca",
            Self::NoRoots(_) => "no_roots",
            Self::Timeout { .. } => "timeout",
            Self::HeadTooLarge { .. } => "head_too_large",
            Self::Protocol { .. } => "protocol",
            Self::Refused { .. } => "refused",
            Self::RequestBody { .. } => "request_body",
            Self::Broken { .. } => "broken",
        }
    }
}

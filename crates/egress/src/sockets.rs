//! Tests against real sockets: upstreams are threads of the test, so that what they do and
//! when is written down step by step.

mod closing;
mod guard;
mod heads;
mod pooling;
mod streaming;
mod tls;
mod upstream;

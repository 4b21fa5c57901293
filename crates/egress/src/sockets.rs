//! Tests against real sockets: upstreams are threads of the test, so that what they do and
//! when is written down step by step.

mod closing;
mod guard;
mod heads;
mod http2;
mod http2_frames;
mod http2_hostile;
mod http2_places;
mod pooling;
mod rebinding;
mod streaming;
mod tls;
mod upstream;

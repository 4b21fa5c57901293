//! What handlers take: the frame of a read or a write, checked before they run.

mod body;
mod event_filter;
mod filter;
mod reading;
mod writing;

pub(crate) use body::MAX_BODY_BYTES;
pub(crate) use event_filter::{EventFilter, KIND as EVENT_KIND};
pub(crate) use filter::{Filter, PageFilter, check_limit};
pub(crate) use reading::Reading;
pub(crate) use writing::{Writing, WritingBody, WritingOptional};

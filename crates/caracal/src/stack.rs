//! The local stack, as the commands beside it see and steer it.

mod doctor;
mod down;
mod logs;
mod restart;
mod status;
mod up;

pub(crate) use doctor::doctor;
pub(crate) use down::{down, purge};
pub(crate) use logs::logs;
pub(crate) use restart::restart;
pub(crate) use status::{StackStatus, status};
pub(crate) use up::{start, up};

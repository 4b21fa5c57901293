//! Logs as C2SP tlog-tiles serves them.

mod bundle;
mod tile_path;

pub(crate) use bundle::entries_bundle;
pub(crate) use tile_path::{TilePath, TileRow};

//! The server: settings, listeners, key, store, engine and doors, wired together.

mod checkpoints;
mod disk;
mod door;
mod doorway;
#[cfg(test)]
mod fuzz;
mod handover;
mod listen;
mod log;
mod master_key;
mod metrics;
mod open_files;
mod panics;
mod port_holder;
mod serve;
mod settings;
mod signals;
mod socket;
mod successor;
mod tls;

pub(crate) use disk::DiskRules;
pub(crate) use door::Door;
pub(crate) use log::{Flood, LogRules, LogSize, LogTarget, last_lines, numbered};
pub(crate) use master_key::{check_key_file, load as load_master_key};
pub(crate) use port_holder::find_holder as find_port_holder;
pub(crate) use serve::{check, serve};
pub(crate) use settings::{Settings, SettingsLayer};
pub(crate) use signals::stop_signal;
pub(crate) use successor::Successor;
pub(crate) use tls::TlsFiles;

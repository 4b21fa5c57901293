//! What stories stand on: a stack of the real binary in a directory of its own, an upstream
//! that records what reaches it, and clients.

mod certificates;
mod cli;
mod curl;
mod dial;
mod go;
mod large_body;
mod ledger_rows;
mod mandates;
mod memory;
mod node;
mod power;
mod protected;
mod prover;
mod python;
mod raw;
mod scrape;
mod stack;
mod upstream;

pub use certificates::Authority;
pub use cli::{Output, run};
pub use curl::curl;
pub use dial::{READERS_BUFFER, dial};
pub use go::go_tests;
pub use large_body::{LargeBody, Progress, Reader};
pub use ledger_rows::{LedgerRow, copy_of, ledger_rows, log_of, open_ledger, rows_of};
pub use mandates::{Answer, Client, claims, http};
pub use memory::Memory;
pub use node::{node, node_tests};
pub use power::{Dice, Disk, Journal, Lie, Loss, Promises, Recorded, check_home};
pub use protected::Protected;
pub use prover::{Prover, nonce_of};
pub use python::{python, python_command, python_tests};
pub use raw::{Head, Raw, RawUpstream};
pub use scrape::Scrape;
pub use stack::{Stack, binary};
pub use upstream::{KEY, Upstream};

/// Waits until a condition holds; fails with `what` after 20 s.
pub async fn until<F: AsyncFnMut() -> bool>(what: &str, mut holds: F) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("waited 20 s in vain until {what}");
}

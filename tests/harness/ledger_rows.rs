//! The evidence in a home, read and tampered with behind the server's back.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::Stack;

/// One row of the table `events`.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    pub seq: i64,
    pub body: Vec<u8>,
}

impl LedgerRow {
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A connection to the ledger as somebody with access to its file has it.
pub fn open_ledger(home: &Path) -> Connection {
    let connection = Connection::open(home.join("ledger.db")).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    connection
}

/// Every row, in order.
pub fn ledger_rows(connection: &Connection) -> Vec<LedgerRow> {
    let mut statement = connection
        .prepare("SELECT seq, body FROM events ORDER BY seq")
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok(LedgerRow {
            seq: row.get(0)?,
            body: row.get(1)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The rows of one log, in order.
pub fn rows_of(connection: &Connection, log: &str) -> Vec<LedgerRow> {
    let mut rows = ledger_rows(connection);
    rows.retain(|row| row.event()["log"] == log);
    rows
}

/// A copy of a stopped stack, that can be damaged while the original stays whole. It gets
/// ports of its own.
pub fn copy_of(stack: &Stack) -> Stack {
    let copy = Stack::new();
    std::fs::create_dir_all(&copy.home).unwrap();
    for entry in std::fs::read_dir(&stack.home).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name == "master.key" || name.contains(".db") {
            std::fs::copy(entry.path(), copy.home.join(name)).unwrap();
        }
    }
    copy
}

/// The log of a zone that is written now.
pub fn log_of(stack: &Stack, zone: &str) -> String {
    let events = stack.events(zone);
    let log = &events.last().expect("the zone has events")["log"];
    log.as_str().unwrap().to_owned()
}

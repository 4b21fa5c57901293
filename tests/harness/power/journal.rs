//! What the shim recorded, in the order in which it happened.

use std::ops::Range;
use std::path::Path;

/// What happened. The numbers are those of `shim.c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file was made under a name.
    Create,
    /// An existing file, or with `a == 1` a directory, was opened.
    Open,
    /// Bytes were written at `a`.
    Write,
    /// The size became `a`.
    Truncate,
    /// What was recorded of the file before `upto` is durable.
    Sync,
    /// `old\nnew`.
    Rename,
    Unlink,
    /// The names in the directory that were recorded before `upto` are durable.
    SyncDirectory,
    MakeDirectory,
    /// Bytes are about to leave through the socket with our port `a` and their port `b`.
    Send,
}

const KINDS: [Kind; 10] = [
    Kind::Create,
    Kind::Open,
    Kind::Write,
    Kind::Truncate,
    Kind::Sync,
    Kind::Rename,
    Kind::Unlink,
    Kind::SyncDirectory,
    Kind::MakeDirectory,
    Kind::Send,
];

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    pub kind: Kind,
    /// The inode.
    pub file: u64,
    pub a: u64,
    pub b: u64,
    /// The number of the first record that a sync does not hold for.
    pub upto: usize,
    text: Range<usize>,
    data: Range<usize>,
}

/// All records of one process.
pub struct Journal {
    bytes: Vec<u8>,
    pub records: Vec<Record>,
}

impl Journal {
    /// Reads it; a record that was cut off when the process ended is left out.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut records = Vec::new();
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + 56) {
            let word = |n: usize| u64::from_le_bytes(head[n * 8..][..8].try_into().unwrap());
            let size = |n: usize| usize::try_from(word(n)).unwrap();
            let text = at + 56..at + 56 + size(4);
            let data = text.end..text.end + size(5);
            at = data.end;
            if at > bytes.len() {
                break;
            }
            records.push(Record {
                kind: KINDS[size(0) - 1],
                file: word(1),
                a: word(2),
                b: word(3),
                upto: size(6),
                text,
                data,
            });
        }
        Self { bytes, records }
    }

    /// The bytes that were written or sent.
    pub fn data(&self, record: &Record) -> &[u8] {
        &self.bytes[record.data.clone()]
    }

    /// The name below the directory that is watched.
    pub fn text(&self, record: &Record) -> &str {
        std::str::from_utf8(&self.bytes[record.text.clone()]).unwrap()
    }

    /// What was sent, with the numbers of the records.
    pub fn sent(&self) -> impl Iterator<Item = (usize, &Record, &[u8])> {
        let records = self.records.iter().enumerate();
        let sent = records.filter(|(_, record)| record.kind == Kind::Send);
        sent.map(|(number, record)| (number, record, self.data(record)))
    }
}

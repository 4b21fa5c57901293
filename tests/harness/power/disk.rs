//! A disk that holds what was synced, and of the rest as much as chance will have it.

use std::collections::{BTreeMap, HashMap};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Dice, Journal, Kind};

/// What becomes of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it is gone: bytes, sizes, names.
    Everything,
    /// Each sector that was written is there or not, also in the middle of one write, whatever
    /// was written later; names are there up to some moment, as a file system with a log of its
    /// own keeps them in their order.
    Some,
}

/// How a disk lies. The check must notice each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It does not.
    None,
    /// Syncs of the file with this name do nothing.
    File(&'static str),
    /// Syncs of directories do nothing.
    Directories,
}

#[derive(Clone)]
enum Change<'j> {
    Write(usize, &'j [u8]),
    Resize(usize),
}

#[derive(Default)]
struct File<'j> {
    durable: Vec<u8>,
    pending: Vec<(usize, Change<'j>)>,
    lied_about: bool,
}

#[derive(Clone)]
enum Naming {
    Link(String, usize),
    Rename(String, String),
    Unlink(String),
    Directory(String),
}

#[derive(Clone, Default)]
struct Names {
    files: BTreeMap<String, usize>,
    directories: Vec<String>,
}

/// The state of the disk after a number of records.
pub struct Disk<'j> {
    journal: &'j Journal,
    lie: Lie,
    played: usize,
    files: Vec<File<'j>>,
    by_inode: HashMap<u64, usize>,
    directories: HashMap<u64, String>,
    durable: Names,
    pending: Vec<(usize, Naming)>,
}

impl<'j> Disk<'j> {
    /// An empty one.
    pub fn new(journal: &'j Journal, lie: Lie) -> Self {
        Self {
            journal,
            lie,
            played: 0,
            files: Vec::new(),
            by_inode: HashMap::new(),
            directories: HashMap::new(),
            durable: Names::default(),
            pending: Vec::new(),
        }
    }

    /// Goes on until this many records have happened.
    pub fn play_to(&mut self, records: usize) {
        while self.played < records {
            self.play(self.played);
            self.played += 1;
        }
    }

    fn play(&mut self, number: usize) {
        let (journal, record) = (self.journal, &self.journal.records[number]);
        let text = || journal.text(record).to_owned();
        match record.kind {
            Kind::Send => {}
            Kind::Open if record.a == 1 => {
                self.directories.insert(record.file, text());
            }
            Kind::Open if self.by_inode.contains_key(&record.file) => {}
            Kind::Open | Kind::Create => {
                let name = text();
                let is_seen = record.kind == Kind::Create || !name.contains(".db");
                assert!(is_seen, "`{name}` was made behind the shim's back");
                self.by_inode.insert(record.file, self.files.len());
                self.pending
                    .push((number, Naming::Link(name.clone(), self.files.len())));
                self.files.push(File {
                    lied_about: self.lie_covers(&name),
                    ..File::default()
                });
            }
            Kind::Write => {
                let change = Change::Write(place(record.a), journal.data(record));
                self.change(number, record.file, change);
            }
            Kind::Truncate => self.change(number, record.file, Change::Resize(place(record.a))),
            Kind::Sync => {
                let file = &mut self.files[self.by_inode[&record.file]];
                if !file.lied_about {
                    let held = file.pending.partition_point(|(at, _)| *at < record.upto);
                    for (_, change) in file.pending.drain(..held) {
                        apply(&mut file.durable, &change);
                    }
                }
            }
            Kind::Rename => {
                let (old, new) = journal.text(record).split_once('\n').unwrap();
                let naming = Naming::Rename(old.to_owned(), new.to_owned());
                self.pending.push((number, naming));
            }
            Kind::Unlink => self.pending.push((number, Naming::Unlink(text()))),
            Kind::MakeDirectory => {
                self.directories.insert(record.file, text());
                self.pending.push((number, Naming::Directory(text())));
            }
            Kind::SyncDirectory if self.lie == Lie::Directories => {}
            Kind::SyncDirectory => {
                let synced = &self.directories[&record.file];
                let (durable, upto) = (&mut self.durable, record.upto);
                self.pending.retain(|(at, naming)| {
                    let holds = *at < upto && naming.directory() == synced;
                    if holds {
                        durable.apply(naming);
                    }
                    !holds
                });
            }
        }
    }

    fn change(&mut self, number: usize, inode: u64, change: Change<'j>) {
        let file = self.by_inode[&inode];
        self.files[file].pending.push((number, change));
    }

    fn lie_covers(&self, name: &str) -> bool {
        matches!(self.lie, Lie::File(covered) if covered == name)
    }

    /// Writes what is left after the power went now. `-shm` files are memory and never left.
    pub fn write_out(&self, directory: &Path, loss: Loss, dice: &mut Dice) {
        let mut names = self.durable.clone();
        let (kept, chance, sector) = match loss {
            Loss::Everything => (0, 0, 512),
            Loss::Some => (
                dice.below(self.pending.len() + 1),
                [5, 50, 95][dice.below(3)],
                [512, 4096][dice.below(2)],
            ),
        };
        for (_, naming) in &self.pending[..kept] {
            names.apply(naming);
        }
        std::fs::create_dir_all(directory).unwrap();
        for name in names.directories.iter().filter(|name| !name.is_empty()) {
            std::fs::create_dir_all(directory.join(name)).unwrap();
        }
        for (name, file) in names.files {
            if name.ends_with("-shm") {
                continue;
            }
            let file = &self.files[file];
            let mut bytes = file.durable.clone();
            for (_, change) in file.pending.iter().filter(|_| chance > 0) {
                tear(&mut bytes, change, sector, chance, dice);
            }
            let path = directory.join(&name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            // As the server makes its files.
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        }
    }
}

impl Naming {
    fn directory(&self) -> &str {
        let name = match self {
            Self::Link(name, _) | Self::Rename(_, name) => name,
            Self::Unlink(name) | Self::Directory(name) => name,
        };
        name.rsplit_once('/').map_or("", |(directory, _)| directory)
    }
}

impl Names {
    fn apply(&mut self, naming: &Naming) {
        match naming {
            Naming::Link(name, file) => {
                self.files.insert(name.clone(), *file);
            }
            Naming::Rename(old, new) => {
                // A name whose making was not kept cannot be moved either.
                if let Some(file) = self.files.remove(old) {
                    self.files.insert(new.clone(), file);
                }
            }
            Naming::Unlink(name) => {
                self.files.remove(name);
            }
            Naming::Directory(name) => self.directories.push(name.clone()),
        }
    }
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    if bytes.len() < at + data.len() {
        bytes.resize(at + data.len(), 0);
    }
    bytes[at..at + data.len()].copy_from_slice(data);
}

fn apply(bytes: &mut Vec<u8>, change: &Change<'_>) {
    match change {
        Change::Write(at, data) => put(bytes, *at, data),
        Change::Resize(size) => bytes.resize(*size, 0),
    }
}

/// Applies a part of the change, sector by sector.
fn tear(bytes: &mut Vec<u8>, change: &Change<'_>, sector: usize, chance: usize, dice: &mut Dice) {
    let Change::Write(at, data) = change else {
        if dice.percent(chance) {
            apply(bytes, change);
        }
        return;
    };
    let mut from = 0;
    while from < data.len() {
        let upto = data.len().min((at + from) / sector * sector + sector - at);
        if dice.percent(chance) {
            put(bytes, at + from, &data[from..upto]);
        }
        from = upto;
    }
}

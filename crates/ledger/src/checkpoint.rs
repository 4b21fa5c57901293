//! Signed heads of a tree.

use signed_note::{Note, VerifierList};

use crate::LedgerError;
use crate::note_key::NoteVerifier;

/// The longest checkpoint that is read, in bytes. Cosignatures of witnesses fit well.
const MAX_BYTES: usize = 64 * 1024;

/// What a signed checkpoint says: the log of this origin had this many leaves and this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The RFC 6962 root.
    pub root: [u8; 32],
}

/// Opens a C2SP checkpoint: checks that the key signed it and that it is for the log that
/// the key is for. Signatures of others, such as witnesses, are ignored.
pub fn open_checkpoint(note: &str, vkey: &str) -> Result<Checkpoint, LedgerError> {
    open_with(note, NoteVerifier::parse(vkey)?)
}

pub(crate) fn open_with(note: &str, verifier: NoteVerifier) -> Result<Checkpoint, LedgerError> {
    let refuse = |why: &str| LedgerError::BadCheckpoint(why.to_owned());
    if note.len() > MAX_BYTES {
        return Err(refuse("it is longer than 64 KiB"));
    }
    let name = signed_note::Verifier::name(&verifier).to_owned();
    let note = Note::from_bytes(note.as_bytes()).map_err(|_| refuse("it is not a signed note"))?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .map_err(|error| refuse(&error.to_string()))?;
    let head = tlog_tiles::Checkpoint::from_bytes(note.text())
        .map_err(|_| refuse("its text is not origin, size and root"))?;
    if head.origin() != name {
        return Err(refuse("its origin is not the name of its key"));
    }
    Ok(Checkpoint {
        origin: name,
        size: head.size(),
        root: head.hash().0,
    })
}

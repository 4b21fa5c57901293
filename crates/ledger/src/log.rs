//! One log that is being written.

use caracal_core::LogId;
use caracal_crypto::LogSigner;
use signed_note::{Note, Signature};
use tlog_tiles::Hash;

use crate::note_key::{check_origin, key_id};
use crate::{LeafHash, LedgerError, MAX_LOG_SIZE, TreeState};

/// One log that is being written: its tree and the key that signs its checkpoints. It
/// holds no leaves; the caller stores them first and appends their hashes here.
pub struct Log {
    id: LogId,
    origin: String,
    signer: LogSigner,
    /// What its signatures are marked with.
    key_id: u32,
    state: TreeState,
}

impl Log {
    /// Goes on with a log at this state; a new log starts with [`TreeState::new`].
    ///
    /// # Errors
    /// `BadOrigin` when the origin is no name of a note key, `BadState` when the state
    /// contradicts itself.
    pub fn open(
        id: LogId,
        origin: &str,
        signer: LogSigner,
        state: TreeState,
    ) -> Result<Self, LedgerError> {
        check_origin(origin)?;
        state.check()?;
        Ok(Self {
            id,
            key_id: key_id(origin, &signer.public()),
            origin: origin.to_owned(),
            signer,
            state,
        })
    }

    /// The id.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// The origin line of its checkpoints.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The number of leaves, which is the index of the next one.
    pub fn size(&self) -> u64 {
        self.state.size
    }

    /// Adds a leaf and gives its index. The caller keeps the size below
    /// [`crate::MAX_LOG_SIZE`], beyond which no checkpoint is signed.
    pub fn append(&mut self, leaf: &LeafHash) -> u64 {
        let index = self.state.size;
        self.state.append(*leaf);
        index
    }

    /// The state, to be kept and for [`Log::restore`].
    pub fn state(&self) -> &TreeState {
        &self.state
    }

    /// Goes back to an earlier state, when leaves that were appended could not be stored.
    pub fn restore(&mut self, state: TreeState) -> Result<(), LedgerError> {
        state.check()?;
        self.state = state;
        Ok(())
    }

    /// Signs the head of the tree: a C2SP checkpoint. Sign only what is durable: two
    /// checkpoints that contradict each other are proof against the log.
    pub fn checkpoint(&self) -> Result<String, LedgerError> {
        if self.state.size > MAX_LOG_SIZE {
            return Err(LedgerError::Full);
        }
        let refuse = |_| LedgerError::BadOrigin(self.origin.clone());
        let head =
            tlog_tiles::Checkpoint::new(&self.origin, self.state.size, Hash(self.state.root()), "")
                .map_err(|_| LedgerError::BadOrigin(self.origin.clone()))?;
        let text = head.to_bytes();
        let signed = self.signer.sign(&text);
        let signature = Signature::new(self.origin.clone(), self.key_id, signed).map_err(refuse)?;
        let note = Note::new(&text, &[signature]).map_err(refuse)?.to_bytes();
        String::from_utf8(note).map_err(|_| LedgerError::BadOrigin(self.origin.clone()))
    }
}

#[cfg(test)]
mod tests;

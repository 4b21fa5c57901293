//! The contract of the state store.

use async_trait::async_trait;
use caracal_core::{CommitId, Document, Position, Revision, ZoneId};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{ClaimId, Claimed, Commit, CommitError, CommitRecord, StoreError};

/// The documents of a zone at a position.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where in the zone's history it was taken.
    pub position: Position,
    /// Every document of the zone, in no order.
    pub documents: Vec<Document>,
}

/// Documents and the chain of commits that made them. All methods may be called concurrently.
#[async_trait]
pub trait StateStore: Send + Sync + 'static {
    /// Makes a commit. When this returns `Ok`, the commit is on stable storage and survives
    /// loss of power; commits of a zone have consecutive revisions, and each position's hash
    /// covers the one before. Pending commits share one synced transaction; one that fails
    /// does not harm the others in its batch.
    async fn commit(&self, commit: Commit) -> Result<Position, CommitError>;

    /// The position of a commit, or `None` when it never happened and, once this has
    /// answered, never will.
    async fn find_commit(&self, zone: ZoneId, id: CommitId)
    -> Result<Option<Position>, StoreError>;

    /// The zones that have documents, the instance's partition included.
    async fn list_zones(&self) -> Result<Vec<ZoneId>, StoreError>;

    /// A consistent snapshot of a zone; empty at the start position for an unknown zone.
    async fn load(&self, zone: ZoneId) -> Result<Snapshot, StoreError>;

    /// At most `limit` commits of a zone with a revision above `after`, in order.
    async fn list_commits(
        &self,
        zone: ZoneId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<CommitRecord>, StoreError>;

    /// Forgets at most `limit` of a zone's oldest commits with a revision below `below`, whose
    /// events are evidence by now, and answers how many there were. The zone's documents and
    /// its position stay. [`Self::find_commit`] does not find them any more.
    async fn forget_commits(
        &self,
        zone: ZoneId,
        below: Revision,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let _ = (zone, below, limit);
        Ok(0)
    }

    /// Claims what may be used once. [`Claimed::Now`] is answered to one caller only, of all that
    /// ever ask until the claim has ended and was forgotten, and when it is answered the claim is
    /// on stable storage. It ends at `expires_at`, in whole seconds and not before: until then the
    /// caller must refuse what was claimed for other reasons. Pending claims share one sync.
    ///
    /// # Errors
    ///
    /// With [`StoreError::Unavailable`] it may be claimed or not; nobody was told that it is theirs.
    async fn claim(
        &self,
        zone: ZoneId,
        id: ClaimId,
        expires_at: Timestamp,
    ) -> Result<Claimed, StoreError>;

    /// Forgets at most `limit` claims, of all zones, that ended before `before`, and answers how
    /// many there were.
    async fn forget_claims(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// Every commit of every zone made after this call, each zone's in order, none left out.
    /// A commit is sent once it is durable and before its `commit` call returns. The channel
    /// is unbounded in type but bounded by the commits in flight: a caller that stops reading
    /// must drop the receiver.
    fn watch(&self) -> mpsc::UnboundedReceiver<CommitRecord>;

    /// Finishes what is queued, then closes. Later calls fail with [`StoreError::Unavailable`].
    async fn close(&self);
}

//! The log of a zone: making one, opening it, and leaving a damaged one behind.

use caracal_core::{EventType, Kind, LogKey, Revision, Zone, ZoneId};
use caracal_crypto::LogSigner;
use caracal_ledger::{Log, TreeState};

use crate::change::Change;
use crate::view::ZoneKeys;
use crate::{Admin, AdminError, Engine, Operator, StartError, new_keys};

/// How far an opened log has come.
pub(crate) struct Opened {
    pub(crate) revision: Revision,
    /// Why it must not be continued.
    pub(crate) damaged: Option<String>,
}

impl Engine {
    /// Makes the key of a new log.
    pub(crate) fn new_log_key(&self, zone: ZoneId) -> Result<LogKey, AdminError> {
        let host = host_of(&self.0.config.sts_url);
        new_keys::log_key(&self.keyring(), zone, self.now(), &host)
            .map_err(|why| AdminError::Unavailable { why, done: false })
    }

    /// Opens a zone's log for appending, unless it is damaged.
    pub(crate) async fn open_log(&self, zone: ZoneId, key: &LogKey) -> Result<Opened, StartError> {
        let head = self.evidence().head(key.id).await?;
        if head.damaged {
            let why = format!("`{}` ends before its signed size {}", key.id, head.size);
            tracing::error!(%zone, log = %key.id, "the log is damaged; a new one takes its place");
            return Ok(Opened {
                revision: head.revision,
                damaged: Some(why),
            });
        }
        let seed = self
            .keyring()
            .open(&key.private, &ZoneKeys::context(zone, "log-key"))
            .map_err(|e| StartError::Damaged(format!("the key of `{}`: {e}", key.id)))?;
        let signer = LogSigner::from_seed(&seed)
            .map_err(|e| StartError::Damaged(format!("the key of `{}`: {e}", key.id)))?;
        let state = TreeState {
            size: head.size,
            edge: head.edge,
        };
        let log = Log::open(key.id, &key.origin, signer, state)
            .map_err(|e| StartError::Damaged(format!("the log `{}`: {e}", key.id)))?;
        self.evidence().open_log(log).await?;
        Ok(Opened {
            revision: head.revision,
            damaged: None,
        })
    }

    /// Opens a new log in place of a damaged one; the old one stays as it is, and
    /// `audit verify` names what is wrong with it.
    pub(crate) async fn open_new_log(&self, zone: ZoneId, why: &str) -> Result<(), AdminError> {
        let admin = Admin::new(Operator::local(), self.new_request_id());
        let key = self.new_log_key(zone)?;
        // Opened before the commit, so that the commit's own event finds it.
        self.open_log(zone, &key)
            .await
            .map_err(|e| AdminError::Unavailable {
                why: e.to_string(),
                done: false,
            })?;
        let result = self
            .write(zone, &admin, |view| {
                let mut change = Change::of_configuration(view);
                let mut value: Zone = view.zone.value.clone();
                value.logs.push(key.clone());
                change.put(
                    Kind::Zone,
                    zone.uuid(),
                    Some(&value.name),
                    view.zone_version(),
                    &value,
                )?;
                let mut event = self.admin_event(zone, &admin, EventType::LogOpened);
                event.operator = None;
                event.target = Some(key.id.to_string());
                event.reason = Some(why.to_owned());
                change.events.push(event);
                Ok((change, ()))
            })
            .await;
        match result {
            // The ledger cannot be written now: the node starts, and denies.
            Err(AdminError::Unavailable { done: true, .. }) => Ok(()),
            other => other,
        }
    }
}

/// The host and port of a public URL, for the origin line of checkpoints.
pub(crate) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}

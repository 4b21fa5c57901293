//! Writes that a client may repeat: the first answer is remembered and given again.

use caracal_core::{Kind, Secret, Version, ZoneId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::change::Change;
use crate::view::{Remembered, ZoneKeys, ZoneView};
use crate::{Admin, AdminError, Engine};

/// How long an answer is remembered.
const REMEMBER_HOURS: i64 = 24;
/// How many answers a zone remembers; beyond that the oldest of whoever has most go, so that
/// nobody pushes out what others have less of.
const MAX_REMEMBERED: usize = 10_000;
/// How many are forgotten at a time.
const AT_ONCE: usize = 32;

/// A write that a client may repeat.
#[derive(Clone)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// Tells whether a repeated request is the same: method, path and body.
    pub input: Vec<u8>,
}

impl std::fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The input is a whole request, which may hold a provider's secret.
        f.debug_struct("Idempotency")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The answer that was given to this request before.
    pub(crate) fn recall<T: DeserializeOwned>(
        &self,
        view: &ZoneView,
        admin: &Admin,
    ) -> Result<Option<T>, AdminError> {
        let digest = &view.keys.digest;
        let Some(idempotency) = &admin.idempotency else {
            return Ok(None);
        };
        let Some(held) = view.remembered.get(key_of(digest, admin, idempotency)) else {
            return Ok(None);
        };
        if held.value.input != input_of(digest, idempotency) {
            return Err(AdminError::IdempotencyConflict);
        }
        let context = ZoneKeys::context(view.zone.value.id, "idempotency");
        let unreadable = |why: String| AdminError::Unavailable { why, done: true };
        let plain = self
            .keyring()
            .open(&held.value.answer, &context)
            .map_err(|e| unreadable(format!("the remembered answer cannot be opened: {e}")))?;
        serde_json::from_slice(plain.expose())
            .map(Some)
            .map_err(|e| unreadable(format!("the remembered answer cannot be read: {e}")))
    }

    /// Adds the answer to the change that it answers, and drops what is remembered too long.
    pub(crate) fn remember<T: Serialize>(
        &self,
        view: &ZoneView,
        admin: &Admin,
        change: &mut Change,
        answer: &T,
    ) -> Result<(), AdminError> {
        if admin.idempotency.is_none() {
            return Ok(());
        }
        let now = self.now();
        let is_old =
            |held: &Remembered| now.duration_since(held.created_at).as_hours() >= REMEMBER_HOURS;
        let old = view.remembered.by_age();
        let mut leaves: Vec<_> = old
            .take_while(|(_, held)| is_old(&held.value))
            .take(AT_ONCE)
            .collect();
        if leaves.is_empty() && view.remembered.len() >= MAX_REMEMBERED {
            // Several at once: those who write at the same time would drop the same one, and
            // then decide again.
            leaves.extend(view.remembered.of_greediest().take(AT_ONCE));
        }
        for (id, held) in leaves {
            change.delete(Kind::Idempotency, id, held.version);
        }
        self.remember_in(view.zone.value.id, &view.keys.digest, admin, change, answer)
    }

    /// Adds the answer to a change of a zone with this digest key.
    pub(crate) fn remember_in<T: Serialize>(
        &self,
        zone: ZoneId,
        digest: &Secret,
        admin: &Admin,
        change: &mut Change,
        answer: &T,
    ) -> Result<(), AdminError> {
        let Some(idempotency) = &admin.idempotency else {
            return Ok(());
        };
        let unwritable = |why: String| AdminError::Unavailable { why, done: false };
        // The answer may hold a client secret, so it is kept sealed.
        let plain = Secret::new(serde_json::to_vec(answer).map_err(|e| unwritable(e.to_string()))?);
        let answer = self
            .keyring()
            .seal(&plain, &ZoneKeys::context(zone, "idempotency"))
            .map_err(|e| unwritable(e.to_string()))?;
        let remembered = Remembered {
            input: input_of(digest, idempotency),
            answer,
            created_at: self.now(),
            caller: admin.operator.pays().to_owned(),
        };
        let id = key_of(digest, admin, idempotency);
        change.put(Kind::Idempotency, id, None, Version::ABSENT, &remembered)
    }
}

fn key_of(digest: &Secret, admin: &Admin, idempotency: &Idempotency) -> Uuid {
    let text = format!("{}\n{}", admin.operator.label(), idempotency.key);
    let keyed = caracal_crypto::keyed_digest(digest, text.as_bytes());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(keyed) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn input_of(digest: &Secret, idempotency: &Idempotency) -> String {
    caracal_crypto::hex(&caracal_crypto::keyed_digest(digest, &idempotency.input))
}

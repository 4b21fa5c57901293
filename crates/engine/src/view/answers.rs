//! The remembered answers of a zone.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Remembered, Stored};

/// Remembered answers by id, in the order of their age, and by whom they were given to.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    by_id: imbl::HashMap<Uuid, Arc<Stored<Remembered>>>,
    by_age: imbl::OrdSet<(Timestamp, Uuid)>,
    by_caller: imbl::HashMap<Arc<str>, imbl::OrdSet<(Timestamp, Uuid)>>,
    /// How many each caller has.
    by_count: imbl::OrdSet<(usize, Arc<str>)>,
}

impl Answers {
    pub(crate) fn get(&self, id: Uuid) -> Option<&Arc<Stored<Remembered>>> {
        self.by_id.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The answers from the oldest on.
    pub(crate) fn by_age(&self) -> impl Iterator<Item = (Uuid, &Arc<Stored<Remembered>>)> {
        self.by_age
            .iter()
            .filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)))
    }

    /// The answers of the caller who has most, from the oldest on.
    pub(crate) fn of_greediest(&self) -> impl Iterator<Item = (Uuid, &Arc<Stored<Remembered>>)> {
        let most = self.by_count.get_max();
        let ids = most.and_then(|(_, caller)| self.by_caller.get(caller));
        ids.into_iter()
            .flatten()
            .filter_map(|(_, id)| Some((*id, self.by_id.get(id)?)))
    }

    pub(crate) fn insert(&mut self, id: Uuid, stored: Stored<Remembered>) {
        self.remove(id);
        let key = (stored.value.created_at, id);
        let caller: Arc<str> = stored.value.caller.as_str().into();
        let ids = self.by_caller.entry(Arc::clone(&caller)).or_default();
        self.by_count.remove(&(ids.len(), Arc::clone(&caller)));
        ids.insert(key);
        self.by_count.insert((ids.len(), caller));
        self.by_age.insert(key);
        self.by_id.insert(id, Arc::new(stored));
    }

    pub(crate) fn remove(&mut self, id: Uuid) {
        let Some(held) = self.by_id.remove(&id) else {
            return;
        };
        let key = (held.value.created_at, id);
        let caller: Arc<str> = held.value.caller.as_str().into();
        self.by_age.remove(&key);
        let Some(ids) = self.by_caller.get_mut(&caller) else {
            return;
        };
        self.by_count.remove(&(ids.len(), Arc::clone(&caller)));
        ids.remove(&key);
        if ids.is_empty() {
            self.by_caller.remove(&caller);
        } else {
            self.by_count.insert((ids.len(), caller));
        }
    }
}

#[cfg(test)]
mod tests {
    use caracal_core::{SealedSecret, Version};

    use super::*;

    fn answer(caller: &str, second: i64) -> Stored<Remembered> {
        Stored {
            version: Version(1),
            value: Remembered {
                input: String::new(),
                answer: SealedSecret(String::new()),
                created_at: Timestamp::from_second(second).unwrap(),
                caller: caller.to_owned(),
            },
        }
    }

    #[test]
    fn whoever_has_most_gives_way_and_nothing_is_left_of_what_goes() {
        let mut answers = Answers::default();
        let id = |n: i64| Uuid::from_u128(n.unsigned_abs().into());
        for n in 0..10 {
            answers.insert(id(n), answer(if n < 3 { "a" } else { "b" }, n));
        }
        // The same again changes nothing.
        answers.insert(id(9), answer("b", 9));
        assert_eq!(answers.len(), 10);
        let first = |answers: &Answers| answers.of_greediest().next().map(|(id, _)| id);
        assert_eq!(first(&answers), Some(id(3)));
        for n in 3..8 {
            assert_eq!(first(&answers), Some(id(n)));
            answers.remove(id(n));
        }
        assert_eq!(first(&answers), Some(id(0)), "now `a` has most");
        assert_eq!(answers.by_age().next().map(|(id, _)| id), Some(id(0)));
        for n in 0..10 {
            answers.remove(id(n));
        }
        let empty = answers.by_age.is_empty() && answers.by_caller.is_empty();
        assert!(empty && answers.by_count.is_empty() && answers.len() == 0);
    }
}

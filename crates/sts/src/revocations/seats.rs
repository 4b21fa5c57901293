//! How many feeds are open, in all and per application.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use caracal_core::ApplicationId;

/// How many feeds are open at a time.
const MOST: usize = 512;
/// How many of them are one application's.
const MOST_OF_ONE: usize = 16;

/// The places of feeds.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<ApplicationId, usize>>>);

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSeat {
    /// The application has its share.
    OwnShare,
    /// All are taken.
    Full,
}

/// The place of one feed, until it is dropped.
pub(crate) struct Seat {
    seats: Seats,
    application: ApplicationId,
}

impl Seats {
    pub(crate) fn take(&self, application: ApplicationId) -> Result<Seat, NoSeat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&application).copied().unwrap_or(0) >= MOST_OF_ONE {
            return Err(NoSeat::OwnShare);
        }
        if taken.values().sum::<usize>() >= MOST {
            return Err(NoSeat::Full);
        }
        *taken.entry(application).or_default() += 1;
        Ok(Seat {
            seats: self.clone(),
            application,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.application) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.application);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(n: usize) -> ApplicationId {
        let n = u128::try_from(n).unwrap();
        ApplicationId::from_uuid(format!("{n:032x}").parse().unwrap())
    }

    #[test]
    fn one_application_cannot_take_all_and_a_seat_comes_back() {
        let seats = Seats::default();
        let take = |n| seats.take(application(n));
        let mut held: Vec<_> = (0..MOST_OF_ONE).map(|_| take(1).ok().unwrap()).collect();
        assert_eq!(take(1).err(), Some(NoSeat::OwnShare));
        assert!(take(2).is_ok());
        held.pop();
        assert!(take(1).is_ok());
        drop(held);
        assert!(seats.0.lock().unwrap().is_empty());
    }

    #[test]
    fn there_are_only_so_many() {
        let seats = Seats::default();
        let held: Vec<_> = (0..MOST)
            .map(|n| seats.take(application(n / 2)).ok().unwrap())
            .collect();
        assert_eq!(seats.take(application(MOST)).err(), Some(NoSeat::Full));
        drop(held);
        assert!(seats.take(application(MOST)).is_ok());
    }
}

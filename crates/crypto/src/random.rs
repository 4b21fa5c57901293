//! Randomness of the operating system.

use std::cell::RefCell;

/// `N` random bytes of the operating system.
///
/// # Panics
/// When the operating system has no randomness to give: nothing safe can be done then.
#[expect(
    clippy::panic,
    reason = "without randomness every further step would be unsafe"
)]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        panic!("the operating system gives no randomness");
    }
    bytes
}

/// Ten random bytes for an id. They come from a store that each thread fills for many ids at a
/// time, since the operating system takes longer to give ten bytes than a call may cost.
pub fn id_bytes() -> [u8; ID_BYTES] {
    STORE.with_borrow_mut(|store| match store.pop() {
        Some(bytes) => bytes,
        None => {
            let fresh = random_bytes::<{ ID_BYTES * STORED }>();
            store.extend_from_slice(fresh.as_chunks().0);
            store.pop().unwrap_or_else(random_bytes)
        }
    })
}

const ID_BYTES: usize = 10;
const STORED: usize = 64;

thread_local! {
    static STORE: RefCell<Vec<[u8; ID_BYTES]>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
        assert_ne!(random_bytes::<32>(), [0; 32]);
        assert_eq!(random_bytes::<0>(), [0; 0]);
    }

    #[test]
    fn ids_do_not_repeat() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| id_bytes()).collect();
        assert_eq!(ids.len(), 10_000);
    }
}

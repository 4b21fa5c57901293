//! Randomness of the operating system.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_do_not_repeat() {
        assert_ne!(random_bytes::<32>(), random_bytes::<32>());
        assert_ne!(random_bytes::<32>(), [0; 32]);
        assert_eq!(random_bytes::<0>(), [0; 0]);
    }
}

//! SHA-256 of what is written.

use std::io::{self, Write};

use aws_lc_rs::digest;

/// Passes everything on to another writer and digests it on the way.
pub struct Sha256Writer<W> {
    inner: W,
    context: digest::Context,
    length: u64,
}

impl<W: Write> Sha256Writer<W> {
    /// Passes on to this writer.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            context: digest::Context::new(&digest::SHA256),
            length: 0,
        }
    }

    /// The digest in lower-case hex, the number of bytes, and the writer.
    pub fn finish(self) -> (String, u64, W) {
        let digest = self.context.finish();
        (crate::hex(digest.as_ref()), self.length, self.inner)
    }
}

impl<W: Write> Write for Sha256Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        let passed = bytes.get(..written).unwrap_or(bytes);
        self.context.update(passed);
        self.length = self
            .length
            .saturating_add(u64::try_from(passed.len()).unwrap_or(u64::MAX));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on_is_what_is_digested() {
        let mut writer = Sha256Writer::new(Vec::new());
        writer.write_all(b"a").unwrap();
        writer.write_all(b"bc").unwrap();
        let (digest, length, passed) = writer.finish();
        assert_eq!(digest, crate::hex(&crate::sha256(b"abc")));
        assert_eq!((length, passed.as_slice()), (3, b"abc".as_slice()));
    }
}

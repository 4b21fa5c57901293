//! Bodies of any length whose every byte is known, without holding them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame};

/// A prime: bytes that are lost, doubled or moved by any round number do not fit.
const PERIOD: usize = 65_521;
const PIECE: usize = 64 * 1024;

/// The bytes from `offset` on, at most a piece.
fn bytes_at(offset: u64) -> Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| {
        let mut state: u32 = 1;
        let period: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(PERIOD)
        .collect();
        period
            .iter()
            .copied()
            .cycle()
            .take(PERIOD + PIECE)
            .collect()
    });
    let begin = usize::try_from(offset % PERIOD as u64).unwrap();
    pattern.slice(begin..begin + PIECE)
}

/// How far a body has come on one of its ways.
#[derive(Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Waits until nothing moves any more, and gives how far it came.
    pub async fn standstill(&self) -> u64 {
        let (mut before, mut still) = (self.bytes(), 0);
        for _ in 0..400 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let now = self.bytes();
            still = if now == before { still + 1 } else { 0 };
            before = now;
            if still == 8 {
                return now;
            }
        }
        panic!("nobody holds the sender up: {before} bytes");
    }
}

/// A body that is made as it is asked for.
pub struct LargeBody {
    length: u64,
    sent: Progress,
}

impl LargeBody {
    /// A body of so many bytes; `sent` tells how many were given away.
    pub fn new(length: u64, sent: &Progress) -> Self {
        Self {
            length,
            sent: sent.clone(),
        }
    }
}

impl Body for LargeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let offset = self.sent.bytes();
        let left = usize::try_from(self.length - offset).unwrap();
        if left == 0 {
            return Poll::Ready(None);
        }
        let piece = bytes_at(offset).slice(..left.min(PIECE));
        self.sent.0.fetch_add(piece.len() as u64, Ordering::Release);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

/// Looks at a body as it comes.
#[derive(Default)]
pub struct Reader {
    read: u64,
}

impl Reader {
    /// Takes what came.
    #[track_caller]
    pub fn take(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let wanted = bytes_at(self.read);
            let length = data.len().min(wanted.len());
            let (now, later) = data.split_at(length);
            assert!(now == &wanted[..length], "other bytes after {}", self.read);
            self.read += length as u64;
            data = later;
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.read
    }
}

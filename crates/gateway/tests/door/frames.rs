//! A client of HTTP/2 that sends what no library would.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(10);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The status of a head.
    pub(crate) fn status(&self) -> u16 {
        let mut bytes = self.payload.as_slice();
        while bytes[0] & 0xe0 == 0x20 {
            bytes = &bytes[1..];
        }
        match bytes[0] {
            0x88 => 200,
            0x89 => 204,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            0x48 | 0x08 if bytes[1] & 0x80 == 0 => {
                std::str::from_utf8(&bytes[2..5]).unwrap().parse().unwrap()
            }
            0x48 | 0x08 => {
                let length = usize::from(bytes[1] & 0x7f);
                digits(&bytes[2..2 + length])
            }
            other => panic!("an odd status: {other:#x}"),
        }
    }
}

/// Three digits in the code of RFC 7541, appendix B.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let take = |length: usize| {
            bits[at..at + length]
                .iter()
                .fold(0_u16, |n, bit| n << 1 | u16::from(*bit))
        };
        let digit = match take(5) {
            short @ 0..=2 => {
                at += 5;
                short
            }
            _ => {
                let long = take(6);
                at += 6;
                long - 0b01_1001 + 3
            }
        };
        number = number * 10 + digit;
    }
    number
}

pub(crate) struct Frames(TcpStream);

impl Frames {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.unwrap());
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[]));
        frames.send(&hello).await;
        frames
    }

    /// Sends bytes to a peer that may be gone.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(LIMIT, self.0.write_all(bytes)).await.unwrap();
    }

    /// The next frame; none when the connection ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(LIMIT, self.read()).await.expect("nothing came")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
            payload,
        })
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A head, in as many frames as it needs.
pub(crate) fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_000).peekable();
    let mut bytes = Vec::new();
    let mut kind = HEADERS;
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        let own = if kind == HEADERS { flags } else { 0 };
        bytes.extend(frame(kind, own | end, stream, piece));
        kind = CONTINUATION;
    }
    bytes
}

/// Headers as they are written, none of them remembered (RFC 7541, 6.2.2).
pub(crate) fn block<N: AsRef<str>, V: AsRef<str>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            let length = text.len();
            match u8::try_from(length) {
                Ok(short @ 0..=126) => bytes.push(short),
                _ => {
                    bytes.push(127);
                    let mut rest = length - 127;
                    while rest >= 128 {
                        bytes.push((rest % 128) as u8 | 128);
                        rest /= 128;
                    }
                    bytes.push(rest as u8);
                }
            }
            bytes.extend(text.as_bytes());
        }
    }
    bytes
}

//! HTTP/2 as frames, for upstreams that do what no library would.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::upstream::accept;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const ACK: u8 = 1;

/// `:status: 200` from the static table.
pub(super) const STATUS_200: &[u8] = &[0x88];

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

/// The upstream's side of one connection.
pub(super) struct Frames<S = TcpStream>(pub(super) S);

impl Frames {
    /// Takes a connection and the client's preface, and sends `settings` (pairs).
    pub(super) fn accept(listener: &std::net::TcpListener, settings: &[(u16, u32)]) -> Self {
        Self::over(accept(listener), settings).unwrap()
    }
}

impl<S: Read + Write> Frames<S> {
    /// Takes the client's preface and sends `settings`; none when the connection ended before.
    pub(super) fn over(mut stream: S, settings: &[(u16, u32)]) -> Option<Self> {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).ok()?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self(stream);
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        frames.send(SETTINGS, 0, 0, &payload).ok()?;
        Some(frames)
    }

    pub(super) fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        self.0.write_all(&frame(kind, flags, stream, payload))
    }

    /// The next frame; none when the connection ended.
    pub(super) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        self.0.read_exact(&mut vec![0; length as usize]).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff,
        })
    }

    /// Reads up to the next head of a request and returns its stream. Settings are
    /// acknowledged on the way.
    pub(super) fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.next()?;
            if frame.kind == SETTINGS && frame.flags & ACK == 0 {
                self.send(SETTINGS, ACK, 0, &[]).ok()?;
            }
            if frame.kind == HEADERS {
                return Some(frame.stream);
            }
        }
    }

    /// How many requests come until the connection ends.
    pub(super) fn count_requests(&mut self) -> usize {
        std::iter::from_fn(|| self.request()).count()
    }

    pub(super) fn answer(&mut self, stream: u32, body: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, STATUS_200).unwrap();
        self.send(DATA, END_STREAM, stream, body).unwrap();
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    bytes.extend(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A literal header without indexing (RFC 7541, 6.2.2); both texts shorter than 127 bytes.
pub(super) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    bytes
}

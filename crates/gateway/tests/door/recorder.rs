//! An upstream that takes every byte down and understands only clean HTTP/1.1.
#![expect(
    clippy::disallowed_methods,
    reason = "the test plays a peer, and ends with it"
)]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What reached the upstream.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Method and target of each request, in the order of their heads.
    requests: Vec<String>,
    /// What no clean client would have sent.
    unclean: Vec<String>,
}

impl Recorder {
    /// Takes connections until the test ends.
    pub(crate) fn start(listener: TcpListener) -> Self {
        let recorder = Self::default();
        let shared = recorder.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().listen(stream));
            }
        });
        recorder
    }

    /// The requests so far, and what was unclean about them.
    pub(crate) fn take(&self) -> (Vec<String>, Vec<String>) {
        let seen = std::mem::take(&mut *self.0.lock().unwrap());
        (seen.requests, seen.unclean)
    }

    async fn listen(self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let Some(end) = read_until(&mut stream, &mut bytes, b"\r\n\r\n").await else {
                if !bytes.is_empty() {
                    self.complain("a head that does not end", &bytes);
                }
                return;
            };
            let head: Vec<u8> = bytes.drain(..end).collect();
            let framing = match self.read_head(&head) {
                Ok(framing) => framing,
                Err(why) => return self.complain(why, &head),
            };
            let whole = match framing {
                Framing::None => true,
                Framing::Length(length) => read_length(&mut stream, &mut bytes, length).await,
                Framing::Chunked => match self.read_chunks(&mut stream, &mut bytes).await {
                    Ok(whole) => whole,
                    Err(why) => return self.complain(why, &bytes),
                },
            };
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if !whole || stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn complain(&self, why: &str, bytes: &[u8]) {
        let text = format!("{why}: {:?}", String::from_utf8_lossy(bytes));
        self.0.lock().unwrap().unclean.push(text);
    }

    fn read_head(&self, head: &[u8]) -> Result<Framing, &'static str> {
        let text = std::str::from_utf8(head).map_err(|_| "bytes beyond ASCII")?;
        let text = text.strip_suffix("\r\n\r\n").ok_or("no end")?;
        if text.replace("\r\n", "").contains(['\r', '\n', '\0']) {
            return Err("a bare CR, LF or NUL");
        }
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let words: Vec<_> = first.split(' ').collect();
        let [method, target, "HTTP/1.1"] = words[..] else {
            return Err("a request line of its own kind");
        };
        if !target.starts_with('/') || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err("an odd method or target");
        }
        let (mut lengths, mut codings, mut hosts) = (Vec::new(), Vec::new(), 0);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err("an odd name of a header");
            }
            match (
                name.to_ascii_lowercase().replace('_', "-").as_str(),
                value.trim(),
            ) {
                ("content-length", value) => {
                    lengths.push(value.parse().map_err(|_| "an odd length")?);
                }
                ("transfer-encoding", value) => codings.push(value.to_owned()),
                ("host", _) => hosts += 1,
                ("upgrade" | "http2-settings" | "trailer" | "keep-alive" | "expect", _) => {
                    return Err("a header of another connection");
                }
                _ => {}
            }
        }
        self.0
            .lock()
            .unwrap()
            .requests
            .push(format!("{method} {target}"));
        match (hosts, lengths.as_slice(), codings.as_slice()) {
            (1, [], []) => Ok(Framing::None),
            (1, [length], []) => Ok(Framing::Length(*length)),
            (1, [], [coding]) if coding == "chunked" => Ok(Framing::Chunked),
            _ => Err("two lengths, codings or hosts"),
        }
    }

    async fn read_chunks(
        &self,
        stream: &mut TcpStream,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, &'static str> {
        loop {
            let Some(end) = read_until(stream, bytes, b"\r\n").await else {
                return Ok(false);
            };
            let line: Vec<u8> = bytes.drain(..end).collect();
            let size = std::str::from_utf8(&line).unwrap_or("").trim_end();
            let size = usize::from_str_radix(size, 16).map_err(|_| "an odd size of a chunk")?;
            if size == 0 {
                // No trailers come over HTTP/1.1.
                let Some(end) = read_until(stream, bytes, b"\r\n").await else {
                    return Ok(false);
                };
                let rest: Vec<u8> = bytes.drain(..end).collect();
                return if rest == b"\r\n" {
                    Ok(true)
                } else {
                    Err("trailers")
                };
            }
            if !read_length(stream, bytes, size).await {
                return Ok(false);
            }
            if !read_length(stream, bytes, 2).await {
                return Ok(false);
            }
        }
    }
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

/// Reads until `end` stands in the buffer, and says where what ends with it ends.
async fn read_until(stream: &mut TcpStream, bytes: &mut Vec<u8>, end: &[u8]) -> Option<usize> {
    loop {
        if let Some(at) = bytes.windows(end.len()).position(|w| w == end) {
            return Some(at + end.len());
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn read_length(stream: &mut TcpStream, bytes: &mut Vec<u8>, length: usize) -> bool {
    while bytes.len() < length {
        if !stream.read_buf(bytes).await.is_ok_and(|read| read > 0) {
            return false;
        }
    }
    bytes.drain(..length);
    true
}

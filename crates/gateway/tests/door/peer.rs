//! One end of a connection, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Nothing in these tests takes this long unless it is broken.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Peer {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The head of a message.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) first: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` stands there twice");
        value
    }

    pub(crate) fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        timeout(LIMIT, self.stream.write_all(text.as_ref()))
            .await
            .unwrap()
            .unwrap();
    }

    /// Sends bytes to a peer that may be gone; false when it is.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        let sending = timeout(LIMIT, self.stream.write_all(text.as_bytes()));
        sending.await.is_ok_and(|sent| sent.is_ok())
    }

    /// Reads the body of an answer up to its final chunk, or to the end of the connection.
    pub(crate) async fn rest_or_chunks(&mut self, head: &Head) -> String {
        let is_chunked = head.get("transfer-encoding").is_some();
        while !(is_chunked && self.buffer.ends_with(b"\r\n0\r\n\r\n")) && self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Reads more bytes; false at the end of the stream, however it came.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match timeout(LIMIT, self.stream.read(&mut chunk))
            .await
            .expect("nothing came")
        {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                true
            }
        }
    }

    pub(crate) async fn head(&mut self) -> Head {
        match self.find_head().await {
            Some(head) => head,
            None => {
                let text = String::from_utf8_lossy(&self.buffer).into_owned();
                panic!("the connection ended within a head: {text:?}")
            }
        }
    }

    /// Reads a head; none when the connection ended before one was whole.
    pub(crate) async fn find_head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let text = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next().unwrap().to_owned();
        let split = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Some(Head {
            first,
            headers: lines.map(split).collect(),
        })
    }

    /// Reads away the body of an answer that says how long it is.
    pub(crate) async fn skip_body(&mut self, head: &Head) {
        let length = head.get("content-length").map_or(0, |n| n.parse().unwrap());
        while self.buffer.len() < length && self.fill().await {}
        self.buffer.drain(..length.min(self.buffer.len()));
    }

    /// Reads exactly this text.
    pub(crate) async fn expect(&mut self, text: &str) {
        while self.buffer.len() < text.len() {
            let so_far = String::from_utf8_lossy(&self.buffer).into_owned();
            assert!(self.fill().await, "the connection ended after {so_far:?}");
        }
        let got: Vec<u8> = self.buffer.drain(..text.len()).collect();
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// Reads the JSON body of an answer.
    pub(crate) async fn json(&mut self, head: &Head) -> serde_json::Value {
        let length: usize = head.get("content-length").unwrap().parse().unwrap();
        while self.buffer.len() < length {
            assert!(self.fill().await);
        }
        let bytes: Vec<u8> = self.buffer.drain(..length).collect();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Reads until the connection ends.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// True when the connection ends with a reset.
    pub(crate) async fn is_reset(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(LIMIT, self.stream.read(&mut byte))
            .await
            .expect("nothing came");
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    /// True when nothing comes for a moment.
    pub(crate) async fn is_silent(&mut self, moment: Duration) -> bool {
        let mut byte = [0];
        self.buffer.is_empty() && timeout(moment, self.stream.peek(&mut byte)).await.is_err()
    }
}

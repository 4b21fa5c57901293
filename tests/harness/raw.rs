//! HTTP/1.1 as bytes: a peer that normalises nothing, as client and as upstream.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The first line and the headers of a message.
#[derive(Debug, Clone)]
pub struct Head {
    pub first: String,
    /// Lower-case names, in their order.
    pub headers: Vec<(String, String)>,
}

impl Head {
    #[track_caller]
    pub fn status(&self) -> u16 {
        self.first.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(held, _)| held == name)
            .map(|(_, value)| value.as_str())
    }
}

/// One connection.
pub struct Raw(BufReader<TcpStream>);

impl Raw {
    /// Connects to the host and port of a URL. Nothing waits longer than 20 s.
    pub fn connect(url: &str) -> Self {
        let authority = url.strip_prefix("http://").unwrap();
        Self::new(TcpStream::connect(authority).unwrap())
    }

    fn new(stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes to a peer that may be gone.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    /// Sends a chunk of a chunked body; an empty one ends it.
    #[track_caller]
    pub fn send_chunk(&mut self, data: &str) {
        self.send(format!("{:x}\r\n{data}\r\n", data.len()));
    }

    /// Reads a head; none when the connection ended before one began.
    pub fn find_head(&mut self) -> Option<Head> {
        let first = self.line().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line().ok()?;
            if line.is_empty() {
                return Some(Head { first, headers });
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads a head.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        self.find_head().expect("a head")
    }

    /// Reads the body that belongs to a head.
    #[track_caller]
    pub fn body(&mut self, head: &Head) -> String {
        let mut body = Vec::new();
        if let Some(length) = head.get("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).unwrap();
        } else if head.get("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().unwrap() {
                body.extend(chunk.into_bytes());
            }
        }
        String::from_utf8(body).unwrap()
    }

    /// Reads one chunk; none for the final one, an error when the connection ends without it.
    pub fn chunk(&mut self) -> Result<Option<String>, Error> {
        let size = self.line()?;
        let size = usize::from_str_radix(&size, 16).map_err(Error::other)?;
        let mut data = vec![0; size];
        self.0.read_exact(&mut data)?;
        self.line()?;
        Ok((size > 0).then(|| String::from_utf8(data).unwrap()))
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// An upstream on a loopback port that does what a story says with each connection.
pub struct RawUpstream(SocketAddr);

impl RawUpstream {
    /// Plays `script` on every connection, in a thread of its own.
    pub fn start(script: impl Fn(Raw) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, script) = (stream.unwrap(), Arc::clone(&script));
                std::thread::spawn(move || script(Raw::new(stream)));
            }
        });
        Self(address)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

//! A place on this machine where keys are published, well or badly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Answers {
    Json(String),
    Status(&'static str),
    /// Nothing at all.
    Hangs,
    /// 100 MB, as far as somebody reads them.
    Endless,
}

/// The endpoint; it ends with its test.
pub(crate) struct KeyEndpoint {
    address: SocketAddr,
    answers: Arc<Mutex<BTreeMap<String, Answers>>>,
    asked: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    tasks: Mutex<JoinSet<()>>,
}

impl KeyEndpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Self {
            address: listener.local_addr().unwrap(),
            answers: Arc::default(),
            asked: Arc::default(),
            sent: Arc::default(),
            tasks: Mutex::default(),
        };
        let (answers, asked, sent) = (
            Arc::clone(&endpoint.answers),
            Arc::clone(&endpoint.asked),
            Arc::clone(&endpoint.sent),
        );
        endpoint.tasks.lock().unwrap().spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, asked, sent) = (answers.clone(), asked.clone(), sent.clone());
                connections.spawn(async move {
                    let _ = serve(stream, &answers, &asked, &sent).await;
                });
            }
        });
        endpoint
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn answer(&self, path: &str, answers: Answers) {
        let mut all = self.answers.lock().unwrap();
        all.insert(path.to_owned(), answers);
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many bytes of endless answers were taken.
    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: &Mutex<BTreeMap<String, Answers>>,
    asked: &AtomicUsize,
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let found = answers.lock().unwrap().get(path).cloned();
    match found.unwrap_or(Answers::Status("404 Not Found")) {
        Answers::Json(body) => {
            let text = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(text.as_bytes()).await
        }
        Answers::Status(status) => {
            let text = format!(
                "HTTP/1.1 {status}\r\nlocation: /jwks\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            stream.write_all(text.as_bytes()).await
        }
        Answers::Hangs => {
            // Until whoever waits goes away.
            let _ = stream.read_u8().await;
            Ok(())
        }
        Answers::Endless => {
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            let block = [b' '; 64 * 1024];
            for _ in 0..1600 {
                stream.write_all(&block).await?;
                sent.fetch_add(block.len(), Ordering::SeqCst);
            }
            Ok(())
        }
    }
}

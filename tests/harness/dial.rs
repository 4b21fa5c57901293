//! Connections of clients, in the clear or over TLS.

use std::net::Ipv4Addr;
use std::sync::Arc;

use http::Version;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use super::Authority;

/// What the kernel holds at most at the end of whoever reads, in bytes.
pub const READERS_BUFFER: u32 = 256 * 1024;

/// A connection.
pub trait Dialled: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Dialled for T {}

/// Connects to a door, over TLS with this version of HTTP if somebody vouches for the door.
pub async fn dial(url: &str, version: Version, authority: Option<&Authority>) -> Box<dyn Dialled> {
    let port = url.rsplit(':').next().unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(READERS_BUFFER).unwrap();
    let address = (Ipv4Addr::LOCALHOST, port).into();
    let stream = socket.connect(address).await.unwrap();
    let Some(authority) = authority else {
        return Box::new(stream);
    };
    let mut config = authority.client_config();
    config.alpn_protocols = vec![match version {
        Version::HTTP_2 => b"h2".to_vec(),
        _ => b"http/1.1".to_vec(),
    }];
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.unwrap();
    assert!(stream.get_ref().1.alpn_protocol().is_some());
    Box::new(stream)
}

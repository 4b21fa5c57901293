//! Opens shared connections and looks after them.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, Connection};
use hyper::rt::Executor;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio::time::{interval, timeout};
use tower_service::Service as _;

use super::room::Room;
use super::{Key, Member, Pool};
use crate::connector::{Connector, host_and_port};
use crate::failure;
use crate::held_body::HeldBody;
use crate::link::Link;
use crate::{EgressError, MAX_ANSWER_HEAD_BYTES, Phase};

/// How much of one answer an upstream may send ahead of its reader.
const STREAM_WINDOW: u32 = 256 * 1024;
/// How much of all answers of a connection: no bound of its own (the largest that exists),
/// else a few clients that do not read would stop everyone else's answers. What is held is
/// bounded by the windows of the streams, and those by the calls.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// How much of one request is taken from its client ahead of an upstream that does not read.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a peer may take to say how many streams it allows.
const SETTINGS_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that served nothing between two looks is closed: below the idle timeout of
/// common servers (60 s), so that it is we who close.
const IDLE_LOOK: Duration = Duration::from_secs(25);

type Shared = Connection<Link, HeldBody, Tasks>;

/// Runs what belongs to a connection, and tells its keeper that something happened.
#[derive(Clone)]
struct Tasks(Arc<Room>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let room = Arc::clone(&self.0);
        TokioExecutor::new().execute(async move {
            let mut task = pin!(task);
            std::future::poll_fn(|cx| {
                let polled = task.as_mut().poll(cx);
                room.nudge.notify_one();
                polled
            })
            .await;
        });
    }
}

impl Pool {
    /// Opens a connection, for whoever waits for one.
    pub(super) fn open(self: &Arc<Self>, key: &Key, changed: Arc<Notify>) {
        let pool = Arc::downgrade(self);
        let (connector, key) = (self.connector.clone(), key.clone());
        TokioExecutor::new().execute(async move {
            let opened = open(connector, &key, changed).await;
            // Without the pool nobody waits any more.
            let Some(held) = pool.upgrade() else {
                return;
            };
            match opened {
                Ok((member, connection)) => {
                    let room = Arc::clone(&member.room);
                    held.opened(&key, Ok(member));
                    drop(held);
                    keep(connection, &room, &pool, &key).await;
                }
                Err(error) => held.opened(&key, Err(error)),
            }
        });
    }
}

async fn open(
    mut connector: Connector,
    key: &Key,
    changed: Arc<Notify>,
) -> Result<(Member, Shared), EgressError> {
    let (host, port) = host_and_port(&key.origin)?;
    let host: Box<str> = format!("{host}:{port}").into();
    let link = connector
        .call(key.origin.clone())
        .await
        .map_err(|error| failure::explain_opening(&*error, &host))?;
    let room = Arc::new(Room::new(link.remote(), link.stalled(), changed));
    let explain = |error| failure::explain_open(&error, &host, false);
    let (sender, mut connection) = Builder::new(Tasks(Arc::clone(&room)))
        .timer(TokioTimer::new())
        // Nothing is sent before the peer has said how much it takes.
        .initial_max_send_streams(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(MAX_ANSWER_HEAD_BYTES as u32)
        .handshake(link)
        .await
        .map_err(explain)?;
    let settling = async {
        while !room.is_settled() {
            if let Some(ended) = step(&mut connection, &room).await {
                ended.map_err(explain)?;
                let why = "it closed the connection at once".into();
                let host = host.clone();
                return Err(EgressError::Unreachable { host, why });
            }
        }
        Ok(())
    };
    match timeout(SETTINGS_TIMEOUT, settling).await {
        Ok(settled) => settled?,
        Err(_) => {
            let phase = Phase::Handshaking;
            return Err(EgressError::Timeout { host, phase });
        }
    }
    Ok((Member { sender, room }, connection))
}

/// Drives a connection until something happened on it; gives its end.
async fn step(connection: &mut Shared, room: &Room) -> Option<Result<(), hyper::Error>> {
    tokio::select! {
        biased;
        ended = &mut *connection => return Some(ended),
        () = room.nudge.notified() => {}
    }
    room.note_limit(connection.current_max_send_streams());
    None
}

/// Looks after a connection to its end, which comes when nobody can send on it any more.
async fn keep(mut connection: Shared, room: &Arc<Room>, pool: &Weak<Pool>, key: &Key) {
    let remove = || {
        if let Some(pool) = pool.upgrade() {
            pool.remove(key, room);
        }
    };
    let mut looks = interval(IDLE_LOOK);
    let mut served = None;
    loop {
        tokio::select! {
            ended = step(&mut connection, room) => {
                if let Some(ended) = ended {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a shared connection to an upstream ended");
                    }
                    return remove();
                }
                if !room.takes_more() {
                    remove();
                }
            }
            _ = looks.tick() => {
                let so_far = Some(room.served());
                if room.is_idle() && served == so_far {
                    remove();
                }
                served = so_far;
            }
        }
    }
}

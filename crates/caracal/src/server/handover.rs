//! What a server takes over from whoever started it: from its predecessor, or from the system.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::HomeLock;
use crate::server::Door;

/// Says that standard input has what a predecessor of this id, which is our own, leaves us.
pub(crate) const VARIABLE: &str = "CARACAL_HANDOVER";
/// Says first whose choice the listeners are.
const FOREIGN: &str = "foreign";
const OWN: &str = "own";
const LOCK: &str = "lock";
const SOCKET: &str = "socket";
/// More than a server has, and less than the system passes at a time.
const MAX_HANDLES: usize = 64;
const MAX_NAMES: usize = 4096;

/// The listeners of each door.
pub(crate) type Listeners = BTreeMap<Door, Vec<TcpListener>>;

/// What is open already.
#[derive(Default)]
pub(crate) struct Handover {
    /// The lock on the home.
    pub(crate) lock: Option<HomeLock>,
    /// The local socket.
    pub(crate) socket: Option<UnixListener>,
    /// The doors' listeners.
    pub(crate) listeners: Listeners,
    /// True: another program chose what the listeners listen on, whatever the settings say.
    pub(crate) is_foreign: bool,
}

impl Handover {
    /// What this process was given, if anything: by its predecessor, or by the system in the way
    /// of systemd's socket activation (`LISTEN_FDS`), where names or ports tell the door.
    pub(crate) fn receive(
        environment: &Environment,
        door_of_port: impl Fn(u16) -> Option<Door>,
    ) -> Outcome<Self> {
        let own = std::process::id().to_string();
        if environment.find(VARIABLE) == Some(&own) {
            return receive(std::io::stdin().as_fd());
        }
        let mut found = ListenFd::from_env();
        let names = environment.find("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut given = Self {
            is_foreign: true,
            ..Self::default()
        };
        for index in 0..found.len() {
            let listener = found.take_tcp_listener(index);
            let listener = listener.context("a socket that the system passed is of no use")?;
            let Some(listener) = listener else { continue };
            let address = listener
                .local_addr()
                .context("a socket that the system passed has no address")?;
            let named = names.get(index).and_then(|name| name.parse().ok());
            let Some(door) = named.or_else(|| door_of_port(address.port())) else {
                return Err(Failure::usage(format!(
                    "the system passed a socket on `{address}` that belongs to no door"
                ))
                .hint("name it with `FileDescriptorName=`: `sts`, `gateway` or `console`"));
            };
            given.listeners.entry(door).or_default().push(listener);
        }
        Ok(given)
    }

    /// Puts everything into a socket, from which a successor takes it.
    pub(crate) fn send(&self) -> Outcome<OwnedFd> {
        let mut names = vec![if self.is_foreign { FOREIGN } else { OWN }];
        let mut handles: Vec<BorrowedFd<'_>> = Vec::new();
        if let Some(lock) = &self.lock {
            names.push(LOCK);
            handles.push(lock.as_fd());
        }
        if let Some(socket) = &self.socket {
            names.push(SOCKET);
            handles.push(socket.as_fd());
        }
        for (door, listeners) in &self.listeners {
            for listener in listeners {
                names.push(door.name());
                handles.push(listener.as_fd());
            }
        }
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .context("there is no socket for the handover")?;
        let text = names.join(" ");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HANDLES))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&handles)) {
            return Err(Failure::new("there are too many listeners to hand over"));
        }
        rustix::net::sendmsg(
            &ours,
            &[IoSlice::new(text.as_bytes())],
            &mut control,
            SendFlags::empty(),
        )
        .context("the listeners cannot be handed over")?;
        Ok(theirs)
    }
}

fn receive(from: BorrowedFd<'_>) -> Outcome<Handover> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_HANDLES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; MAX_NAMES];
    let received = rustix::net::recvmsg(
        from,
        &mut [IoSliceMut::new(&mut text)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .context("what the predecessor left cannot be taken over")?;
    let text = text.get(..received.bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    let handles = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(handles) => handles.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let mut names = text.split(' ');
    let mut handover = Handover {
        is_foreign: names.next() == Some(FOREIGN),
        ..Handover::default()
    };
    for (name, handle) in names.zip(handles) {
        match name {
            LOCK => handover.lock = Some(HomeLock::of_predecessor(handle.into())),
            SOCKET => handover.socket = Some(handle.into()),
            door => {
                let door: Door = door.parse().map_err(Failure::new)?;
                let of_door = handover.listeners.entry(door).or_default();
                of_door.push(handle.into());
            }
        }
    }
    Ok(handover)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received_and_still_open() {
        let dir = tempfile::tempdir().unwrap();
        let lock = HomeLock::take_file(&dir.path().join("lock"), |_| Failure::new("held")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        let handover = Handover {
            lock: Some(lock),
            socket: Some(socket),
            listeners: [(Door::Sts, vec![listener])].into(),
            is_foreign: true,
        };
        let theirs = handover.send().unwrap();
        drop(handover);
        let received = receive(theirs.as_fd()).unwrap();
        assert!(received.lock.is_some() && received.socket.is_some());
        assert!(received.is_foreign);
        let again = received.listeners[&Door::Sts][0].local_addr().unwrap();
        assert_eq!(again, address);
        std::net::TcpStream::connect(address).unwrap();
        let taken = HomeLock::take_file(&dir.path().join("lock"), |_| Failure::new("held"));
        assert_eq!(taken.unwrap_err().message, "held");
    }
}

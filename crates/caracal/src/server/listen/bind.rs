//! Taking the addresses of a door.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::failure::{Failure, Outcome};
use crate::home::{Home, Ports};
use crate::server::listen::ListenSpec;
use crate::server::{Door, find_port_holder};

/// How many ports are tried for port 0, until one is free on every address.
const ATTEMPTS: usize = 50;

/// Listens on every address of a door, or on none. Port 0 is chosen once per home.
pub(crate) fn bind(
    door: Door,
    spec: &ListenSpec,
    home: &Home,
    ports: &mut Ports,
) -> Outcome<Vec<TcpListener>> {
    let name = door.name();
    if spec.port != 0 {
        return bind_all(spec, spec.port).map_err(|held| refused(door, held));
    }
    if let Some(port) = ports.find(name) {
        return bind_all(spec, port).map_err(|held| {
            refused(door, held).hint(format!(
                "this port was chosen for this home; free it, or set `{}`",
                door.listen_variable()
            ))
        });
    }
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match bind_all(spec, 0) {
            Ok(listeners) => {
                let port = listeners
                    .first()
                    .and_then(|l| l.local_addr().ok())
                    .map(|a| a.port());
                ports.remember(home, name, port.unwrap_or(0))?;
                return Ok(listeners);
            }
            Err(held) => last = Some(held),
        }
    }
    Err(last.map_or_else(
        || Failure::new("there is no address to listen on"),
        |held| refused(door, held),
    ))
}

type Held = (SocketAddr, std::io::Error);

fn bind_all(spec: &ListenSpec, port: u16) -> Result<Vec<TcpListener>, Held> {
    let mut port = port;
    let mut listeners = Vec::new();
    for address in &spec.addresses {
        let address = SocketAddr::new(*address, port);
        match TcpListener::bind(address) {
            Ok(listener) => {
                port = listener
                    .local_addr()
                    .map_err(|error| (address, error))?
                    .port();
                listeners.push(listener);
            }
            // A machine without IPv6 has no ::1 that anybody could take.
            Err(error) if !listeners.is_empty() && is_absent(address.ip(), &error) => {}
            Err(error) => return Err((address, error)),
        }
    }
    Ok(listeners)
}

fn is_absent(address: IpAddr, error: &std::io::Error) -> bool {
    let unknown_family = rustix::io::Errno::AFNOSUPPORT.raw_os_error();
    address.is_ipv6()
        && (error.kind() == ErrorKind::AddrNotAvailable
            || error.raw_os_error() == Some(unknown_family))
}

fn refused(door: Door, (address, error): Held) -> Failure {
    let variable = door.listen_variable();
    if error.kind() == ErrorKind::AddrInUse {
        let holder = find_port_holder(address.port())
            .map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
        return Failure::new(format!(
            "the door `{door}` cannot listen on `{address}`: {holder} does"
        ))
        .hint(format!("stop it, or set `{variable}` to another port"));
    }
    Failure::new(format!(
        "the door `{door}` cannot listen on `{address}`: {error}"
    ))
    .hint(format!("set `{variable}` to an address of this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        (dir, home)
    }

    #[test]
    fn port_0_is_chosen_once_per_home() {
        let (_dir, home) = home();
        let spec: ListenSpec = "localhost:0".parse().unwrap();
        let mut ports = Ports::load(&home);
        let first = bind(Door::Sts, &spec, &home, &mut ports).unwrap();
        let address = first.first().unwrap().local_addr().unwrap();
        assert!(
            first
                .iter()
                .all(|l| l.local_addr().unwrap().port() == address.port())
        );
        drop(first);
        let mut ports = Ports::load(&home);
        let again = bind(Door::Sts, &spec, &home, &mut ports).unwrap();
        assert_eq!(again.first().unwrap().local_addr().unwrap(), address);
    }

    #[test]
    fn a_port_that_is_taken_names_its_holder() {
        let (_dir, home) = home();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let spec: ListenSpec = format!("localhost:{port}").parse().unwrap();
        let failure = bind(Door::Sts, &spec, &home, &mut Ports::default()).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(failure.message.contains(&pid), "{failure}");
        assert!(failure.hint.unwrap().contains("CARACAL_STS_LISTEN"));
    }

    #[test]
    fn half_a_loopback_is_not_enough() {
        let Ok(taken) = TcpListener::bind("[::1]:0") else {
            return;
        };
        let (_dir, home) = home();
        let port = taken.local_addr().unwrap().port();
        let spec: ListenSpec = format!("localhost:{port}").parse().unwrap();
        assert!(bind(Door::Sts, &spec, &home, &mut Ports::default()).is_err());
    }
}

//! Which server, and how to reach it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use caracal_core::Secret;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::cli::Global;
use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;

/// The server that a command speaks to.
pub(crate) enum Target {
    /// The local stack over its socket: no operator secret is needed.
    Local,
    /// A server over TCP.
    Remote {
        /// The URL without a slash at the end.
        url: String,
        /// The API token.
        token: Secret,
    },
}

/// What `caracal login` stores.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredLogin {
    /// The server.
    pub(crate) url: String,
    /// The API token.
    pub(crate) token: String,
}

impl Target {
    /// The flag or `CARACAL_API_URL` with `CARACAL_API_TOKEN`; else what `login` stored; else
    /// the local stack.
    pub(crate) fn find(global: &Global, environment: &Environment, home: &Home) -> Outcome<Self> {
        let named = global
            .server
            .as_deref()
            .or_else(|| environment.find("CARACAL_API_URL"));
        let Some(named) = named else {
            return match StoredLogin::find(home)? {
                Some(stored) => Self::remote(&stored.url, stored.token),
                None => Ok(Self::Local),
            };
        };
        let token = environment.find("CARACAL_API_TOKEN").ok_or_else(|| {
            Failure::usage(format!("there is no token for the server `{named}`"))
                .hint("set `CARACAL_API_TOKEN`, or run `caracal login URL`")
        })?;
        Self::remote(named, token.to_owned())
    }

    /// A server with this token.
    pub(crate) fn remote(url: &str, token: String) -> Outcome<Self> {
        Ok(Self::Remote {
            url: check_url(url)?,
            token: Secret::from(token),
        })
    }
}

impl StoredLogin {
    /// What is stored, if anything is.
    pub(crate) fn find(home: &Home) -> Outcome<Option<Self>> {
        let path = home.join("login.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::new(format!("`{}`: {error}", path.display()))),
        };
        refuse_open(&path)?;
        let stored = serde_json::from_slice(&text).map_err(|_| {
            Failure::new(format!("`{}` is damaged", path.display()))
                .hint("run `caracal login URL` again")
        })?;
        Ok(Some(stored))
    }
}

fn refuse_open(path: &Path) -> Outcome<()> {
    let found = std::fs::metadata(path).context(format!("`{}`", path.display()))?;
    if found.mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{}` holds a token and is open to other users",
        path.display()
    ))
    .hint("run `caracal login --forget`, delete that token, and log in with a new one"))
}

/// A token goes over TLS, or stays on this machine.
fn check_url(text: &str) -> Outcome<String> {
    let refuse = |why: &str| Failure::usage(format!("`{text}` cannot be the control API: {why}"));
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err(refuse("it has no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => {
            return Err(
                refuse("a token would cross the network in the clear").hint("use `https://`")
            );
        }
        _ => return Err(refuse("it is not of `http` or `https`")),
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(refuse("it has more than a host and a path"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use crate::home::replace;

    fn global(server: Option<&str>) -> Global {
        Global {
            home: None,
            server: server.map(str::to_owned),
            zone: None,
            json: false,
        }
    }

    fn find(server: Option<&str>, env: Environment, login: bool) -> Outcome<String> {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        if login {
            let text = br#"{"url":"https://stored.example","token":"stored"}"#;
            replace(&home.join("login.json"), text).unwrap();
        }
        Ok(match Target::find(&global(server), &env, &home)? {
            Target::Local => "local".to_owned(),
            Target::Remote { url, token } => format!("{url} {}", token.expose_str().unwrap()),
        })
    }

    #[test]
    fn flag_then_environment_then_login_then_local() {
        let env = || {
            Environment::from([
                ("CARACAL_API_URL", "https://env.example/"),
                ("CARACAL_API_TOKEN", "t"),
            ])
        };
        assert_eq!(
            find(Some("https://flag.example"), env(), true).unwrap(),
            "https://flag.example t"
        );
        assert_eq!(find(None, env(), true).unwrap(), "https://env.example t");
        assert_eq!(
            find(None, Environment::default(), true).unwrap(),
            "https://stored.example stored"
        );
        assert_eq!(find(None, Environment::default(), false).unwrap(), "local");
        // A token alone names no server.
        let token_only = Environment::from([("CARACAL_API_TOKEN", "t")]);
        assert_eq!(find(None, token_only, false).unwrap(), "local");
    }

    #[test]
    fn the_stored_token_goes_to_no_other_server() {
        let failure = find(Some("https://flag.example"), Environment::default(), true).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn a_token_never_crosses_the_network_in_the_clear() {
        for good in [
            "http://localhost:3001",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "https://x",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://u:p@x",
            "https://x?a",
            "x",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}

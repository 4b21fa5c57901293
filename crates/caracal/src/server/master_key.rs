//! Where the key comes from that opens everything stored.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use caracal_core::Secret;
use caracal_crypto::{Keyring, MasterKey, hex};
use caracal_engine::NewMasterKey;

use crate::failure::{Context, Failure, Outcome};
use crate::home::{Home, replace};
use crate::process;
use crate::server::Settings;

const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The name of the key file.
const FILE: &str = "master.key";
/// The name of the file with the keys before, the newest first, one a line.
const PREVIOUS_FILE: &str = "master.key.previous";

/// The master keys, and what a running server can do about them.
pub(crate) struct MasterKeys {
    /// The key that seals, and those before it that open.
    pub(crate) ring: Keyring,
    /// Where the key that seals comes from.
    pub(crate) place: String,
    /// How a running server gets a new one; none when only a restart brings one.
    pub(crate) new_key: Option<NewMasterKey>,
}

/// The master key with those before it, from everywhere that names one.
pub(crate) fn load(settings: &Settings) -> Outcome<MasterKeys> {
    let mut ring = Keyring::new(load_current(settings)?);
    if let Some(text) = &settings.master_key_previous {
        ring = ring.with_older(parse(text, "`CARACAL_MASTER_KEY_PREVIOUS`")?);
    }
    if let Some(command) = &settings.master_key_previous_command {
        let name = "master_key_previous_command";
        ring = ring.with_older(from_command(command, name)?);
    }
    let previous = settings.home.join(PREVIOUS_FILE);
    if previous.exists() {
        for key in all_from_file(&previous)? {
            ring = ring.with_older(key);
        }
    }
    let place = if settings.master_key.is_some() {
        "`CARACAL_MASTER_KEY`".to_owned()
    } else if settings.master_key_command.is_some() {
        "`master_key_command`".to_owned()
    } else {
        format!("`{}`", settings.home.join(FILE).display())
    };
    let in_file = settings.master_key.is_none() && settings.master_key_command.is_none();
    let home = settings.home.clone();
    let new_key = in_file.then(|| -> NewMasterKey {
        Box::new(move |needed| rotate_file(&home, needed).map_err(|failure| failure.message))
    });
    Ok(MasterKeys {
        ring,
        place,
        new_key,
    })
}

/// The master key: from the environment, else from the operator's command, else from the
/// home's key file. The file is made at the first start, and never when there is data that
/// another key has sealed.
fn load_current(settings: &Settings) -> Outcome<MasterKey> {
    if let Some(text) = &settings.master_key {
        return parse(text, "`CARACAL_MASTER_KEY`");
    }
    if let Some(command) = &settings.master_key_command {
        return from_command(command, "master_key_command");
    }
    let path = settings.home.join(FILE);
    if !path.exists() {
        if settings.home.has_state() {
            return Err(Failure::new(format!("there is data in `{}`, but its key `{}` is missing",
                settings.home.dir().display(), path.display()))
            .hint("restore the key from your backup; without it the data cannot be opened, and `caracal purge` starts anew"));
        }
        let key = MasterKey::generate();
        write(&path, std::slice::from_ref(&key))?;
        return Ok(key);
    }
    from_file(&path)
}

/// Puts a new key into the key file. The old one is on stable storage under its new name before
/// the file changes, so that an end at any point leaves a home that opens. With it stay those
/// before it that are still needed.
fn rotate_file(home: &Home, needed: &[String]) -> Outcome<MasterKey> {
    let (path, previous) = (home.join(FILE), home.join(PREVIOUS_FILE));
    let held = from_file(&path)?;
    let mut older = vec![held];
    if previous.exists() {
        let mut stays = all_from_file(&previous)?;
        // As a rotation that ended between its two steps leaves it.
        stays.retain(|key| older.iter().all(|held| held.id() != key.id()));
        if !stays.iter().all(|key| needed.contains(&hex(&key.id()))) {
            return Err(Failure::new(format!(
                "`{}` still holds the key of the rotation before: keep it with the backups from \
                 that time and take it away, then rotate again",
                previous.display()
            )));
        }
        older.append(&mut stays);
    }
    write(&previous, &older)?;
    let key = MasterKey::generate();
    write(&path, std::slice::from_ref(&key))?;
    Ok(key)
}

fn write(path: &Path, keys: &[MasterKey]) -> Outcome<()> {
    // At once as large as it gets, so that no copy is left behind in growing.
    let texts: Vec<Secret> = keys.iter().map(MasterKey::to_text).collect();
    let length = texts.iter().map(|text| text.expose().len() + 1).sum();
    let mut text = Vec::with_capacity(length);
    for key in &texts {
        text.extend_from_slice(key.expose());
        text.push(b'\n');
    }
    let text = Secret::new(text);
    let written = replace(path, text.expose());
    written.context(format!("`{}` cannot be written", path.display()))
}

fn from_command(command: &str, name: &str) -> Outcome<MasterKey> {
    let output = process::output_of(command, COMMAND_LIMIT)
        .context(format!("the command of `{name}` failed"))?;
    parse(&Secret::new(output), &format!("the output of `{name}`"))
}

fn from_file(path: &Path) -> Outcome<MasterKey> {
    check_key_file(path)?;
    let text = std::fs::read(path).context(format!("`{}`", path.display()))?;
    parse(&Secret::new(text), &format!("`{}`", path.display()))
}

fn all_from_file(path: &Path) -> Outcome<Vec<MasterKey>> {
    check_key_file(path)?;
    let text = Secret::new(std::fs::read(path).context(format!("`{}`", path.display()))?);
    let place = format!("`{}`", path.display());
    let lines = text.expose().trim_ascii().split(|byte| *byte == b'\n');
    lines
        .map(|line| parse(&Secret::new(line.to_vec()), &place))
        .collect()
}

/// Refuses a key file that others can read.
pub(crate) fn check_key_file(path: &Path) -> Outcome<()> {
    let found = std::fs::metadata(path).context(format!("`{}`", path.display()))?;
    if found.mode() & 0o077 != 0 {
        return Err(Failure::new(format!(
            "the key file `{}` is open to other users",
            path.display()
        ))
        .hint(format!(
            "run `chmod 600 {}`, and consider the key known to them",
            path.display()
        )));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Failure::new(format!(
            "the key file `{}` belongs to another user",
            path.display()
        )));
    }
    Ok(())
}

fn parse(text: &Secret, place: &str) -> Outcome<MasterKey> {
    let text = text.expose_str().unwrap_or_default();
    MasterKey::from_text(text).map_err(|error| {
        Failure::new(format!("{place} holds no master key: {error}"))
            .hint("a master key is 32 random bytes in base64 or hex, for example from `openssl rand -base64 32`")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::environment::Environment;
    use crate::server::SettingsLayer;

    fn settings(dir: &tempfile::TempDir, env: Environment) -> Settings {
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        Settings::resolve(home, SettingsLayer::default(), &env, true).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_never_beside_data() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, Environment::default());
        let first = load(&settings).unwrap().ring.current_id();
        let path = dir.path().join("master.key");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(load(&settings).unwrap().ring.current_id(), first);
        std::fs::write(dir.path().join("state.db"), "").unwrap();
        assert_eq!(load(&settings).unwrap().ring.current_id(), first);
        std::fs::remove_file(&path).unwrap();
        assert!(load(&settings).err().unwrap().message.contains("missing"));
        assert!(!path.exists());
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, Environment::default());
        load(&settings).unwrap();
        let path = dir.path().join("master.key");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            load(&settings)
                .err()
                .unwrap()
                .hint
                .unwrap()
                .contains("chmod 600")
        );
    }

    #[test]
    fn environment_then_command_then_file() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = ("11".repeat(32), "22".repeat(32));
        let echo = format!("echo {b}");
        let id = |text: &str| Keyring::new(MasterKey::from_text(text).unwrap()).current_id();
        let env = Environment::from([("CARACAL_MASTER_KEY", a.as_str())]);
        assert_eq!(
            load(&settings(&dir, env)).unwrap().ring.current_id(),
            id(&a)
        );
        let env = Environment::from([("CARACAL_MASTER_KEY_COMMAND", echo.as_str())]);
        assert_eq!(
            load(&settings(&dir, env)).unwrap().ring.current_id(),
            id(&b)
        );
        let both = Environment::from([
            ("CARACAL_MASTER_KEY", a.as_str()),
            ("CARACAL_MASTER_KEY_COMMAND", echo.as_str()),
        ]);
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        let refused = Settings::resolve(home, SettingsLayer::default(), &both, true);
        assert!(refused.err().unwrap().message.contains("both"));
        assert!(!dir.path().join("master.key").exists());
        let env = Environment::from([("CARACAL_MASTER_KEY_COMMAND", "echo wrong-secret")]);
        assert!(
            !load(&settings(&dir, env))
                .err()
                .unwrap()
                .message
                .contains("wrong-secret")
        );
    }

    #[test]
    fn every_key_before_opens_and_a_bad_one_is_told_by_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = ("11".repeat(32), "22".repeat(32), "33".repeat(32));
        let echo = format!("echo {b}");
        let env = || {
            Environment::from([
                ("CARACAL_MASTER_KEY", a.as_str()),
                ("CARACAL_MASTER_KEY_PREVIOUS", a.as_str()),
                ("CARACAL_MASTER_KEY_PREVIOUS_COMMAND", echo.as_str()),
            ])
        };
        let previous = dir.path().join("master.key.previous");
        replace(&previous, c.as_bytes()).unwrap();
        let loaded = load(&settings(&dir, env())).unwrap();
        assert_eq!(loaded.ring.older_ids().len(), 2, "the same key is one key");
        assert!(loaded.new_key.is_none() && loaded.place.contains("CARACAL_MASTER_KEY"));
        replace(&previous, &c.as_bytes()[..63]).unwrap();
        let refused = load(&settings(&dir, env())).err().unwrap();
        assert!(refused.message.contains("master.key.previous"), "{refused}");
        std::fs::remove_file(&previous).unwrap();
        let env = Environment::from([
            ("CARACAL_MASTER_KEY", a.as_str()),
            ("CARACAL_MASTER_KEY_PREVIOUS", "short"),
        ]);
        let refused = load(&settings(&dir, env)).err().unwrap();
        assert!(
            refused.message.contains("CARACAL_MASTER_KEY_PREVIOUS"),
            "{refused}"
        );
    }

    #[test]
    fn a_new_key_in_the_file_leaves_the_old_one_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, Environment::default());
        let first = load(&settings).unwrap();
        let before = first.ring.current_id();
        // As an end between the two steps leaves it: rotating again goes on from there.
        std::fs::copy(dir.path().join(FILE), dir.path().join(PREVIOUS_FILE)).unwrap();
        assert_eq!(
            load(&settings).unwrap().ring.older_ids(),
            Vec::<String>::new()
        );
        let made = first.new_key.unwrap()(&[]).unwrap();
        let now = load(&settings).unwrap().ring;
        assert_eq!(now.current_id(), Keyring::new(made).current_id());
        assert_eq!(now.older_ids(), std::slice::from_ref(&before));
        let rotate = |needed: &[String]| load(&settings).unwrap().new_key.unwrap()(needed);
        let again = rotate(&[]).err().unwrap();
        assert!(again.contains("take it away"), "{again}");
        assert_eq!(load(&settings).unwrap().ring.current_id(), now.current_id());
        // One that something damaged is sealed under stays, behind those that came after it.
        rotate(std::slice::from_ref(&before)).unwrap();
        let third = load(&settings).unwrap().ring;
        assert_eq!(third.older_ids(), [now.current_id(), before]);
    }
}

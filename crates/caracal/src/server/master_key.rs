//! Where the key comes from that opens everything stored.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use caracal_core::Secret;
use caracal_crypto::MasterKey;

use crate::failure::{Context, Failure, Outcome};
use crate::home::replace;
use crate::process;
use crate::server::Settings;

const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// The master key: from the environment, else from the operator's command, else from the
/// home's key file. The file is made at the first start, and never when there is data that
/// another key has sealed.
pub(crate) fn load(settings: &Settings) -> Outcome<MasterKey> {
    if let Some(text) = &settings.master_key {
        return parse(text, "`CARACAL_MASTER_KEY`");
    }
    if let Some(command) = &settings.master_key_command {
        let output = process::output_of(command, COMMAND_LIMIT)
            .context("the command of `master_key_command` failed")?;
        return parse(&Secret::new(output), "the output of `master_key_command`");
    }
    let path = settings.home.join("master.key");
    if !path.exists() {
        if settings.home.has_state() {
            return Err(Failure::new(format!("there is data in `{}`, but its key `{}` is missing",
                settings.home.dir().display(), path.display()))
            .hint("restore the key from your backup; without it the data cannot be opened, and `caracal purge` starts anew"));
        }
        let key = MasterKey::generate();
        let mut text = key.to_text().expose().to_vec();
        text.push(b'\n');
        let written = replace(&path, &text);
        // The copy that was written; the key's own memory wipes itself.
        drop(Secret::new(text));
        written.context(format!("`{}` cannot be written", path.display()))?;
        return Ok(key);
    }
    check_key_file(&path)?;
    let text = std::fs::read(&path).context(format!("`{}`", path.display()))?;
    parse(&Secret::new(text), &format!("`{}`", path.display()))
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
    use crate::home::Home;
    use crate::server::SettingsLayer;

    fn settings(dir: &tempfile::TempDir, env: Environment) -> Settings {
        let home = Home::find(Some(dir.path()), &Environment::default()).unwrap();
        Settings::resolve(home, SettingsLayer::default(), &env, true).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_never_beside_data() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, Environment::default());
        let first = load(&settings).unwrap().id();
        let path = dir.path().join("master.key");
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(load(&settings).unwrap().id(), first);
        std::fs::write(dir.path().join("state.db"), "").unwrap();
        assert_eq!(load(&settings).unwrap().id(), first);
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
        let id = |text: &str| MasterKey::from_text(text).unwrap().id();
        let env = Environment::from([
            ("CARACAL_MASTER_KEY", a.as_str()),
            ("CARACAL_MASTER_KEY_COMMAND", echo.as_str()),
        ]);
        assert_eq!(load(&settings(&dir, env)).unwrap().id(), id(&a));
        let env = Environment::from([("CARACAL_MASTER_KEY_COMMAND", echo.as_str())]);
        assert_eq!(load(&settings(&dir, env)).unwrap().id(), id(&b));
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
}

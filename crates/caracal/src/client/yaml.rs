//! Zone files: reading them with their mistakes located, and writing them.

use std::io::Read;
use std::path::{Path, PathBuf};

use caracal_wire::{ApplyRequest, SecretSource, SecretValue, ZoneFile};

use crate::environment::Environment;
use crate::failure::{Context, Failure, Outcome};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A zone file and where it lies.
pub(crate) struct Source {
    name: String,
    dir: PathBuf,
    file: ZoneFile,
}

impl Source {
    /// Reads a file, or standard input for `-`.
    pub(crate) fn read(name: &str) -> Outcome<Self> {
        let (shown, dir, text) = if name == "-" {
            let text =
                read_limited(&mut std::io::stdin()).context("standard input cannot be read")?;
            ("standard input".to_owned(), PathBuf::from("."), text)
        } else {
            let path = Path::new(name);
            let mut file = std::fs::File::open(path).context(format!("`{name}`"))?;
            let text = read_limited(&mut file).context(format!("`{name}`"))?;
            (
                format!("`{name}`"),
                path.parent().unwrap_or(Path::new(".")).to_owned(),
                text,
            )
        };
        let file = parse(&text, &shown)?;
        Ok(Self {
            name: shown,
            dir,
            file,
        })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its zone.
    pub(crate) fn zone(&self) -> &str {
        &self.file.zone
    }

    /// Its policies and their tests.
    pub(crate) fn into_bundle(self) -> caracal_wire::BundleBody {
        caracal_wire::BundleBody {
            policies: self.file.policies,
            tests: self.file.tests,
        }
    }

    /// The request that applies it, with its secrets and certificates read from where it
    /// names them: paths are meant beside the file.
    pub(crate) fn into_request(
        self,
        prune: bool,
        environment: &Environment,
    ) -> Outcome<ApplyRequest> {
        let Self {
            name,
            dir,
            mut file,
        } = self;
        for resource in &mut file.resources {
            if let Some(ca) = resource
                .upstream_ca
                .as_mut()
                .filter(|ca| !ca.contains("-----BEGIN"))
            {
                let path = dir.join(&*ca);
                *ca = std::fs::read_to_string(&path).context(format!(
                    "{name}: the `upstream_ca` of the resource `{}`, `{}`",
                    resource.name,
                    path.display()
                ))?;
            }
        }
        file.into_request(prune, |source| {
            read_secret(source, &dir, environment).map_err(|failure| Failure {
                message: format!("{name}: {}", failure.message),
                ..failure
            })
        })
    }
}

/// A secret from where it is named; a path is meant beside `dir`.
pub(crate) fn read_secret(
    source: &SecretSource,
    dir: &Path,
    environment: &Environment,
) -> Outcome<SecretValue> {
    match source {
        SecretSource::FromEnv(variable) => {
            let found = environment.find(variable).map(SecretValue::new);
            found.ok_or_else(|| {
                Failure::new(format!("the environment variable `{variable}` is not set"))
                    .hint("set it to the secret for this one command")
            })
        }
        SecretSource::FromFile(path) => {
            let path = dir.join(path);
            let text = std::fs::read_to_string(&path)
                .map(zeroized)
                .context(format!("the secret in `{}`", path.display()))?;
            let secret = text.expose();
            let secret = secret.strip_suffix('\n').unwrap_or(secret);
            Ok(SecretValue::new(
                secret.strip_suffix('\r').unwrap_or(secret),
            ))
        }
        SecretSource::Value(value) => Ok(value.clone()),
    }
}

fn zeroized(text: String) -> SecretValue {
    SecretValue::new(text)
}

pub(crate) fn parse(text: &str, shown: &str) -> Outcome<ZoneFile> {
    serde_saphyr::from_str(text).map_err(|error| {
        // The lines around a mistake are shown, unless a secret may stand in them.
        let full = error.render();
        let told = if full.contains("secret") || full.contains("value") {
            let place = error
                .location()
                .map(|at| format!(" (line {}, column {})", at.line(), at.column()));
            format!(
                "near a secret{}; the lines are not shown",
                place.unwrap_or_default()
            )
        } else {
            full
        };
        Failure::usage(format!("{shown} is no zone file: {}", told.trim_end()))
            .hint("one file holds one zone; `caracal export` writes one to start from")
    })
}

fn read_limited(reader: &mut impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    let read = reader.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(std::io::Error::other(format!(
            "it is longer than {MAX_BYTES} bytes"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    fn source(dir: &tempfile::TempDir, text: &str) -> Outcome<Source> {
        let path = dir.path().join("zone.yaml");
        std::fs::write(&path, text).unwrap();
        Source::read(path.to_str().unwrap())
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let failure = source(
            &dir,
            "zone: a\napplications:\n  - name: x\n    lables: [y]\n",
        )
        .err()
        .unwrap();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure.message.contains("lables") && failure.message.contains('4'),
            "{failure}"
        );
        assert!(failure.message.contains("zone.yaml"));
    }

    #[test]
    fn a_mistake_near_a_secret_does_not_show_it() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "zone: a\nproviders:\n  - name: p\n    kind: bearer\n    secret: sk-hunter2\n",
            "zone: a\nproviders:\n  - name: p\n    secret: { value: sk-hunter2 }\n    kinds: bearer\n",
        ] {
            let failure = source(&dir, text).err().unwrap();
            assert!(!failure.message.contains("hunter2"), "{failure}");
            assert!(failure.message.contains("line"), "{failure}");
        }
    }

    #[test]
    fn several_documents_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(source(&dir, "zone: a\n---\nzone: b\n").is_err());
        assert!(source(&dir, "").is_err());
    }

    #[test]
    fn secrets_and_certificates_are_read_beside_the_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "from-file\n").unwrap();
        std::fs::write(dir.path().join("ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        let text = "zone: a\nproviders:\n  - { name: p, kind: bearer, secret: { from_file: key } }\n  \
                    - { name: q, kind: bearer, secret: { from_env: KEY } }\nresources:\n  \
                    - { name: r, upstream: 'https://x', scopes: [s], upstream_ca: ./ca.pem }\n";
        let env = Environment::from([("KEY", "from-env")]);
        let request = source(&dir, text)
            .unwrap()
            .into_request(false, &env)
            .unwrap();
        let secrets: Vec<_> = request
            .providers
            .iter()
            .map(|p| p.secret.as_ref().unwrap().expose())
            .collect();
        assert_eq!(secrets, ["from-file", "from-env"]);
        assert!(
            request
                .resources
                .first()
                .unwrap()
                .upstream_ca
                .as_ref()
                .unwrap()
                .starts_with("-----BEGIN")
        );
        let missing = source(&dir, text)
            .unwrap()
            .into_request(false, &Environment::default())
            .unwrap_err();
        assert!(missing.message.contains("`KEY`"));
    }
}

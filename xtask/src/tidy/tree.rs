//! The files of the project: what people write, not what tools make.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Directories that hold what tools make or fetch.
const SKIPPED: &[&str] = &[
    ".git",
    "target",
    "node_modules",
    "dist",
    ".venv",
    "__pycache__",
    "corpus",
];

/// A text file.
pub(super) struct SourceFile {
    /// Path from the workspace's root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    /// The name without directories.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The part of the name after its last dot; empty when there is none.
    pub(super) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, end)| end)
    }

    /// Whether it is program text that people write.
    pub(super) fn is_source(&self) -> bool {
        matches!(
            self.extension(),
            "rs" | "ts" | "tsx" | "js" | "mjs" | "py" | "go" | "sh" | "css" | "sql"
        ) || self.path == ".ci/run"
    }
}

/// Every text file below `root`, in order of path.
pub(super) fn read(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    visit(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn visit(dir: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list `{}`", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list `{}`", dir.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().context("cannot tell a file's type")?;
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                visit(&entry.path(), &format!("{prefix}{name}/"), files)?;
            }
        } else if kind.is_file() {
            let bytes =
                fs::read(entry.path()).with_context(|| format!("cannot read `{prefix}{name}`"))?;
            // What is not text (an image, a vector in binary) has no lines to check.
            if let Ok(text) = String::from_utf8(bytes) {
                let path = format!("{prefix}{name}");
                files.push(SourceFile { path, text });
            }
        }
    }
    Ok(())
}

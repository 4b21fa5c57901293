//! A stack of its own for one story.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::cli::run;
use super::{Client, Output};

/// A running stack; dropping it ends its processes and removes its files.
pub struct Stack {
    pub home: PathBuf,
    pub sts: String,
    pub gateway: String,
    pub console: String,
    environment: Vec<(String, String)>,
    _directory: TempDir,
}

impl Stack {
    /// A home that was never used, on ports of its own; nothing runs yet.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("caracal-story-")
            .tempdir()
            .unwrap();
        Self {
            home: directory.path().join("home"),
            sts: String::new(),
            gateway: String::new(),
            console: String::new(),
            environment: Vec::new(),
            _directory: directory,
        }
    }

    /// A running stack.
    pub fn start() -> Self {
        let mut stack = Self::new();
        stack.up();
        stack
    }

    /// Adds a variable to every later command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(held, _)| held != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts or finds the server, and learns its URLs.
    pub fn up(&mut self) -> Value {
        let status = self.cli(&["up", "--json"]).ok().json();
        self.learn(&status);
        status
    }

    /// Learns the URLs of a server that tells this status.
    pub fn learn(&mut self, status: &Value) {
        let url = |door: &str| status["doors"][door]["url"].as_str().unwrap().to_owned();
        (self.sts, self.gateway, self.console) = (url("sts"), url("gateway"), url("console"));
    }

    /// The command with this stack's environment and nothing of the caller's that could
    /// lead it elsewhere.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARACAL_")) {
            command.env_remove(name);
        }
        command
            .env("CARACAL_HOME", &self.home)
            .env("CARACAL_STS_LISTEN", "localhost:0")
            .env("CARACAL_GATEWAY_LISTEN", "localhost:0")
            .env("CARACAL_CONSOLE_LISTEN", "localhost:0")
            .env("XDG_CONFIG_HOME", self.home.with_file_name("config"))
            .envs(self.environment.iter().cloned())
            .args(arguments);
        command
    }

    /// Runs a command of the command line.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments), b"")
    }

    /// Runs a command with this standard input.
    pub fn cli_with(&self, arguments: &[&str], input: &str) -> Output {
        run(self.command(arguments), input.as_bytes())
    }

    /// Applies a zone file and returns what it did.
    pub fn apply(&self, file: &str) -> Value {
        self.cli_with(&["apply", "-f", "-", "--json"], file)
            .ok()
            .json()
    }

    /// The client of an application that an apply created.
    pub fn client(&self, applied: &Value, name: &str) -> Client {
        let applications = applied["applications"].as_array().unwrap();
        let application = applications.iter().find(|a| a["name"] == name).unwrap();
        Client::new(
            self,
            application["id"].as_str().unwrap(),
            application["client_secret"]
                .as_str()
                .expect("the apply created it"),
        )
    }

    /// The process id of the server.
    pub fn pid(&self) -> i32 {
        let status = self.cli(&["status", "--json"]).json();
        i32::try_from(status["pid"].as_i64().unwrap()).unwrap()
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&self) {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-9", &pid]).status().unwrap();
    }

    /// Every event of a zone, oldest first.
    pub fn events(&self, zone: &str) -> Vec<Value> {
        let output = self
            .cli(&[
                "audit", "list", "--zone", zone, "--json", "--limit", "100000",
            ])
            .ok();
        let mut events = output.json_lines();
        events.sort_by_key(|e| e["index"].as_u64());
        events
    }

    /// A file in the home.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A directory beside the home, for a story's own files.
    pub fn beside(&self) -> &Path {
        self.home.parent().unwrap()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.home.exists() {
            self.cli(&["down"]);
        }
    }
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_caracal")
}

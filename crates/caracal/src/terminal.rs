//! What people and programs see: standard output for results, standard error for the rest.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::{Context, Exit, Failure, Outcome};

/// Writes a line of the result. When nobody reads it any more, the command ends.
pub(crate) fn line(text: impl Display) -> Outcome<()> {
    raw(&format!("{text}\n"))
}

/// Writes a part of the result as it is, without waiting for the end of a line.
pub(crate) fn raw(text: &str) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(Failure::silent(Exit::Failed))
        }
        Err(error) => Err(Failure::new(format!(
            "standard output cannot be written: {error}"
        ))),
    }
}

/// Writes a JSON document as one line.
pub(crate) fn json(value: &impl Serialize) -> Outcome<()> {
    line(serde_json::to_string(value).context("the answer cannot be written as JSON")?)
}

/// Tells people something that is not the result.
pub(crate) fn note(text: impl Display) {
    // There is nobody left to tell when standard error is gone.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Tells people why the command failed.
pub(crate) fn fail(failure: &Failure) {
    if failure.silent {
        return;
    }
    note(format_args!("error: {failure}"));
    if let Some(hint) = &failure.hint {
        note(format_args!("hint: {hint}"));
    }
}

/// True when a person can be asked.
pub(crate) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a secret: what is typed is not shown.
pub(crate) fn ask_secret(question: &str) -> Outcome<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let input = std::io::stdin();
    let before = tcgetattr(&input).context("the terminal cannot be read")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &silent).context("the terminal cannot be set")?;
    let answer = ask(question);
    // Whatever was answered, the terminal shows again what is typed.
    let restored = tcsetattr(&input, OptionalActions::Flush, &before);
    note("");
    restored.context("the terminal cannot be set")?;
    answer
}

/// Asks for a line.
pub(crate) fn ask(question: &str) -> Outcome<String> {
    {
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{question} ");
        let _ = err.flush();
    }
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("standard input cannot be read")?;
    Ok(answer.trim().to_owned())
}

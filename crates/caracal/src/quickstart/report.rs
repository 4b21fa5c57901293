//! What the quickstart tells, as it goes.

use serde_json::json;

use crate::failure::Outcome;
use crate::terminal;

/// The steps that went as they should.
pub(crate) struct Report {
    json: bool,
    steps: Vec<(&'static str, String)>,
}

impl Report {
    /// Nothing was done yet.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            steps: Vec::new(),
        }
    }

    /// A step went as it should.
    pub(crate) fn step(&mut self, name: &'static str, detail: String) -> Outcome<()> {
        if !self.json {
            terminal::line(format_args!("✓ {name:<9} {detail}"))?;
        }
        self.steps.push((name, detail));
        Ok(())
    }

    /// Something to read beside the steps.
    pub(crate) fn text(&self, text: &str) -> Outcome<()> {
        if self.json {
            Ok(())
        } else {
            terminal::raw(text)
        }
    }

    /// The end: what to do next, or what went wrong.
    pub(crate) fn finish(self, shown: Outcome<()>) -> Outcome<()> {
        if self.json {
            let steps: Vec<_> = self
                .steps
                .iter()
                .map(|(name, detail)| json!({ "step": name, "detail": detail }))
                .collect();
            terminal::json(&json!({ "ok": shown.is_ok(), "steps": steps }))?;
            return shown;
        }
        shown?;
        terminal::raw(
            "\nThe stack stays up. Next:\n  \
             caracal audit list --zone demo      what happened\n  \
             caracal export --zone demo          the zone as a file to start from\n  \
             caracal apply -f zone.yaml          bring a zone of your own to what a file says\n  \
             caracal down                        stop the stack; its data stays\n",
        )
    }
}

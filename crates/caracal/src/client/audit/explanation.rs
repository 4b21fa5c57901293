//! Why a decision was taken, for people.

use caracal_wire::EventExplanation;

use crate::client::audit::line;
use crate::table::{Table, plain};

/// The event, its gates, and the policies that determined it.
pub(crate) fn text(explained: &EventExplanation) -> String {
    let mut text = String::new();
    for (heading, cell) in line::HEADINGS.iter().zip(line::cells(&explained.event)) {
        if !cell.is_empty() {
            text.push_str(&format!("{:<9} {}\n", heading.to_lowercase(), plain(&cell)));
        }
    }
    if !explained.gates.is_empty() {
        let mut table = Table::new(&["GATE", "OUTCOME", "DETAIL"]);
        for gate in &explained.gates {
            table.row([
                gate.gate.clone(),
                gate.outcome.clone(),
                gate.detail.clone().unwrap_or_default(),
            ]);
        }
        text.push_str(&format!("\n{}", table.text()));
    }
    for policy in &explained.policies {
        text.push_str(&format!("\npolicy `{}`:\n", plain(&policy.name)));
        for line in policy
            .cedar
            .as_deref()
            .unwrap_or("(its bundle is not stored any more)")
            .lines()
        {
            text.push_str(&format!("  {}\n", plain(line)));
        }
    }
    text
}

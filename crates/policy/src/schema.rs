//! The Cedar schema of a zone.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use cedar_policy::Schema;

/// The action of lending authority to another application.
pub(crate) const LEND: &str = "caracal:lend";

/// The nouns and the context, the same in every zone.
const NOUNS: &str = "
entity Application;
entity Resource;
entity Subject;
entity Session in [Application] {
    application: Application,
    labels: Set<String>,
    depth: Long,
    subject?: Subject,
};
type Question = {
    now: datetime,
    phase: String,
    actor: { application: Application, labels: Set<String> },
    delegation?: { id: String, depth: Long },
    approval?: { id: String },
    request: {
        method: String,
        path: String,
        host: String,
        query: Set<String>,
        tool?: String,
    },
};
";

/// The schema with these actions. All actions apply to the same types, so a statement
/// that names some of them has the same type under every other action of the zone.
pub(crate) fn schema(actions: &BTreeSet<&str>) -> Result<Schema, String> {
    let mut text = NOUNS.to_owned();
    for action in actions {
        // Scopes hold neither quotes nor backslashes.
        text.push_str(&format!(
            "action \"{action}\" appliesTo {{ principal: [Session], resource: [Resource], context: Question }};\n"
        ));
    }
    Schema::from_str(&text).map_err(|e| e.to_string())
}

//! What a sink is told. Words of agents are bounded and harmless in it, and the request itself
//! is in it only where the sink asks for that.

use caracal_core::{Approval, ApprovalSubject, Sink, SinkEvent, SinkKind};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::approvals::clean;
use crate::view::ZoneView;

/// How much of the request itself is told, in bytes.
const MAX_SHOWN: usize = 20 * 1024;
/// How much Slack takes in one section, in characters.
const MAX_SECTION: usize = 2900;
/// How much of a reason is told, in bytes.
const MAX_REASON: usize = 1000;

/// What a message says.
pub(super) struct Message<'m> {
    pub(super) view: &'m ZoneView,
    pub(super) sink: &'m Sink,
    pub(super) event: SinkEvent,
    /// None for a test.
    pub(super) approval: Option<&'m Approval>,
    /// The request itself, where the sink asks for it.
    pub(super) shown: Option<String>,
    /// When it happened.
    pub(super) time: Timestamp,
    pub(super) console_url: &'m str,
}

impl Message<'_> {
    /// The bytes of the message.
    pub(super) fn body(&self) -> Vec<u8> {
        let body = match self.sink.kind {
            SinkKind::Webhook { .. } => self.webhook(),
            SinkKind::Slack => self.slack(),
        };
        body.to_string().into_bytes()
    }

    fn webhook(&self) -> Value {
        let zone = &self.view.zone.value;
        let mut data = json!({
            "zone": {"id": zone.id, "name": zone.name},
            "sink": {"id": self.sink.id, "name": self.sink.name},
        });
        let told = self.approval.map(|approval| self.told(approval));
        if let (Some(data), Some(Value::Object(told))) = (data.as_object_mut(), told) {
            data.extend(told);
        }
        json!({"type": self.event, "timestamp": self.time, "data": data})
    }

    fn told(&self, approval: &Approval) -> Value {
        let asked = Asked::of(approval);
        let mut told = json!({
            "approval_id": approval.id,
            "status": approval.status,
            "by": approval.by,
            "application": {"id": approval.application, "name": self.application(approval)},
            "session": approval.session,
            "subject": approval.subject,
            "delegations": approval.delegations,
            "request": {
                "kind": asked.kind, "resources": asked.resources, "scopes": asked.scopes,
                "method": asked.method, "path": asked.path,
            },
            "created_at": approval.created_at,
            "expires_at": approval.expires_at,
            "decided_by": approval.decided_by,
            "decided_at": approval.decided_at,
            "reason": approval.reason.as_deref().map(|text| clean(text, MAX_REASON)),
            "command": self.command(approval),
            "url": self.url(approval),
            "shown": self.shown.as_deref().map(|text| clean(text, MAX_SHOWN)),
        });
        if let Some(told) = told.as_object_mut() {
            told.retain(|_, value| !value.is_null());
        }
        told
    }

    /// Plain text throughout: no markup, no links of the agent's making, nothing that decides.
    fn slack(&self) -> Value {
        let lines = self.lines();
        let headline = lines.first().cloned().unwrap_or_default();
        let mut blocks = vec![section(&lines.join("\n"))];
        if let Some(shown) = &self.shown {
            blocks.push(section(&clean(shown, MAX_SHOWN)));
        }
        json!({
            "text": escaped(&headline), "mrkdwn": false, "blocks": blocks,
            "unfurl_links": false, "unfurl_media": false,
        })
    }

    /// The message in lines, for people.
    fn lines(&self) -> Vec<String> {
        let zone = &self.view.zone.value.name;
        let Some(approval) = self.approval else {
            let sink = &self.sink.name;
            return vec![format!("Caracal tries the sink {sink} of the zone {zone}.")];
        };
        let (id, asked) = (approval.id, Asked::of(approval));
        let application = self.application(approval);
        let mut lines = vec![match self.event {
            SinkEvent::Requested => {
                format!("{application} in the zone {zone} waits for an approval.")
            }
            SinkEvent::Decided => {
                let verdict = match approval.status {
                    caracal_core::ApprovalStatus::Rejected => "rejected",
                    _ => "approved",
                };
                format!("A request of {application} in the zone {zone} was {verdict}.")
            }
            _ => format!("A request of {application} in the zone {zone} has expired."),
        }];
        lines.push(format!("Approval: {id}"));
        match (asked.method, asked.path) {
            (Some(method), Some(path)) => lines.push(format!("Call: {} {path}", clean(method, 64))),
            (Some(method), None) => lines.push(format!("Call: {}", clean(method, 64))),
            _ => lines.push("A mandate: every call under these scopes.".to_owned()),
        }
        lines.push(format!("Resources: {}", asked.resources.join(" ")));
        lines.push(format!("Scopes: {}", asked.scopes.join(" ")));
        if let Some(session) = approval.session {
            lines.push(format!("Session: {session}"));
        }
        if let Some(subject) = approval.subject {
            lines.push(format!("For: {subject}"));
        }
        if let Some(who) = &approval.decided_by {
            lines.push(format!("Decided by: {who}"));
        }
        if let Some(reason) = &approval.reason {
            let reason = clean(reason, MAX_REASON).replace('\n', " ");
            lines.push(format!("Reason: {}", defanged(&reason)));
        }
        if self.event == SinkEvent::Requested {
            lines.push(format!("Until: {}", approval.expires_at));
            lines.push(format!("Look and decide: {}", self.command(approval)));
        }
        lines
    }

    fn application(&self, approval: &Approval) -> String {
        let found = self
            .view
            .applications
            .find_by_id(approval.application.uuid());
        found.map_or_else(
            || approval.application.to_string(),
            |held| held.value.name.to_string(),
        )
    }

    fn command(&self, approval: &Approval) -> String {
        let zone = &self.view.zone.value.name;
        format!("caracal approval show {} --zone {zone}", approval.id)
    }

    fn url(&self, approval: &Approval) -> String {
        let (zone, id) = (self.view.zone.value.id, approval.id);
        format!("{}/v1/zones/{zone}/approvals/{id}", self.console_url)
    }
}

/// What an approval is asked for, as the log may know it.
struct Asked<'a> {
    kind: &'static str,
    resources: Vec<String>,
    scopes: Vec<String>,
    method: Option<&'a str>,
    path: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(approval: &'a Approval) -> Self {
        let texts =
            |scopes: &caracal_core::ScopeSet| scopes.iter().map(ToString::to_string).collect();
        match &approval.asked {
            ApprovalSubject::Mandate { resources, scopes } => Self {
                kind: "mandate",
                resources: resources.iter().map(ToString::to_string).collect(),
                scopes: texts(scopes),
                method: None,
                path: None,
            },
            ApprovalSubject::Call {
                resource,
                scope,
                method,
                path,
            } => Self {
                kind: "call",
                resources: vec![resource.to_string()],
                scopes: texts(scope),
                method: Some(method),
                path: path.as_deref(),
            },
        }
    }
}

fn section(text: &str) -> Value {
    let mut shown = escaped(&defanged(text));
    if shown.chars().count() > MAX_SECTION {
        shown = shown.chars().take(MAX_SECTION).collect();
        // Half an entity would be shown as what it is not.
        if let Some(at) = shown
            .rfind('&')
            .filter(|at| !shown.get(*at..).is_some_and(|r| r.contains(';')))
        {
            shown.truncate(at);
        }
        shown.push_str(" (cut off)");
    }
    json!({"type": "section", "text": {"type": "plain_text", "text": shown, "emoji": false}})
}

/// The three characters that mean something in Slack's texts.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// No text of an agent becomes a link: ours are ids and a command.
fn defanged(text: &str) -> String {
    text.replace("://", "[:]//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_section_is_markup_or_a_link() {
        let said = section("<!channel> <https://evil.example|Approve> & *x* https://evil.example");
        let text = said["text"]["text"].as_str().unwrap();
        assert_eq!(said["text"]["type"], "plain_text");
        assert!(!text.contains('<') && !text.contains('>'), "{text}");
        assert!(!text.contains("://"), "{text}");
        assert!(text.contains("&lt;!channel&gt;"), "{text}");
    }

    #[test]
    fn a_long_section_is_cut_between_characters_and_says_so() {
        let said = section(&"&".repeat(2000));
        let text = said["text"]["text"].as_str().unwrap();
        assert!(
            text.len() < 3000 && text.ends_with("&amp; (cut off)"),
            "{text}"
        );
    }
}

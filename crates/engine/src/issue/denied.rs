//! Why there is no mandate, and the evidence of it.

use caracal_core::{Decision, EventType};

use super::digest::digest_of_issue;
use super::named::set_resources;
use super::{IssueRequest, MAX_RESOURCES};
use crate::approvals::HeldIssue;
use crate::caller::Caller;
use crate::decide::Asked;
use crate::record::RecordError;
use crate::{Engine, IssueError};

/// The longest scope parameter that the event of a denial repeats, in bytes.
const MAX_RECORDED_SCOPE: usize = 4096;

/// Why there is no mandate.
pub(super) struct Denied {
    pub(super) error: IssueError,
    pub(super) asked: Asked,
    /// There is one once a person approves.
    pub(super) held: Option<Box<HeldIssue>>,
    /// It was not asked for, since that would be too much to ask at once.
    pub(super) is_heavy: bool,
}

impl Denied {
    pub(super) fn plain(error: IssueError) -> Self {
        Self::with(error, Asked::default())
    }

    pub(super) fn with(error: IssueError, asked: Asked) -> Self {
        Self {
            error,
            asked,
            held: None,
            is_heavy: false,
        }
    }

    pub(super) fn heavy(error: impl Into<IssueError>) -> Self {
        Self {
            is_heavy: true,
            ..Self::plain(error.into())
        }
    }
}

impl From<IssueError> for Denied {
    fn from(error: IssueError) -> Self {
        Self::plain(error)
    }
}

impl Engine {
    pub(crate) async fn record_denial(
        &self,
        client: &Caller,
        request: &IssueRequest,
        error: &IssueError,
        asked: Asked,
    ) -> Result<(), IssueError> {
        let view = &client.view;
        let mut event = self.event(
            client.handle.id,
            EventType::MandateDenied,
            &request.request_id,
        );
        event.application = Some(client.application);
        event.session = client.session.or(request.session_id);
        event.delegations = request.delegation_id.map(|id| vec![id]);
        // Evidence stays small however much was asked for; the digest covers all of it.
        let identifiers: Vec<_> = request
            .resources
            .iter()
            .take(MAX_RESOURCES)
            .filter_map(|r| self.find_identifier(view, r))
            .collect();
        set_resources(&mut event, &identifiers);
        event.scopes = request
            .scope
            .as_ref()
            .filter(|text| text.len() <= MAX_RECORDED_SCOPE)
            .and_then(|text| text.parse().ok());
        event.decision = Some(match error {
            IssueError::InteractionRequired { approval, .. } => {
                event.approval = Some(*approval);
                Decision::Hold
            }
            _ => Decision::Deny,
        });
        event.subject = client.subject;
        event.reason = Some(error.reason().to_owned());
        event.policies = Some(asked.determining());
        event.policy_version = view.zone.value.policy.clone();
        event.inputs_digest = Some(digest_of_issue(view, client.application, request));
        let entry = self.draft(&client.handle, &event).map_err(unrecorded)?;
        drop(event);
        self.append_one(entry).await.map(drop).map_err(unrecorded)
    }
}

pub(super) fn unrecorded(error: RecordError) -> IssueError {
    IssueError::Unavailable(format!("the ledger cannot be written: {error}"))
}

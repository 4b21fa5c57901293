//! The views of sessions and delegations, for the doors that show them.

use caracal_core::{Authority, Delegation, Receiver, Session, ZoneId};

use super::{BudgetBody, ConfirmationBody, DelegationView, GrantBody, SessionView};

impl GrantBody {
    /// A slice of authority as a list.
    pub fn list(authority: &Authority) -> Vec<Self> {
        let mut grants: Vec<Self> = Vec::new();
        for (resource, scope) in authority.iter() {
            let resource = resource.to_string();
            match grants.last_mut() {
                Some(last) if last.resource == resource => last.scopes.push(scope.to_string()),
                _ => grants.push(Self {
                    resource,
                    scopes: vec![scope.to_string()],
                }),
            }
        }
        grants
    }

    /// The slice of authority that a list says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(grants: &[Self]) -> Result<Authority, String> {
        let value = serde_json::to_value(grants).map_err(|error| error.to_string())?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }
}

impl SessionView {
    /// A session as it is shown, without a mandate.
    pub fn of(zone: ZoneId, session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            zone: zone.to_string(),
            application: session.application.to_string(),
            parent_id: session.parent.map(|id| id.to_string()),
            labels: session.labels.iter().map(ToString::to_string).collect(),
            subject: session.subject.map(|id| id.to_string()),
            status: session.status.as_str().to_owned(),
            suspended_by: session.suspended_by.map(|by| by.as_str().to_owned()),
            depth: session.depth,
            generation: session.generation,
            created_at: session.created_at,
            expires_at: session.expires_at,
            authority: session.authority.as_ref().map(GrantBody::list),
            heartbeat_seconds: session.heartbeat_seconds,
            budget: session.calls.map(|calls| BudgetBody { calls }),
            cnf: session.cnf.as_ref().map(|cnf| ConfirmationBody {
                jkt: cnf.jkt.clone(),
            }),
            operator: session.operator.clone(),
            session_mandate: None,
            session_mandate_expires_in: None,
        }
    }
}

impl DelegationView {
    /// A delegation as it is shown.
    pub fn of(delegation: &Delegation) -> Self {
        let named = match delegation.to {
            Receiver::Session(id) => Some(id),
            Receiver::Application(_) => None,
        };
        Self {
            id: delegation.id.to_string(),
            status: delegation.status.as_str().to_owned(),
            from_session: delegation.from.to_string(),
            from_application: delegation.from_application.to_string(),
            to_session: delegation.receiver.or(named).map(|id| id.to_string()),
            to_application: delegation.to_application.to_string(),
            via: delegation.via.map(|id| id.to_string()),
            authority: GrantBody::list(&delegation.authority),
            created_at: delegation.created_at,
            expires_at: delegation.expires_at,
            depth: delegation.depth,
            max_depth: delegation.max_depth,
            budget: delegation.calls.map(|calls| BudgetBody { calls }),
        }
    }
}

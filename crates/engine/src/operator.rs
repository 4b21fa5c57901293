//! Who asks for an administrative use case.

use caracal_core::{Role, RoleScope, ZoneId};

use crate::AdminError;

/// An authenticated operator: a token, or a person at the local socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    label: String,
    role: Role,
    scope: RoleScope,
    /// Whose share of a zone's memory it takes, where that is not its own.
    pays: Option<String>,
}

impl Operator {
    /// The local operator: whoever may open the socket in `CARACAL_HOME` owns the instance.
    pub fn local() -> Self {
        Self {
            label: "local".to_owned(),
            role: Role::Owner,
            scope: RoleScope::AllZones,
            pays: None,
        }
    }

    /// What the engine does by itself, in time.
    pub(crate) fn sweeper() -> Self {
        Self {
            label: String::new(),
            ..Self::local()
        }
    }

    pub(crate) fn new(label: String, role: Role, scope: RoleScope) -> Self {
        Self {
            label,
            role,
            scope,
            pays: None,
        }
    }

    /// The same, at the expense of another: of the application whose session it is.
    pub(crate) fn paid_by(mut self, other: String) -> Self {
        self.pays = Some(other);
        self
    }

    /// Whose share of a zone's memory it takes.
    pub(crate) fn pays(&self) -> &str {
        self.pays.as_deref().unwrap_or(&self.label)
    }

    /// The operator's id, or `local`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Where the role holds.
    pub fn scope(&self) -> RoleScope {
        self.scope
    }

    /// Checks a use case in a zone.
    ///
    /// # Errors
    /// A zone that the operator's role does not reach does not exist for it; in a zone that it
    /// reaches, a weaker role is told which one is needed.
    pub fn require(&self, role: Role, zone: ZoneId) -> Result<(), AdminError> {
        // The partition of the instance can be read; it is no zone that can be configured.
        let configures = zone == ZoneId::INSTANCE && role.covers(Role::Admin);
        if !self.scope.reaches(zone) || configures {
            return Err(AdminError::not_found("zone", zone));
        }
        if !self.role.covers(role) {
            return Err(AdminError::Forbidden {
                needed: role.as_str(),
            });
        }
        Ok(())
    }

    /// Checks a use case of the whole instance.
    ///
    /// # Errors
    /// A weaker role, or one of a single zone, is told which one is needed.
    pub fn require_instance(&self, role: Role) -> Result<(), AdminError> {
        if self.scope == RoleScope::AllZones && self.role.covers(role) {
            Ok(())
        } else {
            Err(AdminError::Forbidden {
                needed: role.as_str(),
            })
        }
    }
}

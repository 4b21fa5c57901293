//! Are the names in a policy's text names of the zone?

use std::collections::BTreeSet;

use caracal_core::{Name, ResourceIdentifier, SessionId, SubjectId};

use crate::Vocabulary;
use crate::scan::Reference;
use crate::schema::LEND;

/// The vocabulary, ready to be looked up.
pub(crate) struct Names<'v> {
    vocabulary: &'v Vocabulary,
    /// Every scope of the zone and `caracal:lend`.
    pub(crate) actions: BTreeSet<&'v str>,
}

/// Why a name is refused, and what to do about it.
pub(crate) struct Unknown {
    pub(crate) message: String,
    pub(crate) hint: String,
}

const TYPES: [&str; 5] = ["Application", "Action", "Resource", "Session", "Subject"];

impl<'v> Names<'v> {
    pub(crate) fn new(vocabulary: &'v Vocabulary) -> Self {
        let scopes = vocabulary
            .resources
            .values()
            .flatten()
            .map(|scope| scope.as_str());
        Self {
            vocabulary,
            actions: scopes.chain([LEND]).collect(),
        }
    }

    pub(crate) fn check(&self, reference: &Reference) -> Result<(), Unknown> {
        let id = reference.id.as_str();
        match reference.type_name.as_str() {
            "Application" if self.vocabulary.applications.contains(id) => Ok(()),
            "Application" => Err(unknown(
                format!("the zone has no application `{}`", shown(id)),
                id,
                self.vocabulary.applications.iter().map(Name::as_str),
                "register the application first",
            )),
            "Action" if self.actions.contains(id) => Ok(()),
            "Action" => Err(unknown(
                format!("no resource of the zone declares the scope `{}`", shown(id)),
                id,
                self.actions.iter().copied(),
                "declare the scope on a resource first",
            )),
            "Resource" => self.check_resource(id),
            "Session" => check_id::<SessionId>(id, "session", SessionId::PREFIX),
            "Subject" => check_id::<SubjectId>(id, "subject", SubjectId::PREFIX),
            other => Err(unknown(
                format!("`{}` is not a type of policies", shown(other)),
                other,
                TYPES.into_iter(),
                "the types are `Application`, `Action`, `Resource`, `Session` and `Subject`",
            )),
        }
    }

    /// True when the resource declares the action; every resource can be lent.
    pub(crate) fn declares(&self, resource: &str, action: &str) -> bool {
        let name = resource.strip_prefix("resource://").unwrap_or(resource);
        let scopes = self.vocabulary.resources.get(name);
        action == LEND
            || scopes.is_some_and(|scopes| scopes.iter().any(|own| own.as_str() == action))
    }

    /// What to write in place of an action that the resource does not declare.
    pub(crate) fn hint_for(&self, resource: &str, action: &str) -> String {
        let name = resource.strip_prefix("resource://").unwrap_or(resource);
        let scopes = self.vocabulary.resources.get(name).into_iter().flatten();
        let declared: Vec<&str> = scopes.map(|scope| scope.as_str()).collect();
        if let Some(near) = nearest(action, declared.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        let owner = self
            .vocabulary
            .resources
            .iter()
            .find(|(_, scopes)| scopes.iter().any(|own| own.as_str() == action));
        match owner {
            Some((owner, _)) => format!("`resource://{owner}` declares it"),
            None => "declare the scope on the resource first".to_owned(),
        }
    }

    fn check_resource(&self, id: &str) -> Result<(), Unknown> {
        let resources = &self.vocabulary.resources;
        let identifier = id.parse::<ResourceIdentifier>();
        if identifier.is_ok_and(|identifier| resources.contains_key(identifier.name())) {
            return Ok(());
        }
        let message = format!("the zone has no resource `{}`", shown(id));
        // Names are compared, so that the long common prefix makes nothing look near.
        let name = id.strip_prefix("resource://").unwrap_or(id);
        let near = nearest(name, resources.keys().map(Name::as_str));
        let hint = match near {
            Some(near) => format!("did you mean `resource://{near}`?"),
            None => "register the resource first, and write it as `resource://NAME`".to_owned(),
        };
        Err(Unknown { message, hint })
    }
}

fn check_id<T: std::str::FromStr>(id: &str, noun: &str, prefix: &str) -> Result<(), Unknown> {
    id.parse::<T>().map(|_| ()).map_err(|_| Unknown {
        message: format!("`{}` is not the id of a {noun}", shown(id)),
        hint: format!("an id has the form `{prefix}_` and a UUID in lower case"),
    })
}

fn unknown<'a>(
    message: String,
    id: &str,
    known: impl Iterator<Item = &'a str>,
    otherwise: &str,
) -> Unknown {
    let hint = match nearest(id, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    };
    Unknown { message, hint }
}

/// The known name that a typing mistake may have turned into this one.
fn nearest<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if id.len() > 128 {
        return None;
    }
    let limit = (id.len() / 3).max(2);
    known
        // The distance is at least the difference of the lengths, and costs their product.
        .filter(|name| name.len().abs_diff(id.len()) <= limit)
        .map(|name| (strsim::osa_distance(id, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

/// A name as messages show it: short and on one line.
fn shown(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(80).collect()
}

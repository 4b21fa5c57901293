//! The requests that a mandate names exactly (RFC 9396): policy is asked about each of them when
//! the mandate is issued, with the request in view, and the Gateway lets no other pass.

use caracal_core::{
    AuthorizationDetail, ExactCall, RequestPath, Resource, ResourceIdentifier, Scope, ScopeSet,
    UndeclaredOperation,
};
use caracal_policy::RequestView;
use serde::Deserialize;

use crate::exchange::Source;
use crate::view::ZoneView;
use crate::{Engine, IssueError, IssueRequest, ResourceEntry};

/// The longest text of a request, in bytes; longer ones are no JSON that we look at.
const MAX_TEXT: usize = 16 * 1024;
/// The most pairs of a query.
const MAX_PAIRS: usize = 64;

/// A member of `authorization_details`, as it is asked for.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum AskedDetail {
    #[serde(rename = "caracal_call")]
    Call(AskedCall),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedCall {
    /// The resource: its identifier or its Gateway URL.
    locations: Vec<String>,
    /// The scope that the request needs; may be left out.
    #[serde(default)]
    actions: Vec<String>,
    method: String,
    path: String,
    #[serde(default)]
    query: Vec<String>,
}

/// A request that is named exactly.
pub(crate) struct NamedCall {
    pub(crate) detail: AuthorizationDetail,
    /// The path as it is sent upstream.
    sent: String,
    host: String,
}

impl NamedCall {
    pub(super) fn is_of(&self, resource: &ResourceIdentifier, scope: &str) -> bool {
        let call = self.detail.call();
        call.resource() == resource && call.scope().as_str() == scope
    }

    /// The request, as policy sees it.
    pub(super) fn view(&self) -> RequestView<'_> {
        let call = self.detail.call();
        RequestView {
            method: &call.method,
            path: &self.sent,
            host: &self.host,
            query: &call.query,
            tool: None,
            arguments: None,
        }
    }
}

impl Engine {
    /// The requests that the mandate is to name: those that are asked for, else those of the
    /// mandate that is exchanged, as far as they are among what is asked for. None: it names none.
    ///
    /// # Errors
    /// When one cannot be made, or is beyond the mandate that is exchanged.
    pub(super) fn named_calls(
        &self,
        view: &ZoneView,
        request: &IssueRequest,
        resources: &[&Resource],
        source: Option<&Source<'_>>,
    ) -> Result<Option<Vec<NamedCall>>, IssueError> {
        let held = source.map(Source::details).unwrap_or_default();
        let calls = match &request.authorization_details {
            Some(text) => {
                let calls = self.asked_calls(view, resources, text)?;
                let is_held = |call: &&NamedCall| held.contains(&call.detail);
                if !held.is_empty()
                    && let Some(beyond) = calls.iter().position(|call| !is_held(&call))
                {
                    let why = format!("[{beyond}] is not in the mandate that is exchanged");
                    return Err(invalid(why));
                }
                calls
            }
            None if held.is_empty() => return Ok(None),
            None => inherited_calls(view, request, resources, held)?,
        };
        for resource in resources {
            let identifier = resource.identifier();
            let is_named = |call: &NamedCall| *call.detail.call().resource() == identifier;
            if !calls.iter().any(is_named) {
                return Err(invalid(format!(": none is for `{identifier}`")));
            }
        }
        Ok(Some(calls))
    }

    fn asked_calls(
        &self,
        view: &ZoneView,
        resources: &[&Resource],
        text: &str,
    ) -> Result<Vec<NamedCall>, IssueError> {
        if text.len() > MAX_TEXT {
            return Err(invalid(format!(" is longer than {MAX_TEXT} bytes")));
        }
        let asked: Vec<AskedDetail> = serde_json::from_str(text).map_err(|error| {
            let shown: String = error
                .to_string()
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect();
            invalid(format!(
                " is no list of details of the types {:?}: {shown}",
                AuthorizationDetail::TYPES
            ))
        })?;
        if asked.is_empty() || asked.len() > AuthorizationDetail::MAX {
            let most = AuthorizationDetail::MAX;
            return Err(invalid(format!(" names 1 to {most} requests")));
        }
        let mut calls: Vec<NamedCall> = Vec::with_capacity(asked.len());
        for (at, AskedDetail::Call(asked)) in asked.into_iter().enumerate() {
            let wrong = |why: String| invalid(format!("[{at}].{why}"));
            let [location] = asked.locations.as_slice() else {
                return Err(wrong("locations: name one resource".to_owned()));
            };
            let identifier = self.find_identifier(view, location);
            let is_named = |identifier: &ResourceIdentifier| {
                resources.iter().any(|r| r.identifier() == *identifier)
            };
            let Some(identifier) = identifier.filter(is_named) else {
                let why = "locations: the resource is not one that `resource` names";
                return Err(wrong(why.to_owned()));
            };
            let call = named_call(view, identifier, &asked).map_err(wrong)?;
            if !calls.iter().any(|held| held.detail == call.detail) {
                calls.push(call);
            }
        }
        let details: Vec<_> = calls.iter().map(|call| &call.detail).collect();
        let length = serde_json::to_string(&details).map_or(usize::MAX, |json| json.len());
        if length > AuthorizationDetail::MAX_BYTES {
            let most = AuthorizationDetail::MAX_BYTES;
            return Err(invalid(format!(" takes more than {most} bytes")));
        }
        Ok(calls)
    }
}

/// What of a mandate's requests is for these resources and scopes.
fn inherited_calls(
    view: &ZoneView,
    request: &IssueRequest,
    resources: &[&Resource],
    held: &[AuthorizationDetail],
) -> Result<Vec<NamedCall>, IssueError> {
    // What is no list of scopes is refused elsewhere.
    let scopes: Option<ScopeSet> = request.scope.as_ref().and_then(|text| text.parse().ok());
    let mut calls = Vec::new();
    for AuthorizationDetail::Call(call) in held {
        let is_wanted = resources.iter().any(|r| r.identifier() == *call.resource())
            && (scopes.as_ref()).is_none_or(|scopes| scopes.contains(call.scope().as_str()));
        if is_wanted {
            let asked = AskedCall {
                locations: Vec::new(),
                actions: vec![call.scope().to_string()],
                method: call.method.clone(),
                path: call.path.clone(),
                query: call.query.clone(),
            };
            let identifier = call.resource().clone();
            let wrong = |why| invalid(format!(" of the mandate that is exchanged: {why}"));
            calls.push(named_call(view, identifier, &asked).map_err(wrong)?);
        }
    }
    Ok(calls)
}

/// A request as it would be decided on at the Gateway.
fn named_call(
    view: &ZoneView,
    identifier: ResourceIdentifier,
    asked: &AskedCall,
) -> Result<NamedCall, String> {
    let entry = view.prepared.get(identifier.name().as_str());
    let entry = entry.ok_or("locations: the resource is gone")?;
    let method = asked.method.as_str();
    let is_method = (1..=32).contains(&method.len())
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if !is_method {
        return Err("method: use an HTTP method in capitals".to_owned());
    }
    if method == "HEAD" {
        return Err("method: `HEAD` counts as `GET`: name that".to_owned());
    }
    if asked.path.contains(['?', '#', '{', '}']) {
        let why = "path: the path of one request, without a query and no template";
        return Err(why.to_owned());
    }
    let path = RequestPath::parse(&asked.path)
        .and_then(|path| {
            path.check_slashes(entry.resource().literal_encoded_slashes)
                .map(|()| path)
        })
        .map_err(|error| format!("path: {error}"))?;
    if asked.query.len() > MAX_PAIRS {
        return Err(format!("query: at most {MAX_PAIRS} pairs"));
    }
    // What cannot be decoded looks alike, whatever it was.
    let is_pair = |pair: &String| pair.contains('=') && !pair.contains(char::REPLACEMENT_CHARACTER);
    if !asked.query.iter().all(is_pair) {
        return Err("query: each is a decoded `name=value`".to_owned());
    }
    let scope = scope_of(entry, method, &path)?;
    let named = asked.actions.as_slice();
    if !named.is_empty() && named != [scope.as_str()] {
        return Err(format!(
            "actions: the request needs `{scope}`, and nothing else"
        ));
    }
    Ok(NamedCall {
        sent: entry.sent(&path).to_string(),
        host: entry.host().to_owned(),
        detail: AuthorizationDetail::Call(ExactCall {
            locations: [identifier],
            actions: [scope],
            method: method.to_owned(),
            path: path.to_string(),
            query: asked.query.clone(),
        }),
    })
}

fn scope_of(entry: &ResourceEntry, method: &str, path: &RequestPath) -> Result<Scope, String> {
    match (
        entry.operations().find(method, path),
        &entry.resource().undeclared,
    ) {
        (Some(rule), _) => Ok(rule.scope.clone()),
        (None, UndeclaredOperation::Scope(scope)) => Ok(scope.clone()),
        (None, UndeclaredOperation::Deny) => {
            Err("path: no operation of the resource names this method and path".to_owned())
        }
    }
}

/// The scopes of a mandate that names its requests: those that the requests need.
///
/// # Errors
/// When the request names others, or fewer.
pub(super) fn scopes_of(
    calls: &[NamedCall],
    named: Option<&ScopeSet>,
) -> Result<ScopeSet, IssueError> {
    let needed = calls.iter().map(|call| call.detail.call().scope().clone());
    let needed = ScopeSet::from_iter(needed);
    match named {
        Some(named) if *named != needed => {
            let why = format!("the requests that are named need `{needed}`: leave `scope` out");
            Err(IssueError::InvalidScope(why))
        }
        _ => Ok(needed),
    }
}

fn invalid(why: String) -> IssueError {
    IssueError::InvalidAuthorizationDetails(format!("`authorization_details`{why}"))
}

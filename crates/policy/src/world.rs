//! A question in Cedar's terms.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr as _;

use caracal_core::Label;
use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression as Value,
};

use crate::usage::Usage;
use crate::{Question, RequestView};

/// The types of entities, parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Types {
    application: EntityTypeName,
    session: EntityTypeName,
    subject: EntityTypeName,
    action: EntityTypeName,
    resource: EntityTypeName,
}

impl Types {
    pub(crate) fn new() -> Result<Self, String> {
        let name = |text| EntityTypeName::from_str(text).map_err(|e| e.to_string());
        Ok(Self {
            application: name("Application")?,
            session: name("Session")?,
            subject: name("Subject")?,
            action: name("Action")?,
            resource: name("Resource")?,
        })
    }
}

/// What the evaluator needs: the request with its context, and the session as the only
/// entity with content.
pub(crate) struct World {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

impl World {
    /// Builds the parts of the question that are used; the request only when it is shown.
    pub(crate) fn new(
        question: &Question<'_>,
        shown: Option<&RequestView<'_>>,
        usage: Usage,
        types: &Types,
    ) -> Result<Self, String> {
        let application = uid(&types.application, question.application.as_str());
        let session = uid(&types.session, &question.session.to_string());
        let context = context(question, shown, usage, types, &application)?;
        // Without a statement that looks at it, an entity and its closure are built for nothing.
        let entities = if usage.session {
            let parents = HashSet::from([application.clone()]);
            let mut attributes = HashMap::from([
                ("application".to_owned(), Value::new_entity_uid(application)),
                ("labels".to_owned(), labels(question.labels)),
                ("depth".to_owned(), Value::new_long(question.depth.into())),
            ]);
            if let Some(subject) = question.subject {
                let subject = uid(&types.subject, &subject.to_string());
                attributes.insert("subject".to_owned(), Value::new_entity_uid(subject));
            }
            let entity =
                Entity::new(session.clone(), attributes, parents).map_err(|e| e.to_string())?;
            Entities::from_entities([entity], None).map_err(|e| e.to_string())?
        } else {
            Entities::empty()
        };
        let action = uid(&types.action, question.action);
        let resource = uid(&types.resource, &question.resource.to_string());
        // Without a schema: the context is ours, and checking it again costs more than all else.
        let request =
            Request::new(session, action, resource, context, None).map_err(|e| e.to_string())?;
        Ok(Self { request, entities })
    }
}

fn context(
    question: &Question<'_>,
    shown: Option<&RequestView<'_>>,
    usage: Usage,
    types: &Types,
    application: &EntityUid,
) -> Result<Context, String> {
    let mut fields = Vec::with_capacity(6);
    if usage.now {
        let now = question.now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
        fields.push(("now".to_owned(), Value::new_datetime(now)));
    }
    if usage.phase {
        fields.push(("phase".to_owned(), text(question.phase.as_str())));
    }
    if usage.actor {
        let (application, own) = match question.actor {
            Some(actor) => (
                uid(&types.application, actor.application.as_str()),
                actor.labels,
            ),
            None => (application.clone(), question.labels),
        };
        let actor = record([
            ("application", Value::new_entity_uid(application)),
            ("labels", labels(own)),
        ])?;
        fields.push(("actor".to_owned(), actor));
    }
    if let Some(delegation) = question.delegation.filter(|_| usage.delegation) {
        let delegation = record([
            ("id", text(&delegation.id.to_string())),
            ("depth", Value::new_long(delegation.depth.into())),
        ])?;
        fields.push(("delegation".to_owned(), delegation));
    }
    if let Some(approval) = question.approval.filter(|_| usage.approval) {
        fields.push((
            "approval".to_owned(),
            record([("id", text(&approval.to_string()))])?,
        ));
    }
    if let Some(request) = shown.filter(|_| usage.request) {
        let wanted = usage.fields;
        let mut parts = Vec::with_capacity(5);
        let mut add = |wanted: bool, name, value: &str| {
            if wanted {
                parts.push((name, text(value)));
            }
        };
        add(wanted.method, "method", request.method);
        add(wanted.path, "path", request.path);
        add(wanted.host, "host", request.host);
        add(
            wanted.tool && request.tool.is_some(),
            "tool",
            request.tool.unwrap_or_default(),
        );
        if wanted.query {
            let pairs = request.query.iter().map(|pair| text(pair));
            parts.push(("query", Value::new_set(pairs)));
        }
        fields.push(("request".to_owned(), record(parts)?));
    }
    Context::from_pairs(fields).map_err(|e| e.to_string())
}

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

fn labels(labels: &BTreeSet<Label>) -> Value {
    Value::new_set(labels.iter().map(|label| text(label.as_str())))
}

fn record(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Result<Value, String> {
    Value::new_record(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    )
    .map_err(|e| e.to_string())
}

//! The permission to make one call. Only the engine can build one, and the Gateway can
//! forward only with one.

use std::sync::Arc;
use std::time::Duration;

use caracal_core::{
    ApprovalId, Event, EventId, EventType, Injection, Provider, RefusalCode, RequestPath, Resource,
    ZoneId,
};
use caracal_ledger::Receipt;
use caracal_provider::Slots;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::live::LiveGuard;
use crate::provider_seal::provider_context;
use crate::verify::OpenedMandate;
use crate::view::Stored;
use crate::{Engine, Refusal, ResourceEntry, Upstream};

/// An authorised call whose start is durable evidence. Hold it until the answer has ended,
/// then [`Self::finish`] it; a permit that is dropped leaves a call of unknown outcome.
pub struct Permit {
    engine: Engine,
    opened: OpenedMandate,
    entry: Arc<ResourceEntry>,
    upstream: Arc<Upstream>,
    provider: Option<Arc<Stored<Provider>>>,
    guard: LiveGuard,
    started: Box<Event>,
    receipt: Receipt,
    path: RequestPath,
    /// When its session or delegation ends.
    ends_at: Option<Timestamp>,
    /// The approval that it has used up.
    approval: Option<ApprovalId>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The upstream's status, once its answer began.
    pub status: Option<u16>,
    /// What ended the call, when it did not end by itself: a refusal's code, or
    /// `client_gone`, `upstream_broke`, `stream_too_long`, `drained`.
    pub reason: Option<&'static str>,
}

impl Permit {
    #[expect(
        clippy::too_many_arguments,
        reason = "built in one place, from everything that was decided on"
    )]
    pub(crate) fn new(
        engine: Engine,
        opened: OpenedMandate,
        entry: Arc<ResourceEntry>,
        upstream: Arc<Upstream>,
        provider: Option<Arc<Stored<Provider>>>,
        guard: LiveGuard,
        started: Box<Event>,
        receipt: Receipt,
        path: RequestPath,
        ends_at: Option<Timestamp>,
        approval: Option<ApprovalId>,
    ) -> Self {
        Self {
            engine,
            opened,
            entry,
            upstream,
            provider,
            guard,
            started,
            receipt,
            path,
            ends_at,
            approval,
        }
    }

    /// The zone of the mandate.
    pub fn zone(&self) -> ZoneId {
        self.opened.handle.id
    }

    /// The resource.
    pub fn resource(&self) -> &Resource {
        self.entry.resource()
    }

    /// Where the call goes.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The path to send: the parsed segments that were decided on, below the upstream's own path.
    pub fn path(&self) -> RequestPath {
        self.path.below(&self.upstream.base)
    }

    /// The receipt of the start event.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The URL of this resource at the Gateway, for rewriting `Location`.
    pub fn gateway_url(&self) -> String {
        self.engine
            .gateway_url_of(self.opened.handle.id, &self.entry.resource().identifier())
    }

    /// The headers and parameters that the provider fills; the client's own are removed.
    pub fn slots(&self) -> Slots {
        self.provider
            .as_ref()
            .map(|p| caracal_provider::slots(&p.value.kind))
            .unwrap_or_default()
    }

    /// How long the upstream may take until its answer begins.
    pub fn response_timeout(&self) -> Duration {
        Duration::from_secs(self.entry.resource().response_timeout_seconds.into())
    }

    /// How long the answer may go on: never beyond the session or delegation that it is by.
    pub fn max_stream(&self) -> Duration {
        let most = Duration::from_secs(self.entry.resource().max_stream_seconds.into());
        let left = self.ends_at.map(|end| {
            let left = end.duration_since(self.engine.now());
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        });
        left.map_or(most, |left| most.min(left))
    }

    /// Cancelled when the authority of this call has ended, or policy does not let it go on.
    pub fn cut(&self) -> &CancellationToken {
        &self.guard.call.cut
    }

    /// Why [`Self::cut`] was cancelled: `mandate_revoked`, or what policy says of the call now.
    pub fn cut_code(&self) -> RefusalCode {
        self.guard.call.cut_code()
    }

    /// Opens the credential for this one request.
    ///
    /// # Errors
    /// `credential_unavailable`: there is no secret, it may not be sent to this host, or it
    /// would travel in clear.
    pub fn injection(&self) -> Result<Injection, Refusal> {
        let unavailable = |why: String| Refusal::new(RefusalCode::CredentialUnavailable, why);
        let Some(name) = &self.entry.resource().provider else {
            return Ok(Injection::default());
        };
        let provider = &self
            .provider
            .as_ref()
            .ok_or_else(|| unavailable(format!("the provider `{name}` is gone")))?
            .value;
        if !provider.kind.needs_secret() {
            return Ok(Injection::default());
        }
        let upstream = &self.upstream;
        if !provider.allowed_hosts.contains(&upstream.host) {
            let why = format!(
                "the credential of `{name}` may not be sent to `{}`",
                upstream.host
            );
            return Err(unavailable(why));
        }
        if !upstream.may_carry_credential(self.entry.resource().allow_private) {
            let why = format!("the credential of `{name}` may not travel over plain http");
            return Err(unavailable(why));
        }
        let sealed = provider
            .secret
            .as_ref()
            .ok_or_else(|| unavailable(format!("the provider `{name}` has no secret")))?;
        let context = provider_context(self.opened.handle.id, provider);
        let credential = self
            .engine
            .keyring()
            .open_credential(sealed, &context)
            .map_err(|e| {
                unavailable(format!("the credential of `{name}` cannot be opened: {e}"))
            })?;
        caracal_provider::inject(&provider.kind, Some(&credential))
            .map_err(|e| unavailable(format!("the credential of `{name}` cannot be used: {e}")))
    }

    /// Gives the approval back that this call has used up. Only for a call of which no byte left.
    pub async fn release_approval(&self) {
        if let Some(id) = self.approval {
            let (handle, request_id) = (&self.opened.handle, &self.started.request_id);
            let done = self.engine.spawn_release(handle, id, request_id);
            // It goes on when nobody waits for it any more.
            let _ = done.await;
        }
    }

    /// Records how the call ended. Nobody waits for it.
    pub fn finish(self, outcome: Outcome) {
        let now = self.engine.now();
        let mut event = self.started;
        event.id = EventId::new(now, &self.engine.random());
        event.event_type = EventType::CallFinished;
        let began = std::mem::replace(&mut event.time, now);
        event.decision = None;
        event.inputs_digest = None;
        event.policies = None;
        event.policy_version = None;
        event.status = outcome.status;
        event.reason = outcome.reason.map(str::to_owned);
        let took = now.duration_since(began).as_millis();
        event.latency_ms = Some(u64::try_from(took).unwrap_or(0));
        self.engine.record_later(&self.opened.handle, &event);
    }
}

//! What a call is decided on.

use std::sync::Arc;

use caracal_core::{Anchor, Provider};

use crate::chain::{Chain, is_unstored};
use crate::live::LiveGuard;
use crate::path::{AuthorityPath, Broken};
use crate::verify::OpenedMandate;
use crate::view::{Stored, ZoneView};
use crate::{Engine, ResourceEntry};

/// What a call is decided on.
pub(crate) struct CallSubject {
    pub(crate) view: Arc<ZoneView>,
    pub(crate) entry: Arc<ResourceEntry>,
    pub(crate) provider: Option<Arc<Stored<Provider>>>,
    pub(super) guard: LiveGuard,
    /// How its session has its authority.
    pub(crate) path: Result<AuthorityPath, Broken>,
}

impl Engine {
    /// Puts the call into the register, before it is decided: a revocation from now on finds it.
    pub(super) fn enter(
        &self,
        opened: &OpenedMandate,
        view: Arc<ZoneView>,
        entry: Arc<ResourceEntry>,
    ) -> CallSubject {
        let resource = entry.resource();
        let provider = resource
            .provider
            .as_ref()
            .and_then(|name| view.providers.find(name.as_str()))
            .cloned();
        let provided = provider.as_ref().map(|p| &p.value);
        let path = self.path_of_mandate(opened, &view);
        let mut chain = Chain::of(opened.claims()).using(resource, provided);
        if let Ok(path) = &path {
            chain = chain.on(path);
        }
        let guard = opened
            .handle
            .live
            .enter(chain, opened.decided_on, opened.key);
        CallSubject {
            view,
            entry,
            provider,
            guard,
            path,
        }
    }

    /// The path that a mandate was issued by, as it is now.
    pub(crate) fn path_of_mandate(
        &self,
        opened: &OpenedMandate,
        view: &ZoneView,
    ) -> Result<AuthorityPath, Broken> {
        let claims = opened.claims();
        if is_unstored(claims) {
            let id = claims.client_id;
            let application = view
                .applications
                .find_by_id(id.uuid())
                .ok_or(Broken::Dead(Anchor::Application(id)))?;
            return Ok(AuthorityPath::without_session(
                Arc::clone(application),
                claims.sid,
                claims.subject(),
            ));
        }
        let by = claims.dlg.last().copied();
        AuthorityPath::resolve(view, &opened.handle.leases, self.now(), claims.sid, by)
    }
}

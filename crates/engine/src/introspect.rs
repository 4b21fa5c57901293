//! Is this mandate still good? (RFC 7662)

use caracal_core::{MandateClaims, RefusalCode};

use crate::chain::Chain;
use crate::verify::is_for;
use crate::{CallerCredentials, Engine, IssueError};

impl Engine {
    /// The claims of a mandate that is active now, or none. `key` is the thumbprint of the key
    /// that the client proves. A client learns only about
    /// mandates of its own zone.
    ///
    /// # Errors
    /// When the client is unknown, or this node is behind.
    pub async fn introspect(
        &self,
        credentials: &CallerCredentials,
        key: Option<&str>,
        mandate: &str,
    ) -> Result<Option<MandateClaims>, IssueError> {
        let client = self.authenticate_caller(credentials, key).await?;
        let opened = match self.open_mandate(mandate).await {
            Ok(opened) if opened.handle.id == client.handle.id => opened,
            Err(RefusalCode::FeedStale) => {
                return Err(IssueError::Unavailable(
                    "this node is behind; try again".to_owned(),
                ));
            }
            _ => return Ok(None),
        };
        let view = opened.handle.view();
        let claims = opened.claims();
        // What its session cannot use now is not active either, whoever suspended or ended it.
        let Ok(path) = self.path_of_mandate(&opened, &view) else {
            return Ok(None);
        };
        let chain = Chain::of(claims).on(&path);
        if chain.find_dead(&view, opened.decided_on).is_some() {
            return Ok(None);
        }
        // A mandate whose only resources are revoked has nothing left to act on.
        let mut named = 0;
        let mut alive = 0;
        for name in claims
            .aud
            .iter()
            .filter_map(|aud| aud.strip_prefix("resource://"))
        {
            named += 1;
            let resource = view.resources.find(name);
            alive += usize::from(resource.is_some_and(|r| {
                let anchor = caracal_core::Anchor::Resource(r.value.id);
                is_for(claims, &r.value) && !view.ends(anchor, opened.decided_on)
            }));
        }
        Ok((named == 0 || alive > 0).then(|| claims.clone()))
    }
}

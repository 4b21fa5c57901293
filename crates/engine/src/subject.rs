//! Subjects: people for whom work is done, proved by ID tokens of registered issuers.
//!
//! Nothing is stored of a person. A Subject's id is made of a keyed digest of who vouches for
//! them and what they are called there, so it is the same each time and tells nothing.

use caracal_core::{
    Anchor, ApplicationId, ApprovalId, Role, SubjectId, ZoneId, has_hidden_characters,
};
use caracal_crypto::{TokenError, UnverifiedToken};

use crate::view::ZoneView;
use crate::vouched::{OutsideTokenError, ShownFor, Vouched};
use crate::zone_handle::ZoneHandle;
use crate::{Admin, AdminError, Engine, FieldError, IssueError};

/// The longest `sub` (OpenID Connect Core 1.0, section 2), in bytes.
pub const MAX_SUBJECT_BYTES: usize = 255;

/// Why an ID token proves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectTokenError {
    /// It is not believed.
    #[error("the ID token: {0}")]
    Outside(#[from] OutsideTokenError),
    /// Its `sub` is empty.
    #[error("the `sub` of the ID token is empty")]
    Empty,
    /// Its `sub` is longer than [`MAX_SUBJECT_BYTES`].
    #[error("the `sub` of the ID token is longer than 255 bytes")]
    TooLong,
    /// Its `sub` holds characters that nobody sees.
    #[error(
        "the `sub` of the ID token has control characters, or some that change the direction of text"
    )]
    HiddenCharacters,
    /// It does not say when it was made.
    #[error("an ID token needs `iat`")]
    Undated,
    /// It was made to decide about an approval.
    #[error(
        "the ID token was made for an approval, as its `nonce` says, and is good for nothing else"
    )]
    MadeForApproval,
    /// It was not made to decide about this approval.
    #[error(
        "the `nonce` of the ID token is not the id of the approval: sign in with that `nonce` to decide"
    )]
    NotForApproval,
    /// The session works for somebody else, or for nobody.
    #[error("the session does not work for this person: open one with their `subject_token`")]
    OtherSubject,
    /// All that is done for the Subject is revoked.
    #[error("the Subject is revoked")]
    Revoked,
}

impl SubjectTokenError {
    /// The word for it in metrics and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outside(error) => error.as_str(),
            Self::Empty => "subject_empty",
            Self::TooLong => "subject_too_long",
            Self::HiddenCharacters => "subject_characters",
            Self::Undated => "undated",
            Self::MadeForApproval => "made_for_approval",
            Self::NotForApproval => "not_for_approval",
            Self::OtherSubject => "other_subject",
            Self::Revoked => "subject_revoked",
        }
    }
}

impl From<TokenError> for SubjectTokenError {
    fn from(error: TokenError) -> Self {
        Self::Outside(error.into())
    }
}

impl From<SubjectTokenError> for IssueError {
    fn from(error: SubjectTokenError) -> Self {
        match error {
            SubjectTokenError::Outside(OutsideTokenError::KeysUnavailable) => {
                Self::Unavailable(error.to_string())
            }
            SubjectTokenError::Outside(OutsideTokenError::NoRoom) => {
                Self::SlowDown(error.to_string())
            }
            SubjectTokenError::Revoked => Self::denied("revocation", error.to_string()),
            error => Self::InvalidSubject(error),
        }
    }
}

impl Engine {
    /// Who an ID token proves, to an application that works for them.
    pub(crate) async fn prove_subject(
        &self,
        handle: &ZoneHandle,
        application: ApplicationId,
        text: &str,
    ) -> Result<SubjectId, IssueError> {
        let proven = async {
            let vouched = self.vouch_for_person(handle, text).await?;
            let nonce = nonce(&vouched);
            if nonce.is_some_and(|nonce| nonce.parse::<ApprovalId>().is_ok()) {
                return Err(SubjectTokenError::MadeForApproval);
            }
            let subject = subject_of(&vouched)?;
            if vouched.view.is_revoked(Anchor::Subject(subject)) {
                return Err(SubjectTokenError::Revoked);
            }
            self.use_up(&vouched, application)?;
            Ok(subject)
        };
        let proven = proven.await;
        count(&proven);
        Ok(proven?)
    }

    /// Who an ID token proves, to decide about this approval: its `nonce` is the approval's id.
    /// What an agent was given to open a session with proves nothing here.
    pub(crate) async fn prove_approver(
        &self,
        handle: &ZoneHandle,
        approval: ApprovalId,
        text: &str,
    ) -> Result<SubjectId, IssueError> {
        let proven = async {
            let vouched = self.vouch_for_person(handle, text).await?;
            if nonce(&vouched) != Some(approval.to_string().as_str()) {
                return Err(SubjectTokenError::NotForApproval);
            }
            subject_of(&vouched)
        };
        let proven = proven.await;
        count(&proven);
        Ok(proven?)
    }

    async fn vouch_for_person(
        &self,
        handle: &ZoneHandle,
        text: &str,
    ) -> Result<Vouched, SubjectTokenError> {
        let unverified = UnverifiedToken::parse(text)?;
        let vouched = self.vouch(handle, &unverified, ShownFor::Subject).await?;
        if vouched.token.iat().is_none() {
            return Err(SubjectTokenError::Undated);
        }
        Ok(vouched)
    }

    /// The Subject that a person is who is called so by an issuer.
    ///
    /// # Errors
    /// Needs the role admin: the answer tells whose work events are about.
    pub fn find_subject(
        &self,
        zone: ZoneId,
        admin: &Admin,
        issuer: &str,
        sub: &str,
    ) -> Result<SubjectId, AdminError> {
        admin.operator.require(Role::Admin, zone)?;
        let view = self.readable(admin, zone)?;
        let held = crate::issuers::find(&view, issuer)
            .ok_or_else(|| AdminError::not_found("issuer", issuer))?;
        check_subject(sub).map_err(|error| {
            AdminError::Invalid(vec![FieldError::new("sub", error.to_string())])
        })?;
        Ok(subject_id(&view, &held.value.url, sub))
    }
}

fn nonce(vouched: &Vouched) -> Option<&str> {
    vouched.token.claims().get("nonce")?.as_str()
}

fn subject_of(vouched: &Vouched) -> Result<SubjectId, SubjectTokenError> {
    let sub = vouched.token.sub();
    check_subject(sub)?;
    Ok(subject_id(&vouched.view, &vouched.issuer.value.url, sub))
}

fn check_subject(sub: &str) -> Result<(), SubjectTokenError> {
    if sub.is_empty() {
        return Err(SubjectTokenError::Empty);
    }
    if sub.len() > MAX_SUBJECT_BYTES {
        return Err(SubjectTokenError::TooLong);
    }
    if has_hidden_characters(sub) {
        return Err(SubjectTokenError::HiddenCharacters);
    }
    Ok(())
}

/// The id of a Subject: it stays the same, and only who has the zone's key can make it.
fn subject_id(view: &ZoneView, issuer: &str, sub: &str) -> SubjectId {
    let mut input = Vec::with_capacity(8 + issuer.len() + sub.len());
    // The length keeps the two apart.
    input.extend((issuer.len() as u64).to_be_bytes());
    input.extend(issuer.as_bytes());
    input.extend(sub.as_bytes());
    let digest = caracal_crypto::keyed_digest(&view.keys.subject, &input);
    let mut half = [0; 16];
    half.iter_mut()
        .zip(digest)
        .for_each(|(to, from)| *to = from);
    SubjectId::from_uuid(uuid::Builder::from_custom_bytes(half).into_uuid())
}

fn count(proven: &Result<SubjectId, SubjectTokenError>) {
    let result = proven
        .as_ref()
        .map_or_else(|error| error.as_str(), |_| "accepted");
    metrics::counter!("caracal_subject_tokens_total", "result" => result).increment(1);
}

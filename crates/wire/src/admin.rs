//! What the control door speaks: requests, answers and the zone file.
//!
//! Requests refuse fields that they do not know; answers may get more fields at any time.

mod application;
mod apply;
mod event;
mod explain;
mod issuer;
mod key;
mod master_key;
mod page;
mod policy;
mod policy_test;
mod problem;
mod provider;
mod resource;
mod revocation;
mod secret_source;
mod secret_value;
mod sink;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod zone;
mod zone_file;

pub use application::{
    ApplicationBody, ApplicationView, ClientAuthBody, ClientKeysBody, ClientSecretView,
    CreatedApplication, RotateSecretBody, RotatedSecret,
};
pub use apply::{
    AppliedApplication, AppliedChange, AppliedObject, AppliedZone, ApplyAnswer, ApplyRequest,
    ChangedField, RetentionBody,
};
pub use event::{
    EventExplanation, EventProof, EventView, ExplainedPolicy, GateView, LogView, PrunedView,
};
pub use explain::{DecisionExplanation, ExplainBody, ExplainedStatement, NearMissView};
pub use issuer::{IssuerBody, IssuerView, SubjectBody, SubjectView};
pub use key::KeyView;
pub use master_key::{MasterKeyView, OlderMasterKey, PendingZone};
pub use page::Page;
pub use policy::{ActivePolicies, BundleBody, BundleCheck, BundleView, PolicyBody};
pub use policy_test::{
    PolicyTestBody, PolicyTestReport, PolicyTestResult, PolicyTestRun, TestRequestBody,
};
pub use problem::{FieldProblem, Problem};
pub use provider::{ProviderBody, ProviderEntry, ProviderView};
pub use resource::{MandateIn, OperationBody, ResourceBody, ResourceView};
pub use revocation::{
    FreezeBody, RevocationBody, RevocationConfirmation, RevocationReceipt, RevocationView,
};
pub use secret_source::SecretSource;
pub use secret_value::SecretValue;
pub use sink::{DeliveryView, SinkBody, SinkEntry, SinkView};
pub use status::{DoorView, HealthView, IndexView, NodeView, StatusView};
pub use token::{CreatedToken, TokenBody, TokenView};
pub use zone::{ZoneBody, ZoneView};
pub use zone_file::ZoneFile;

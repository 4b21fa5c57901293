//! What the process that runs the engine does for its keys.

use caracal_crypto::MasterKey;
use jiff::SignedDuration;

/// Makes a new master key and stores it where the next start finds it, the one before, and those
/// older ones that are still needed, which it is told by their public names.
pub type NewMasterKey = Box<dyn Fn(&[String]) -> Result<MasterKey, String> + Send + Sync>;

/// How keys are cared for.
#[derive(Default)]
pub struct KeyCare {
    /// How long a zone's key signs until a new one takes its place by itself; none: for ever.
    pub zone_key_life: Option<SignedDuration>,
    /// Where the master key comes from, in a few words for people.
    pub master_key_place: String,
    /// How a running server gets a new master key; none when only a restart brings one.
    pub new_master_key: Option<NewMasterKey>,
}

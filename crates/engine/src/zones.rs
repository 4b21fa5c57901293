//! Zones: creating and finding them.

use caracal_core::{CommitId, EventType, Kind, Name, Secret, Version, Zone, ZoneId};
use caracal_store::Commit;

use crate::admin::refused;
use crate::change::Change;
use crate::view::ZoneKeys;
use crate::{Admin, AdminError, Engine, Operator, Versioned};

/// The name of the partition that belongs to the instance.
const INSTANCE_NAME: &str = "caracal-instance";

/// The most zones of one instance.
const MAX_ZONES: usize = 10_000;

impl Engine {
    /// Creates a zone with its keys and its log.
    ///
    /// # Errors
    /// Needs the role owner in all zones; the name must be free.
    pub async fn create_zone(
        &self,
        admin: &Admin,
        name: Name,
    ) -> Result<Versioned<Zone>, AdminError> {
        admin.operator.require_instance(caracal_core::Role::Owner)?;
        let held = self.0.zone_names.pin().get(&name).copied();
        if let Some(handle) = held.and_then(|zone| self.zone_handle(zone)) {
            // A repeated request gets the answer of the first one.
            return self
                .recall(&handle.view(), admin)?
                .ok_or_else(|| AdminError::NameTaken(name.to_string()));
        }
        // Each is held in memory and has a log of its own, for good.
        if self.0.zones.len() >= MAX_ZONES {
            let why = format!("there are {MAX_ZONES} zones, the most of one instance");
            return Err(AdminError::InUse(why));
        }
        let id = ZoneId::new(self.now(), &self.random());
        let (zone, digest) = self.new_zone(id, name)?;
        if admin.dry_run {
            return Ok(Versioned {
                version: Version(1),
                value: zone,
            });
        }
        self.commit_zone(admin, zone, &digest).await
    }

    /// Creates the partition of the instance, at the very first start.
    pub(crate) async fn create_instance(&self) -> Result<(), AdminError> {
        let admin = Admin::new(Operator::local(), self.new_request_id());
        let name = INSTANCE_NAME
            .parse()
            .map_err(|e| AdminError::invalid("name", e))?;
        let (zone, digest) = self.new_zone(ZoneId::INSTANCE, name)?;
        self.commit_zone(&admin, zone, &digest).await.map(drop)
    }

    async fn commit_zone(
        &self,
        admin: &Admin,
        zone: Zone,
        digest: &Secret,
    ) -> Result<Versioned<Zone>, AdminError> {
        let id = zone.id;
        let answer = Versioned {
            version: Version(1),
            value: zone,
        };
        let zone = &answer.value;
        let mut change = Change::standalone(id);
        change.put(
            Kind::Zone,
            id.uuid(),
            Some(&zone.name),
            Version::ABSENT,
            zone,
        )?;
        self.remember_in(id, digest, admin, &mut change, &answer)?;
        let mut event = self.admin_event(id, admin, EventType::ZoneCreated);
        event.target = Some(id.to_string());
        event.target_name = Some(zone.name.clone());
        let commit = Commit {
            id: CommitId::new(self.now(), &self.random()),
            zone: id,
            reads: Vec::new(),
            writes: change.writes,
            events: vec![event],
        };
        let position = self.commit_or_find(commit).await.map_err(refused)?;
        let handle = self.wait_for_zone(id).await?;
        self.confirm(&handle, position).await?;
        Ok(answer)
    }

    async fn wait_for_zone(
        &self,
        id: ZoneId,
    ) -> Result<std::sync::Arc<crate::zone_handle::ZoneHandle>, AdminError> {
        let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        loop {
            if let Some(handle) = self.zone_handle(id) {
                return Ok(handle);
            }
            if tokio::time::Instant::now() > limit {
                let why = "the new zone is stored but not served yet".to_owned();
                return Err(AdminError::Unavailable { why, done: true });
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn new_zone(&self, id: ZoneId, name: Name) -> Result<(Zone, Secret), AdminError> {
        let failed = |why: String| AdminError::Unavailable { why, done: false };
        let created_at = self.now();
        let key = self.new_mandate_key(id, created_at)?;
        let digest = Secret::new(caracal_crypto::random_bytes::<32>().to_vec());
        let digest_key = self
            .keyring()
            .seal(&digest, &ZoneKeys::context(id, "digest-key"))
            .map_err(|e| failed(e.to_string()))?;
        let zone = Zone {
            id,
            name,
            created_at,
            issuer: format!("{}/zones/{id}", self.0.config.sts_url),
            mandate_keys: vec![key],
            logs: vec![self.new_log_key(id)?],
            digest_key,
            policy: None,
            master_key: (id == ZoneId::INSTANCE).then(|| self.new_master_key_record(true)),
            retention: None,
            self_approval: false,
        };
        Ok((zone, digest))
    }

    /// The zones that an operator may see, ordered by name.
    ///
    /// # Errors
    /// Needs the role viewer.
    pub fn list_zones(&self, admin: &Admin) -> Result<Vec<Versioned<Zone>>, AdminError> {
        let mut zones: Vec<_> = self
            .0
            .zones
            .pin()
            .values()
            .filter(|handle| handle.id != ZoneId::INSTANCE)
            .filter(|handle| admin.operator.scope().reaches(handle.id))
            .map(|handle| Versioned::of(&handle.view().zone))
            .collect();
        zones.sort_by(|a, b| a.value.name.cmp(&b.value.name));
        Ok(zones)
    }

    /// One zone.
    ///
    /// # Errors
    /// When there is none that the operator may see.
    pub fn get_zone(&self, admin: &Admin, zone: ZoneId) -> Result<Versioned<Zone>, AdminError> {
        let view = self.readable(admin, zone)?;
        Ok(Versioned::of(&view.zone))
    }

    /// The id of a zone by its id or name, as far as the operator may see it.
    ///
    /// # Errors
    /// When there is none.
    pub fn resolve_zone(&self, admin: &Admin, text: &str) -> Result<ZoneId, AdminError> {
        let found = text
            .parse::<ZoneId>()
            .ok()
            .filter(|id| self.zone_handle(*id).is_some());
        let found = found.or_else(|| self.0.zone_names.pin().get(text).copied());
        found
            .filter(|id| admin.operator.scope().reaches(*id))
            .ok_or_else(|| AdminError::not_found("zone", text))
    }

    /// The view of a zone for an operator who may read its configuration.
    pub(crate) fn readable(
        &self,
        admin: &Admin,
        zone: ZoneId,
    ) -> Result<std::sync::Arc<crate::view::ZoneView>, AdminError> {
        admin.operator.require(caracal_core::Role::Viewer, zone)?;
        let handle = self
            .zone_handle(zone)
            .ok_or_else(|| AdminError::not_found("zone", zone))?;
        Ok(handle.view())
    }
}

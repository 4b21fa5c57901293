//! A random history, told to the engine and to the model.

use caracal_core::{
    Anchor as Stored, Authority, DelegationId, MandateId, Receiver, Revision, SessionId,
    SessionStatus, SubjectId,
};
use caracal_engine::{CreateDelegation, IssueRequest, OpenSession, Outcome};
use caracal_store::{StateStore, Write};
use caracal_testkit::{OutsideIssuer, SeededZone, TestEngine};

use super::random::Random;
use super::reference::{
    Anchor, Delegation, ITEMS, Mandate, Mask, NOTES, POLICY, RESOURCES, Reference, Revocation,
    Session,
};

const APPS: [&str; 2] = ["anton", "berta"];
const PEOPLE: [&str; 2] = ["alice", "bob"];
const NAMES: [&str; 2] = ["items", "notes"];
/// How many of the newest sessions, delegations and mandates steps choose among.
const RECENT: usize = 40;

pub(crate) struct History {
    test: Option<TestEngine>,
    zone: SeededZone,
    model: Reference,
    random: Random,
    sessions: Vec<SessionId>,
    delegations: Vec<DelegationId>,
    mandates: Vec<MandateId>,
    /// Who says who the Subjects are.
    issuer: OutsideIssuer,
    subjects: [SubjectId; 2],
    seed: u64,
    /// What was done, for whoever reads a failure.
    told: Vec<String>,
    /// How often each kind of step was allowed and refused.
    counts: Counts,
}

/// How often each kind of step was allowed, and how often it was refused.
pub(crate) type Counts = std::collections::BTreeMap<&'static str, [u64; 2]>;

fn scopes(mask: Mask, of: [Mask; 2]) -> Vec<&'static str> {
    let names = [(of[0], "read"), (of[1], "write")];
    let held = names.into_iter().filter(|(bit, _)| mask & bit != 0);
    held.map(|(_, name)| name).collect()
}

fn authority(mask: Mask) -> Authority {
    let grants: Vec<_> = [("items", ITEMS), ("notes", NOTES)]
        .into_iter()
        .map(|(name, bits)| (name, scopes(mask, bits)))
        .filter(|(_, scopes)| !scopes.is_empty())
        .map(|(name, scopes)| {
            serde_json::json!({"resource": format!("resource://{name}"), "scopes": scopes})
        })
        .collect();
    serde_json::from_value(grants.into()).unwrap()
}

fn mask_of(resource: usize, scope: &str) -> Mask {
    let bits = [ITEMS, NOTES][resource];
    let has = |name: &str| scope.split(' ').any(|word| word == name);
    [(bits[0], "read"), (bits[1], "write")]
        .into_iter()
        .filter(|(_, name)| has(name))
        .fold(0, |mask, (bit, _)| mask | bit)
}

impl History {
    pub(crate) async fn run(seed: u64, steps: u64) -> Counts {
        let test = TestEngine::in_memory().await;
        let mut spec = SeededZone::spec(POLICY);
        for application in &mut spec.applications {
            application.labels = ["restricted".parse().unwrap()].into();
        }
        let issuer = OutsideIssuer::new("https://people.example");
        spec.issuers.push(issuer.people("people"));
        let zone = test.seed("model", spec).await;
        let (engine, admin) = (&test.engine, test.admin());
        let find = |sub| engine.find_subject(zone.id, &admin, "people", sub);
        let subjects = PEOPLE.map(|sub| find(sub).unwrap());
        let mut history = Self {
            test: Some(test),
            zone,
            model: Reference::default(),
            random: Random::new(seed),
            sessions: Vec::new(),
            delegations: Vec::new(),
            mandates: Vec::new(),
            issuer,
            subjects,
            seed,
            told: Vec::new(),
            counts: Counts::new(),
        };
        for _ in 0..steps {
            history.step().await;
        }
        history.check_log().await;
        std::mem::take(&mut history.counts)
    }

    async fn step(&mut self) {
        match self.random.below(100) {
            0..8 => self.open().await,
            8..18 => self.delegate().await,
            18..24 => self.accept().await,
            24..26 => self.close().await,
            26..40 => self.mint().await,
            40..48 => self.exchange().await,
            48..83 => self.call().await,
            83..86 => self.revoke().await,
            86..89 => self.lift().await,
            89..92 => self.suspend_or_resume().await,
            92..94 => self.take_over().await,
            94..98 => self.wait().await,
            98 => self.end_delegation().await,
            _ => self.restart().await,
        }
    }

    fn test(&self) -> &TestEngine {
        self.test.as_ref().unwrap()
    }

    fn recent(&mut self, count: usize) -> Option<usize> {
        let from = count.saturating_sub(RECENT);
        (count > 0).then(|| from + self.random.below(count - from))
    }

    /// A session, mostly one that is alive.
    fn session(&mut self) -> Option<usize> {
        let count = self.sessions.len();
        let alive = (0..count).rev().take(RECENT);
        let alive: Vec<usize> = alive.filter(|id| self.model.is_alive(*id)).collect();
        if self.random.one_in(5) {
            return self.recent(count);
        }
        self.random
            .pick(&alive)
            .copied()
            .or_else(|| self.recent(count))
    }

    /// A mandate, mostly one that can be used.
    fn mandate(&mut self) -> Option<usize> {
        let count = self.mandates.len();
        let usable = (0..count).rev().take(RECENT);
        let usable: Vec<usize> = usable.filter(|id| self.model.usable(*id) != 0).collect();
        if self.random.one_in(2) {
            return self.recent(count);
        }
        self.random
            .pick(&usable)
            .copied()
            .or_else(|| self.recent(count))
    }

    fn tell(&mut self, what: String) {
        self.told
            .push(format!("{} at {}: {what}", self.told.len(), self.model.now));
    }

    /// Counts a step, which the engine and the model must agree on.
    fn agree(
        &mut self,
        kind: &'static str,
        allowed: bool,
        expected: bool,
        why: &dyn std::fmt::Debug,
    ) {
        assert_eq!(allowed, expected, "{kind}: {why:?}");
        self.counts.entry(kind).or_default()[usize::from(!allowed)] += 1;
    }

    fn some_mask(&mut self) -> Mask {
        let few = [0b0001, 0b0011, 0b0100, 0b0101];
        match self.random.below(8) {
            n @ 0..4 => few[n],
            _ => Mask::try_from(1 + self.random.below(15)).unwrap(),
        }
    }

    async fn open(&mut self) {
        let parent = if self.random.one_in(3) {
            None
        } else {
            self.session()
        };
        let app = parent.map_or(self.random.below(2), |id| self.model.sessions[id].app);
        let narrowing = self.random.one_in(3).then(|| self.some_mask());
        let restricted = self.random.one_in(6);
        let subject = (parent.is_none() && self.random.one_in(3)).then(|| self.random.below(2));
        let ttl = [100, 1000, 10_000][self.random.below(3)];
        self.tell(format!(
            "open {app} below {parent:?} narrowed to {narrowing:?}"
        ));
        let model = &self.model;
        let of_parent = parent.map(|id| model.path(id, None));
        let effective = match &of_parent {
            Some(Some(path)) => path.mask,
            Some(None) => 0,
            None => Reference::of_root(app, restricted),
        };
        let depth = parent.map_or(0, |id| model.sessions[id].depth + 1);
        let expected = !matches!(of_parent, Some(None))
            && depth <= 16
            && narrowing.is_none_or(|mask| mask & !effective == 0)
            && !model.is_revoked(Anchor::Zone)
            && !model.is_revoked(Anchor::App(app))
            && !subject.is_some_and(|n| model.is_revoked(Anchor::Subject(n)));
        let wanted = OpenSession {
            labels: restricted
                .then(|| "restricted".parse().unwrap())
                .into_iter()
                .collect(),
            ttl_seconds: Some(ttl),
            parent_id: parent.map(|id| self.sessions[id]),
            authority: narrowing.map(authority),
            subject_token: subject.map(|n| self.issuer.token(PEOPLE[n], self.test().engine.now())),
            request_id: "req_open".to_owned(),
            ..OpenSession::default()
        };
        let caller = self.zone.credentials(APPS[app]);
        let opened = self.test().engine.open_session(&caller, None, wanted).await;
        self.agree("open", opened.is_ok(), expected, &opened.as_ref().err());
        let Ok(opened) = opened else { return };
        let above = parent.map(|id| &self.model.sessions[id]);
        let end = of_parent.flatten().map_or(i64::MAX, |path| path.expires);
        let session = Session {
            app,
            parent,
            depth,
            narrowing,
            restricted: restricted || above.is_some_and(|s| s.restricted),
            subject: above.map_or(subject, |s| s.subject),
            expires: end.min(self.model.now + i64::from(ttl)),
            decided: self.model.revision,
            generation: 1,
            fenced: None,
            suspended: false,
            closed: false,
        };
        self.model.revision += 1;
        self.sessions.push(opened.session.id);
        self.model.sessions.push(session);
    }

    async fn delegate(&mut self) {
        let Some(from) = self.session() else { return };
        let mask = self.some_mask();
        let to_app = self.random.below(2);
        let to = if self.random.one_in(4) {
            None
        } else {
            self.session()
        };
        // Whether a receiver that has ended is still known depends on the sweeper.
        if to.is_some_and(|id| !self.model.is_alive(id)) {
            return;
        }
        let app = self.model.sessions[from].app;
        let to_app = to.map_or(to_app, |id| self.model.sessions[id].app);
        let max_depth = self.random.below(4);
        let ttl = [100, 2000][self.random.below(2)];
        self.tell(format!(
            "delegate {mask:04b} from {from} to {to:?} of {to_app}"
        ));
        let model = &self.model;
        let suffices = |path: &super::reference::Path| mask & !path.mask == 0;
        let own = model.path(from, None);
        let path = match own {
            None => None,
            Some(own) if suffices(&own) => Some(own),
            Some(_) => {
                let by = model.borrowed(from).into_iter();
                let mut fitting: Vec<_> = by
                    .filter_map(|by| model.path(from, Some(by)).filter(suffices))
                    .collect();
                if fitting.len() == 1 {
                    fitting.pop()
                } else {
                    None
                }
            }
        };
        let path = path.filter(|path| {
            let deeper = match path.delegations.last() {
                Some(last) => {
                    let left = model.delegations[*last].max_depth;
                    path.delegations.len() < 8 && left > 0 && max_depth < left
                }
                None => true,
            };
            deeper
                && to != Some(from)
                && !to.is_some_and(|to| path.links.contains(&to))
                && model.may_lend(path, mask, to_app)
                && !model.is_revoked(Anchor::App(app))
                && !model.is_revoked(Anchor::Zone)
                && to.is_none_or(|to| model.borrowed(to).len() < 60)
        });
        let wanted = CreateDelegation {
            from: self.sessions[from],
            via: None,
            to: match to {
                Some(id) => Receiver::Session(self.sessions[id]),
                None => Receiver::Application(self.zone.id_of(APPS[to_app])),
            },
            authority: authority(mask),
            ttl_seconds: Some(ttl),
            max_depth: Some(u32::try_from(max_depth).unwrap()),
            calls: None,
            idempotency: None,
            request_id: "req_lend".to_owned(),
        };
        let caller = self.zone.credentials(APPS[app]);
        let engine = &self.test().engine;
        let made = engine.create_delegation(&caller, None, wanted).await;
        self.agree(
            "delegate",
            made.is_ok(),
            path.is_some(),
            &made.as_ref().err(),
        );
        let (Ok(made), Some(path)) = (made, path) else {
            return;
        };
        let active = to.filter(|_| to_app == app);
        assert_eq!(made.receiver, active.map(|id| self.sessions[id]));
        self.model.delegations.push(Delegation {
            from,
            via: path.delegations.last().copied(),
            to_session: to,
            to_app,
            receiver: active,
            mask,
            expires: path.expires.min(self.model.now + i64::from(ttl)),
            decided: self.model.revision,
            max_depth,
        });
        self.model.revision += 1;
        self.delegations.push(made.id);
    }

    async fn accept(&mut self) {
        let offered = |d: &Delegation| d.receiver.is_none();
        let all = (0..self.delegations.len()).rev();
        let open = all.filter(|id| offered(&self.model.delegations[*id]));
        let open: Vec<usize> = open.take(8).collect();
        let Some(id) = self.random.pick(&open).copied() else {
            return;
        };
        let named = self.model.delegations[id].to_session;
        let by = match named {
            Some(session) if !self.random.one_in(6) => session,
            _ => match self.session() {
                Some(session) => session,
                None => return,
            },
        };
        self.tell(format!("accept {id} by {by}"));
        let model = &self.model;
        let held = &model.delegations[id];
        let app = model.sessions[by].app;
        let lent = model.path(held.from, held.via);
        let expected = held.to_app == app
            && held.to_session.is_none_or(|session| session == by)
            && model.now < held.expires
            && !model.ends(Anchor::Delegation(id), held.decided)
            && model.path(by, None).is_some()
            && lent.is_some_and(|path| {
                !path.links.contains(&by) && model.may_lend(&path, held.mask, app)
            })
            && model.borrowed(by).len() < 60
            && !model.is_revoked(Anchor::App(app))
            && !model.is_revoked(Anchor::Zone);
        let caller = self.zone.credentials(APPS[app]);
        let (delegation, session) = (self.delegations[id], self.sessions[by]);
        let engine = &self.test().engine;
        let accepted = engine
            .accept_delegation(&caller, None, delegation, session, "req_accept")
            .await;
        self.agree("accept", accepted.is_ok(), expected, &accepted.err());
        if expected {
            self.model.revision += 1;
            self.model.delegations[id].receiver = Some(by);
        }
    }

    async fn mint(&mut self) {
        let session = if self.random.one_in(5) {
            None
        } else {
            self.session()
        };
        let app = session.map_or(self.random.below(2), |id| self.model.sessions[id].app);
        let borrowed = session
            .map(|id| self.model.borrowed(id))
            .unwrap_or_default();
        let named = if self.random.one_in(2) {
            self.random.pick(&borrowed).copied()
        } else {
            None
        };
        let resource = self.random.below(2);
        let wanted: Option<Mask> = self
            .random
            .one_in(2)
            .then(|| [0b01, 0b10, 0b11][self.random.below(3)] << (2 * resource));
        self.tell(format!(
            "mint {wanted:?} of {resource} for {session:?} by {named:?}"
        ));
        let model = &self.model;
        let grant = |mask: Mask| {
            let granted = mask & RESOURCES[resource] & wanted.unwrap_or(0b1111);
            let all = wanted.is_none_or(|wanted| granted == wanted);
            (granted != 0 && all).then_some(granted)
        };
        let by_path = |by| {
            let path = model.path(session?, by)?;
            (path.expires > model.now).then_some(())?;
            Some((grant(path.mask)?, path.expires, by))
        };
        let open = !model.is_revoked(Anchor::Zone)
            && !model.is_revoked(Anchor::App(app))
            && !model.is_revoked(Anchor::Resource(resource));
        let found = match (session, named) {
            _ if !open => None,
            (None, _) => grant(Reference::of_app(app)).map(|mask| (mask, i64::MAX, None)),
            (Some(_), Some(by)) => by_path(Some(by)),
            (Some(id), None) => match model.path(id, None) {
                None => None,
                Some(_) => by_path(None).or_else(|| {
                    let fitting = borrowed.iter().filter_map(|by| by_path(Some(*by)));
                    let fitting: Vec<_> = fitting.collect();
                    if fitting.len() == 1 {
                        fitting.first().copied()
                    } else {
                        None
                    }
                }),
            },
        };
        let request = IssueRequest {
            session_id: session.map(|id| self.sessions[id]),
            delegation_id: named.map(|id| self.delegations[id]),
            resources: vec![format!("resource://{}", NAMES[resource])],
            scope: wanted.map(|mask| scopes(mask, [ITEMS, NOTES][resource]).join(" ")),
            ..IssueRequest::new(self.zone.credentials(APPS[app]), "req_mint")
        };
        let issued = self.test().engine.issue(request).await;
        self.agree(
            "mint",
            issued.is_ok(),
            found.is_some(),
            &issued.as_ref().err(),
        );
        let (Ok(issued), Some((mask, end, by))) = (issued, found) else {
            return;
        };
        assert_eq!(mask_of(resource, &issued.scope.to_string()), mask);
        self.add(
            issued,
            Mandate {
                text: String::new(),
                app,
                session,
                by,
                resource,
                mask,
                expires: end.min(self.model.now + 300),
                decided: self.model.revision,
                sources: Vec::new(),
            },
        );
    }

    fn add(&mut self, issued: caracal_engine::IssuedMandate, mandate: Mandate) {
        let left = u32::try_from(mandate.expires - self.model.now).unwrap();
        assert_eq!(issued.expires_in, left);
        self.mandates.push(issued.id);
        self.model.mandates.push(Mandate {
            text: issued.text,
            ..mandate
        });
    }

    async fn exchange(&mut self) {
        let Some(source) = self.mandate() else {
            return;
        };
        let held = self.model.mandates[source].clone();
        let thief = self.random.one_in(6);
        let bits = [ITEMS, NOTES][held.resource];
        let wanted = self.random.one_in(2).then(|| bits[self.random.below(2)]);
        self.tell(format!("exchange {source} for {wanted:?}"));
        let model = &self.model;
        let path = held.session.map(|session| model.path(session, held.by));
        let (mask, end) = match &path {
            Some(Some(path)) => (path.mask, path.expires),
            Some(None) => (0, 0),
            None => (Reference::of_app(held.app), i64::MAX),
        };
        let granted = mask & held.mask & wanted.unwrap_or(0b1111);
        let end = end.min(held.expires).min(model.now + 300);
        let expected = model.mandate_stands(source)
            && !thief
            && granted != 0
            && wanted.is_none_or(|wanted| granted == wanted)
            && !held
                .by
                .is_some_and(|id| model.ends(Anchor::Delegation(id), held.decided))
            && !model.is_revoked(Anchor::Resource(held.resource))
            && !model.is_revoked(Anchor::App(held.app));
        let app = if thief { 1 - held.app } else { held.app };
        let request = IssueRequest {
            subject_token: Some(held.text.clone()),
            scope: wanted.map(|mask| scopes(mask, bits).join(" ")),
            ..IssueRequest::new(self.zone.credentials(APPS[app]), "req_exchange")
        };
        let issued = self.test().engine.issue(request).await;
        self.agree("exchange", issued.is_ok(), expected, &issued.as_ref().err());
        let Ok(issued) = issued else { return };
        assert_eq!(mask_of(held.resource, &issued.scope.to_string()), granted);
        let mut sources = vec![source];
        sources.extend(&held.sources);
        self.add(
            issued,
            Mandate {
                mask: granted,
                expires: end,
                decided: self.model.revision,
                sources,
                ..held
            },
        );
    }

    async fn call(&mut self) {
        let Some(id) = self.mandate() else {
            return;
        };
        let held = &self.model.mandates[id];
        let resource = held.resource;
        let write = self.random.one_in(2);
        let bit = [ITEMS, NOTES][resource][usize::from(write)];
        let expected = self.model.usable(id) & bit != 0;
        let text = self.model.mandates[id].text.clone();
        let method = if write { "POST" } else { "GET" };
        self.tell(format!("call {method} with {id}"));
        let engine = &self.test().engine;
        let called = self
            .zone
            .call(engine, &text, NAMES[resource], method, "/v1/x")
            .await;
        let refused = called.as_ref().err().map(|refusal| refusal.code);
        self.agree("call", called.is_ok(), expected, &refused);
        if let Ok(permit) = called {
            permit.finish(Outcome {
                status: Some(200),
                reason: None,
            });
        }
    }

    fn anchor(&mut self) -> Option<Anchor> {
        Some(match self.random.below(100) {
            0 => Anchor::Zone,
            1..3 => Anchor::App(self.random.below(2)),
            3..15 => Anchor::Resource(self.random.below(2)),
            15..25 => Anchor::Subject(self.random.below(2)),
            25..50 => Anchor::Session(self.session()?),
            50..75 => Anchor::Delegation(self.recent(self.delegations.len())?),
            _ => Anchor::Mandate(self.recent(self.mandates.len())?),
        })
    }

    fn stored(&self, anchor: Anchor) -> Stored {
        match anchor {
            Anchor::Zone => Stored::Zone(self.zone.id),
            Anchor::App(n) => Stored::Application(self.zone.id_of(APPS[n])),
            Anchor::Resource(n) => Stored::Resource(self.zone.id_of(NAMES[n])),
            Anchor::Subject(n) => Stored::Subject(self.subjects[n]),
            Anchor::Session(n) => Stored::Session(self.sessions[n]),
            Anchor::Delegation(n) => Stored::Delegation(self.delegations[n]),
            Anchor::Mandate(n) => Stored::Mandate(self.mandates[n]),
        }
    }

    async fn revoke(&mut self) {
        let Some(anchor) = self.anchor() else { return };
        self.tell(format!("revoke {anchor:?}"));
        let stored = self.stored(anchor);
        let test = self.test();
        let revoked = test
            .engine
            .revoke(self.zone.id, &test.admin(), stored, None)
            .await;
        match revoked {
            // A delegation that has ended may be gone already.
            Err(_) => assert!(matches!(anchor, Anchor::Delegation(_))),
            Ok(_) if self.model.is_revoked(anchor) => {}
            Ok(_) => {
                self.model.revision += 1;
                let lifted = None;
                self.model.revocations.push(Revocation { anchor, lifted });
            }
        }
    }

    async fn lift(&mut self) {
        let active = |r: &Revocation| r.lifted.is_none() && !r.anchor.is_final();
        let anchors: Vec<Anchor> = self
            .model
            .revocations
            .iter()
            .filter(|r| active(r))
            .map(|r| r.anchor)
            .collect();
        // All of them, so that the history goes on.
        for anchor in anchors {
            self.tell(format!("lift {anchor:?}"));
            let stored = self.stored(anchor);
            let test = self.test();
            let admin = test.admin();
            let all = test.engine.list_revocations(self.zone.id, &admin).unwrap();
            let held = all
                .iter()
                .find(|r| r.value.anchor == stored && r.value.lifted_at.is_none())
                .unwrap();
            test.engine
                .lift(self.zone.id, &admin, held.value.id)
                .await
                .unwrap();
            let revision = self.model.revision;
            for own in &mut self.model.revocations {
                if own.anchor == anchor && own.lifted.is_none() {
                    own.lifted = Some(revision);
                }
            }
            self.model.revision += 1;
        }
    }

    async fn close(&mut self) {
        let Some(id) = self.session() else { return };
        self.tell(format!("close {id}"));
        let caller = self.zone.credentials(APPS[self.model.sessions[id].app]);
        let session = self.sessions[id];
        let engine = &self.test().engine;
        let closed = engine
            .close_session(&caller, None, session, "req_close")
            .await;
        // One that has ended may be gone already.
        assert!(closed.is_ok() || !self.model.is_alive(id), "{closed:?}");
        if closed.is_ok() {
            self.model.revision += 1;
        }
        self.model.sessions[id].closed = true;
    }

    async fn suspend_or_resume(&mut self) {
        let Some(id) = self.session() else { return };
        let suspend = self.random.one_in(2);
        let status = if suspend {
            SessionStatus::Suspended
        } else {
            SessionStatus::Active
        };
        self.tell(format!("set {id} to {status:?}"));
        let caller = self.zone.credentials(APPS[self.model.sessions[id].app]);
        let session = self.sessions[id];
        let engine = &self.test().engine;
        let set = engine
            .set_session_status(&caller, None, session, status, "req_set")
            .await;
        let alive = self.model.is_alive(id);
        self.agree("suspend or resume", set.is_ok(), alive, &set.as_ref().err());
        if set.is_ok() && self.model.sessions[id].suspended != suspend {
            self.model.revision += 1;
            self.model.sessions[id].suspended = suspend;
        }
    }

    async fn take_over(&mut self) {
        let Some(id) = self.session() else { return };
        self.tell(format!("take {id} over"));
        let next = self.model.sessions[id].generation + 1;
        let caller = self.zone.credentials(APPS[self.model.sessions[id].app]);
        let session = self.sessions[id];
        let engine = &self.test().engine;
        let taken = engine
            .beat_session(&caller, None, session, next, "req_beat")
            .await;
        let alive = self.model.is_alive(id);
        self.agree("take over", taken.is_ok(), alive, &taken.as_ref().err());
        if taken.is_ok() {
            let held = &mut self.model.sessions[id];
            held.generation = next;
            held.fenced = Some(self.model.revision);
            self.model.revision += 1;
        }
    }

    async fn end_delegation(&mut self) {
        let Some(id) = self.recent(self.delegations.len()) else {
            return;
        };
        self.tell(format!("end {id}"));
        let from = self.model.delegations[id].from;
        let caller = self.zone.credentials(APPS[self.model.sessions[from].app]);
        let engine = &self.test().engine;
        let ended = engine
            .end_delegation(&caller, None, self.delegations[id], "req_end")
            .await;
        let anchor = Anchor::Delegation(id);
        // One that cannot be used any more may be gone already.
        let held = &self.model.delegations[id];
        let usable = match held.receiver {
            Some(receiver) => self.model.path(receiver, Some(id)),
            None => self.model.path(held.from, held.via).filter(|_| {
                self.model.now < held.expires && !self.model.ends(anchor, held.decided)
            }),
        };
        assert!(ended.is_ok() || usable.is_none(), "{:?}", ended.err());
        if ended.is_ok() && !self.model.is_revoked(anchor) {
            self.model.revision += 1;
            self.model.revocations.push(Revocation {
                anchor,
                lifted: None,
            });
        }
    }

    async fn wait(&mut self) {
        let seconds = [1, 2, 10, 60][self.random.below(4)];
        self.tell(format!("wait {seconds} s"));
        self.model.now += i64::from(seconds);
        self.test().clock.advance_seconds(seconds);
        let thorough = self.random.one_in(2);
        self.test()
            .engine
            .sweep_sessions(self.zone.id, thorough)
            .await;
    }

    async fn restart(&mut self) {
        let crash = self.random.one_in(2);
        self.tell(format!("restart, crash: {crash}"));
        let test = self.test.take().unwrap();
        self.test = Some(if crash {
            test.crash().await
        } else {
            test.restart().await
        });
    }

    /// What is stored is what its commits say, one after the other.
    async fn check_log(&self) {
        let store = self.test().store();
        let stored = StateStore::load(store, self.zone.id).await.unwrap();
        let commits = store
            .list_commits(self.zone.id, Revision(0), 1_000_000)
            .await
            .unwrap();
        let mut replayed = std::collections::BTreeMap::new();
        for commit in commits {
            for write in commit.writes {
                match write {
                    Write::Put(document) => {
                        replayed.insert((document.kind, document.id), document);
                    }
                    Write::Delete { kind, id, .. } => {
                        replayed.remove(&(kind, id));
                    }
                }
            }
        }
        let documents = stored.documents.into_iter();
        let stored: std::collections::BTreeMap<_, _> =
            documents.map(|d| ((d.kind, d.id), d)).collect();
        assert!(replayed == stored, "the state is not what its log says");
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.told.len().saturating_sub(40);
            let told = self.told[from..].join("\n");
            println!("seed {}, after\n{told}", self.seed);
        }
    }
}

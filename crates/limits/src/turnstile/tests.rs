use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn claimant(zone: u128, application: u128) -> Claimant {
    Claimant {
        zone,
        application: zone * 100 + application,
    }
}

/// Bounds that only the places set.
fn wide(places: u32) -> TurnstileLimits {
    TurnstileLimits {
        places,
        per_application: places,
        per_zone: places,
        waiting: 1000,
        waiting_per_application: 1000,
        patience: Duration::from_secs(2),
    }
}

type Entering<'a> = Pin<Box<dyn Future<Output = Result<Place, TurnedAway>> + 'a>>;

fn poll(entering: &mut Entering<'_>) -> Option<Result<Place, TurnedAway>> {
    match entering
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(entered) => Some(entered),
        Poll::Pending => None,
    }
}

/// Begins to enter; must have to wait.
fn queue(turnstile: &Turnstile, claimant: Claimant) -> Entering<'_> {
    let mut entering: Entering<'_> = Box::pin(turnstile.enter(claimant));
    assert!(poll(&mut entering).is_none(), "{claimant:?} need not wait");
    entering
}

#[tokio::test]
async fn places_go_round_by_zone_and_application() {
    let turnstile = Turnstile::new("test", wide(1));
    let mut held = Some(turnstile.enter(claimant(9, 9)).await.unwrap());
    let asked = [
        (1, 1),
        (1, 1),
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 2),
        (2, 1),
        (3, 1),
    ];
    let mut waiting: Vec<_> = asked
        .iter()
        .map(|&(zone, application)| {
            let claimant = claimant(zone, application);
            (claimant, queue(&turnstile, claimant))
        })
        .collect();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(held.take());
        assert_eq!(turnstile.taken(), 1);
        let called = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(n, (_, entering))| {
                let entered = poll(entering)?;
                Some((n, entered.unwrap()))
            });
        let (n, place) = called.expect("somebody is next");
        held = Some(place);
        let (claimant, _) = waiting.remove(n);
        order.push((claimant.zone, claimant.application % 100));
    }
    let wanted = [
        (1, 1),
        (2, 1),
        (3, 1),
        (1, 2),
        (2, 1),
        (1, 1),
        (1, 2),
        (1, 1),
    ];
    assert_eq!(order, wanted);
}

#[tokio::test]
async fn an_application_at_its_share_lets_others_pass() {
    let limits = TurnstileLimits {
        per_application: 2,
        per_zone: 3,
        ..wide(4)
    };
    let turnstile = Turnstile::new("test", limits);
    let flood = claimant(1, 1);
    let first = turnstile.enter(flood).await.unwrap();
    let _second = turnstile.enter(flood).await.unwrap();
    let mut third = queue(&turnstile, flood);
    // Places are free, and nobody else has to wait for the one that floods.
    let neighbour = turnstile.enter(claimant(1, 2)).await.unwrap();
    let mut of_full_zone = queue(&turnstile, claimant(1, 3));
    let _other = turnstile.enter(claimant(2, 1)).await.unwrap();
    drop(neighbour);
    assert!(poll(&mut third).is_none(), "still at its share");
    let _neighbour = poll(&mut of_full_zone).unwrap().unwrap();
    drop(first);
    let _third = poll(&mut third).unwrap().unwrap();
    assert_eq!((turnstile.taken(), turnstile.waiting()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn patience_ends_and_names_whose_doing_it_is() {
    let limits = TurnstileLimits {
        per_application: 1,
        ..wide(2)
    };
    let turnstile = Turnstile::new("test", limits);
    let _one = turnstile.enter(claimant(1, 1)).await.unwrap();
    let own = turnstile.enter(claimant(1, 1)).await.unwrap_err();
    assert_eq!(own, TurnedAway::OwnShare);
    let _two = turnstile.enter(claimant(1, 2)).await.unwrap();
    let busy = turnstile.enter(claimant(2, 3)).await.unwrap_err();
    assert_eq!(busy, TurnedAway::Overloaded);
    assert_eq!((turnstile.taken(), turnstile.waiting()), (2, 0));
}

#[tokio::test]
async fn a_full_queue_makes_room_for_those_with_less() {
    let limits = TurnstileLimits {
        waiting: 4,
        waiting_per_application: 3,
        ..wide(1)
    };
    let turnstile = Turnstile::new("test", limits);
    let held = turnstile.enter(claimant(1, 1)).await.unwrap();
    let mut flood: Vec<_> = (0..3).map(|_| queue(&turnstile, claimant(1, 1))).collect();
    let own = turnstile.enter(claimant(1, 1)).await.unwrap_err();
    assert_eq!(own, TurnedAway::OwnShare);
    let mut second = queue(&turnstile, claimant(1, 2));
    // Full. The longest queue gives way to a shorter one, as long as it stays the longest.
    let mut third = queue(&turnstile, claimant(2, 1));
    let dropped = poll(&mut flood[2]).unwrap().unwrap_err();
    assert_eq!(dropped, TurnedAway::OwnShare);
    let mut fourth = queue(&turnstile, claimant(2, 2));
    assert!(poll(&mut flood[1]).unwrap().is_err());
    let none_left = turnstile.enter(claimant(3, 1)).await.unwrap_err();
    assert_eq!(none_left, TurnedAway::Overloaded);
    assert_eq!(turnstile.waiting(), 4);
    drop(held);
    let place = poll(&mut flood[0]).unwrap().unwrap();
    drop(place);
    for entering in [&mut third, &mut second, &mut fourth] {
        drop(poll(entering).unwrap().unwrap());
    }
    assert_eq!((turnstile.taken(), turnstile.waiting()), (0, 0));
}

#[tokio::test]
async fn one_who_leaves_when_called_passes_the_place_on() {
    let turnstile = Turnstile::new("test", wide(1));
    let held = turnstile.enter(claimant(1, 1)).await.unwrap();
    let called = queue(&turnstile, claimant(1, 2));
    let mut next = queue(&turnstile, claimant(1, 3));
    drop(held);
    assert!(poll(&mut next).is_none());
    drop(called);
    assert!(poll(&mut next).unwrap().is_ok());
    drop(next);
    assert_eq!((turnstile.taken(), turnstile.waiting()), (0, 0));
}

#[test]
fn without_a_queue_who_finds_none_is_told_at_once() {
    let turnstile = Turnstile::new("test", TurnstileLimits::of(4).without_queue());
    let held: Vec<_> = (0..2)
        .map(|_| turnstile.try_enter(claimant(1, 1)).unwrap())
        .collect();
    let own = turnstile.try_enter(claimant(1, 1)).unwrap_err();
    assert_eq!(own, TurnedAway::OwnShare);
    let _third = turnstile.try_enter(claimant(1, 2)).unwrap();
    assert!(turnstile.try_enter(claimant(1, 3)).is_err(), "zone");
    let _fourth = turnstile.try_enter(claimant(2, 1)).unwrap();
    let full = turnstile.try_enter(claimant(3, 1)).unwrap_err();
    assert_eq!(full, TurnedAway::Overloaded);
    drop(held);
    assert!(turnstile.try_enter(claimant(3, 1)).is_ok());
}

/// Many threads on few places: never more than there are, and in the end all are free.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_never_hold_more_places_than_there_are() {
    let limits = TurnstileLimits {
        per_application: 2,
        per_zone: 3,
        patience: Duration::from_secs(60),
        ..wide(4)
    };
    let turnstile = Turnstile::new("test", limits);
    let inside = Arc::new(AtomicUsize::new(0));
    let tasks = (0..64_u128).map(|n| {
        let (turnstile, inside) = (turnstile.clone(), Arc::clone(&inside));
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        tokio::spawn(async move {
            for round in 0..200 {
                let entering = turnstile.enter(claimant(n % 3, n % 7));
                if round % 17 == 0 {
                    // Asks and goes away.
                    let _ = tokio::time::timeout(Duration::ZERO, entering).await;
                    continue;
                }
                let place = entering.await.unwrap();
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 4);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(place);
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((turnstile.taken(), turnstile.waiting()), (0, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Enter { zone: u128, application: u128 },
    Release(usize),
    Cancel(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u128, 0..3_u128).prop_map(|(zone, application)| Step::Enter { zone, application }),
        3 => (0..64_usize).prop_map(Step::Release),
        1 => (0..64_usize).prop_map(Step::Cancel),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Never more than the bounds say; never a free place while somebody could have it; an
    /// application's own are served in their order; nobody else is served twice while one waits
    /// who could have had the place; nothing is lost.
    #[test]
    fn it_is_bounded_complete_and_fair(steps in steps(), places in 1..4_u32, own in 1..4_u32) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let _guard = runtime.enter();
        let limits = TurnstileLimits { per_application: own.min(places), per_zone: places, ..wide(places) };
        // Two that share a counter also share what they may hold, which is not what is looked at.
        let everyone: Vec<_> = (0..9).map(|n| claimant(n / 3, n % 3)).collect();
        let turnstile = loop {
            let turnstile = Turnstile::new("test", limits);
            if turnstile.0.shares.tells_apart(&everyone) {
                break turnstile;
            }
        };
        let mut held: Vec<(Claimant, Place)> = Vec::new();
        let mut waiting: VecDeque<(Claimant, Entering<'_>)> = VecDeque::new();
        // How often others were served since each application began to wait at its head.
        let mut passed: BTreeMap<(u128, u128), BTreeMap<(u128, u128), usize>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Enter { zone, application } => {
                    let claimant = claimant(zone, application);
                    let mut entering: Entering<'_> = Box::pin(turnstile.enter(claimant));
                    match poll(&mut entering) {
                        Some(entered) => held.push((claimant, entered.unwrap())),
                        None => waiting.push_back((claimant, entering)),
                    }
                }
                Step::Release(n) if !held.is_empty() => drop(held.swap_remove(n % held.len())),
                Step::Cancel(n) if !waiting.is_empty() => {
                    let (gone, _) = waiting.remove(n % waiting.len()).unwrap();
                    if waiting.iter().all(|(held, _)| *held != gone) {
                        // Whoever comes later waits anew.
                        passed.remove(&(gone.zone, gone.application));
                    }
                }
                Step::Release(_) | Step::Cancel(_) => {}
            }
            let mut n = 0;
            while n < waiting.len() {
                let Some(entered) = poll(&mut waiting[n].1) else { n += 1; continue };
                let (served, _) = waiting.remove(n).unwrap();
                let is_first = waiting.iter().take(n).all(|(earlier, _)| *earlier != served);
                prop_assert!(is_first, "an earlier one of the same application still waits");
                held.push((served, entered.unwrap()));
                let key = (served.zone, served.application);
                passed.remove(&key);
                // However many wait of an application, it was passed once.
                let others: BTreeMap<_, _> = waiting.iter().map(|(w, _)| ((w.zone, w.application), *w)).collect();
                for (other_key, other) in &others {
                    let other_key = *other_key;
                    let at_share = held.iter().filter(|(h, _)| h == other).count()
                        >= usize::try_from(own.min(places)).unwrap();
                    if other_key != key && other.zone == served.zone && !at_share {
                        let times = passed.entry(other_key).or_default().entry(key).or_default();
                        *times += 1;
                    }
                }
            }
            let of = |c: &Claimant| held.iter().filter(|(h, _)| h == c).count();
            let (places, own) = (usize::try_from(places).unwrap(), usize::try_from(own).unwrap());
            prop_assert!(held.len() <= places);
            prop_assert_eq!(turnstile.taken(), held.len());
            prop_assert_eq!(turnstile.waiting(), waiting.len());
            for (claimant, _) in &held {
                prop_assert!(of(claimant) <= own.min(places));
            }
            for (claimant, _) in &waiting {
                let could = held.len() < places && of(claimant) < own.min(places);
                prop_assert!(!could, "{claimant:?} waits for what is free");
            }
        }
        // A place that a neighbour got while one waited who could have had it: each neighbour at
        // most once per turn, and once more where it was its turn already.
        for (waiter, others) in &passed {
            let still_waits = waiting.iter().any(|(w, _)| (w.zone, w.application) == *waiter);
            for (other, times) in others {
                prop_assert!(!still_waits || *times <= 2, "{other:?} passed {waiter:?} {times} times");
            }
        }
        drop(waiting);
        drop(held);
        prop_assert_eq!((turnstile.taken(), turnstile.waiting()), (0, 0));
    }
}

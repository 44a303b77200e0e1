//! Carries observations out on the shared state of endpoints and targets.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use mesh_core::endpoint::{Endpoint, EndpointSet, EndpointState};
use mesh_core::snapshot::Target;
use tokio::time::Instant;

use super::observe::{Ejection, Facts, observe, settle};

/// Observes an outcome of an attempt at `endpoint`. `draw` are 64 random bits.
///
/// Two endpoints that reach the threshold at once both enter themselves and then count; whoever finds too many takes
/// itself back. So the bound holds without a lock, at the price that sometimes neither is ejected.
pub fn apply(
    target: &Target,
    endpoint: &Endpoint,
    failure: bool,
    now: Instant,
    draw: u64,
) -> Ejection {
    let policy = &target.policy().ejection;
    let state = &endpoint.state;
    let now_ms = millis(state.elapsed(now));
    // With nobody else ejected, would this one be? Mostly not, and then nobody needs to be counted.
    let set = target.endpoints();
    let alone = facts(&set, 0);
    let (_, foreseen) = observe(state.ejection(), policy, failure, now_ms, alone, draw);
    let mut ejected = match foreseen {
        Ejection::Ejected { .. } => others(&set, state, now),
        _ => u32::MAX,
    };
    let (said, before) = state.update_ejection(|before| {
        if ejected == u32::MAX
            && matches!(
                observe(before, policy, failure, now_ms, alone, draw).1,
                Ejection::Ejected { .. }
            )
        {
            // Another failure came in between, and this one reaches the threshold after all.
            ejected = others(&set, state, now);
        }
        let seen = Facts { ejected, ..alone };
        let (next, said) = observe(before, policy, failure, now_ms, seen, draw);
        (next, (said, before))
    });
    if let Ejection::Ejected { until_ms } = said {
        // Between entering oneself and counting the others; see `update_ejection`.
        fence(Ordering::SeqCst);
        let ejected = others(&set, state, now);
        if !facts(&set, ejected).has_room(policy) {
            let (former, _) = settle(before, policy, now_ms);
            state.update_ejection(|present| {
                let mine = present.until_ms == until_ms;
                let mut former = former;
                former.failures = 0;
                (if mine { former } else { present }, ())
            });
            count(target, &set, now);
            return Ejection::None;
        }
        tracing::info!(
            endpoint = &*endpoint.key,
            target_id = &**target.id(),
            for_ms = until_ms - now_ms,
            "ejected"
        );
    }
    if said != Ejection::None {
        count(target, &set, now);
    }
    said
}

/// Lets ejections end whose time is over and sets `TargetState::ejected`. For whoever replaces endpoint sets, or shows
/// figures; requests do not need it.
pub fn sweep(target: &Target, now: Instant) {
    let policy = &target.policy().ejection;
    let set = target.endpoints();
    for endpoint in &set.endpoints {
        let now_ms = millis(endpoint.state.elapsed(now));
        endpoint
            .state
            .update_ejection(|state| (settle(state, policy, now_ms).0, ()));
    }
    count(target, &set, now);
}

fn count(target: &Target, set: &EndpointSet, now: Instant) {
    let ejected = set
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.state.is_ejected(now))
        .count();
    target
        .state()
        .ejected
        .store(saturate(ejected), Ordering::Relaxed);
}

fn others(set: &EndpointSet, but: &EndpointState, now: Instant) -> u32 {
    let others = set
        .endpoints
        .iter()
        .filter(|endpoint| !std::ptr::eq(&*endpoint.state, but) && endpoint.state.is_ejected(now));
    saturate(others.count())
}

fn facts(set: &EndpointSet, ejected: u32) -> Facts {
    Facts {
        instances: saturate(set.total.max(set.len())),
        usable: saturate(set.len()),
        ejected,
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! Passive health: the state machine against a model, and the layer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mesh_core::context::{AttemptOutcome, Outbound};
use mesh_core::endpoint::{EjectionState, Endpoint};
use mesh_core::error::ErrorKind;
use mesh_core::policy::{EjectionPolicy, TimeoutPolicy};
use mesh_core::snapshot::{Target, TargetPolicy};
use mesh_core::testing::fixtures;
use mesh_retry::eject::{Ejection, Facts, apply, grpc_to_http, is_failure, observe, settle, sweep};
use mesh_retry::{EjectLayer, RetryLayer, TimeoutLayer};
use proptest::prelude::*;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt};

use crate::support::{Act, Script, chain, get, ms, routed};

fn target(endpoints: usize, policy: EjectionPolicy) -> (Arc<Target>, Vec<Arc<Endpoint>>) {
    let endpoints: Vec<_> = (0..endpoints)
        .map(|n| {
            let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1_000 + n as u16));
            fixtures::endpoint(&format!("backend-{n}"), address)
        })
        .collect();
    let policy = TargetPolicy {
        ejection: policy,
        ..TargetPolicy::default()
    };
    (
        fixtures::target("backend", policy, endpoints.clone()),
        endpoints,
    )
}

fn ejected(target: &Target) -> u32 {
    target.state().ejected.load(Ordering::Relaxed)
}

fn fail(target: &Target, endpoint: &Endpoint, times: u32) -> Ejection {
    let mut last = Ejection::None;
    for _ in 0..times {
        last = apply(target, endpoint, true, Instant::now(), 0);
    }
    last
}

#[tokio::test(start_paused = true)]
async fn by_default_one_of_three_is_ejected_and_no_second_one() {
    let (target, endpoints) = target(3, EjectionPolicy::default());
    assert_eq!(fail(&target, &endpoints[0], 4), Ejection::None);
    assert!(matches!(
        fail(&target, &endpoints[0], 1),
        Ejection::Ejected { .. }
    ));
    assert_eq!(fail(&target, &endpoints[1], 50), Ejection::None);
    assert_eq!(ejected(&target), 1);
    assert!(endpoints[0].state.is_ejected(Instant::now()));
    assert!(!endpoints[1].state.is_ejected(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn the_last_usable_endpoint_is_never_ejected_by_default() {
    let (target, endpoints) = target(1, EjectionPolicy::default());
    assert_eq!(fail(&target, &endpoints[0], 50), Ejection::None);
    assert_eq!(ejected(&target), 0);
}

#[tokio::test(start_paused = true)]
async fn an_explicit_share_is_obeyed_zero_and_all_included() {
    let share = |max_ejection_percent| EjectionPolicy {
        max_ejection_percent,
        max_ejection_is_explicit: true,
        ..EjectionPolicy::default()
    };
    for (percent, expected) in [(0, 0), (10, 0), (34, 1), (50, 1), (67, 2), (100, 3)] {
        let (target, endpoints) = target(3, share(percent));
        for endpoint in &endpoints {
            fail(&target, endpoint, 10);
        }
        assert_eq!(ejected(&target), expected, "{percent} %");
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_starts_the_count_anew() {
    let (target, endpoints) = target(2, EjectionPolicy::default());
    fail(&target, &endpoints[0], 4);
    apply(&target, &endpoints[0], false, Instant::now(), 0);
    assert_eq!(fail(&target, &endpoints[0], 4), Ejection::None);
    assert!(matches!(
        fail(&target, &endpoints[0], 1),
        Ejection::Ejected { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn ejections_grow_up_to_the_longest_and_fade_with_healthy_time() {
    let (target, endpoints) = target(2, EjectionPolicy::default());
    let endpoint = &endpoints[0];
    for expected in [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300] {
        let start = endpoint.state.elapsed(Instant::now());
        let Ejection::Ejected { until_ms } = fail(&target, endpoint, 5) else {
            panic!("not ejected");
        };
        let out = Duration::from_millis(until_ms) - start;
        assert_eq!(out, Duration::from_secs(expected));
        tokio::time::advance(out).await;
        assert!(!endpoint.state.is_ejected(Instant::now()));
    }
    assert_eq!(endpoint.state.ejection().times, 11);
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(
        apply(&target, endpoint, false, Instant::now(), 0),
        Ejection::Returned
    );
    assert_eq!(endpoint.state.ejection().times, 7);
    tokio::time::advance(Duration::from_secs(70)).await;
    apply(&target, endpoint, false, Instant::now(), 0);
    assert_eq!(endpoint.state.ejection(), EjectionState::default());
    assert_eq!(ejected(&target), 0);
}

#[tokio::test(start_paused = true)]
async fn enforcing_is_a_probability() {
    let policy = EjectionPolicy {
        enforcing_percent: 50,
        ..EjectionPolicy::default()
    };
    let facts = Facts {
        instances: 3,
        usable: 3,
        ejected: 0,
    };
    let near = EjectionState {
        failures: 4,
        ..EjectionState::default()
    };
    let out = |draw: u64| {
        matches!(
            observe(near, &policy, true, 0, facts, draw).1,
            Ejection::Ejected { .. }
        )
    };
    assert!(out(0) && out(u64::MAX / 2 - 1));
    assert!(!out(u64::MAX / 2 + 2) && !out(u64::MAX));
    let off = EjectionPolicy {
        enforcing_percent: 0,
        ..policy
    };
    assert_eq!(observe(near, &off, true, 0, facts, 0).1, Ejection::None);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_ends_what_is_over_and_forgets_who_left() {
    let policy = EjectionPolicy {
        max_ejection_percent: 100,
        max_ejection_is_explicit: true,
        ..EjectionPolicy::default()
    };
    let (target, endpoints) = target(3, policy);
    fail(&target, &endpoints[0], 5);
    tokio::time::advance(Duration::from_secs(20)).await;
    fail(&target, &endpoints[1], 5);
    assert_eq!(ejected(&target), 2);
    tokio::time::advance(Duration::from_secs(10)).await;
    sweep(&target, Instant::now());
    assert_eq!(ejected(&target), 1);
    assert!(!endpoints[0].state.ejection().counted);
    let left = vec![endpoints[0].clone(), endpoints[2].clone()];
    target.publish(mesh_core::endpoint::EndpointSet::new(2, left, 2, true));
    sweep(&target, Instant::now());
    assert_eq!(ejected(&target), 0);
}

#[test]
fn racing_threads_never_eject_more_than_the_share() {
    let policy = EjectionPolicy {
        consecutive_failures: 1,
        max_ejection_percent: 25,
        max_ejection_is_explicit: true,
        ..EjectionPolicy::default()
    };
    for _ in 0..50 {
        let (target, endpoints) = target(8, policy);
        let now = Instant::now();
        std::thread::scope(|scope| {
            for endpoint in &endpoints {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..20 {
                        apply(target, endpoint, true, now, 0);
                    }
                });
            }
        });
        let out = endpoints
            .iter()
            .filter(|endpoint| endpoint.state.is_ejected(now))
            .count();
        assert!(out <= 2, "{out} of 8");
        sweep(&target, now);
        assert_eq!(ejected(&target), out as u32);
    }
}

#[test]
fn outcomes_speak_against_an_endpoint_only_if_they_are_its_own() {
    let response = |status, grpc| AttemptOutcome::Response {
        status,
        grpc,
        after: Duration::ZERO,
    };
    let failed = |kind| AttemptOutcome::Failed {
        kind,
        after: Duration::ZERO,
    };
    let rows = [
        (response(200, None), Some(false)),
        (response(404, None), Some(false)),
        (response(429, None), Some(false)),
        (response(500, None), Some(true)),
        (response(503, None), Some(true)),
        (response(200, Some(0)), Some(false)),
        (response(200, Some(14)), Some(true)),
        (response(200, Some(8)), Some(false)),
        (response(200, Some(200)), Some(true)),
        (failed(ErrorKind::Connect), Some(true)),
        (failed(ErrorKind::Reset), Some(true)),
        (failed(ErrorKind::PerTryTimeout), Some(true)),
        (failed(ErrorKind::Overloaded), None),
        (failed(ErrorKind::NoHealthyEndpoint), None),
        (failed(ErrorKind::RequestBody), None),
    ];
    for (outcome, expected) in rows {
        assert_eq!(is_failure(&outcome), expected, "{outcome:?}");
    }
    let fatal: Vec<u8> = (0..17)
        .filter(|status| grpc_to_http(*status) >= 500)
        .collect();
    assert_eq!(fatal, [2, 4, 12, 13, 14, 15]);
}

/// A request whose attempt has an endpoint.
fn picked(
    target: &Arc<Target>,
    endpoint: &Arc<Endpoint>,
    timeout: TimeoutPolicy,
) -> (http::Request<mesh_core::body::Body>, Outbound) {
    let (request, outbound) = routed(&chain(timeout, None), get());
    outbound.attempt().set_target(target.clone());
    outbound.attempt().set_endpoint(endpoint.clone());
    (request, outbound)
}

#[tokio::test(start_paused = true)]
async fn the_layer_notes_outcomes_and_ejects() {
    let (target, endpoints) = target(2, EjectionPolicy::default());
    let service = EjectLayer::new().layer(Script::new([
        Act::Answer(503),
        Act::Fail(ErrorKind::Reset),
        Act::Head(200, vec![("grpc-status", "14")]),
        Act::Fail(ErrorKind::Connect),
        Act::Answer(500),
    ]));
    for turn in 0..5 {
        assert!(
            !endpoints[0].state.is_ejected(Instant::now()),
            "after {turn}"
        );
        let (request, outbound) = picked(&target, &endpoints[0], TimeoutPolicy::default());
        let _ = service.clone().oneshot(request).await;
        assert!(outbound.attempt().outcome().is_some());
    }
    assert!(endpoints[0].state.is_ejected(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn attempts_that_hang_eject_whichever_limit_ends_them() {
    for limits in [
        TimeoutPolicy {
            per_try: Some(ms(250)),
            ..TimeoutPolicy::default()
        },
        TimeoutPolicy {
            request: Some(ms(250)),
            ..TimeoutPolicy::default()
        },
    ] {
        let (target, endpoints) = target(2, EjectionPolicy::default());
        let service = ServiceBuilder::new()
            .layer(TimeoutLayer::default())
            .layer(RetryLayer::default())
            .layer(EjectLayer::new())
            .service(Script::new([Act::Hang]));
        for _ in 0..5 {
            let (request, _) = picked(&target, &endpoints[0], limits);
            assert!(service.clone().oneshot(request).await.is_err());
        }
        assert!(endpoints[0].state.is_ejected(Instant::now()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_is_no_failure() {
    let (target, endpoints) = target(2, EjectionPolicy::default());
    let service = EjectLayer::new().layer(Script::new([Act::Hang]));
    for _ in 0..20 {
        let (request, outbound) = picked(&target, &endpoints[0], TimeoutPolicy::default());
        let call = service.clone().oneshot(request);
        assert!(tokio::time::timeout(ms(5), call).await.is_err());
        assert_eq!(outbound.attempt().outcome(), None);
    }
    assert_eq!(endpoints[0].state.ejection(), EjectionState::default());
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Failure(usize),
    Success(usize),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0usize..6).prop_map(Event::Failure),
        1 => (0usize..6).prop_map(Event::Success),
        1 => (0u64..40_000).prop_map(Event::Pass),
    ];
    proptest::collection::vec(event, 1..400)
}

proptest! {
    #[test]
    fn the_share_and_the_length_of_ejections_hold_in_any_history(
        events in events(),
        percent in 0u32..=100,
        explicit in any::<bool>(),
        threshold in 1u32..4,
    ) {
        let policy = EjectionPolicy {
            consecutive_failures: threshold,
            max_ejection_percent: percent,
            max_ejection_is_explicit: explicit,
            ..EjectionPolicy::default()
        };
        let mut states = [EjectionState::default(); 6];
        let (mut now, mut returns, mut ejections) = (0u64, 0u32, 0u32);
        for event in events {
            let (index, failure) = match event {
                Event::Pass(ms) => {
                    now += ms;
                    continue;
                }
                Event::Failure(index) => (index, true),
                Event::Success(index) => (index, false),
            };
            let out = |states: &[EjectionState], but: Option<usize>| {
                let others = states.iter().enumerate().filter(|(n, s)| Some(*n) != but && s.until_ms > now);
                others.count() as u32
            };
            let facts = Facts { instances: 6, usable: 6, ejected: out(&states, Some(index)) };
            let before = states[index];
            let (after, said) = observe(before, &policy, failure, now, facts, 0);
            states[index] = after;
            prop_assert!(!after.counted || after.until_ms != 0);
            if let Ejection::Ejected { until_ms } = said {
                let times = u64::from(after.times);
                prop_assert_eq!(until_ms - now, (30_000 * times).min(300_000));
                let most = (percent * 6 / 100).max(u32::from(!explicit));
                prop_assert!(out(&states, None) <= most);
                prop_assert!(explicit || out(&states, None) < 6);
                prop_assert!(failure);
                ejections += 1;
                // Back and out again at once counts as both.
                returns += u32::from(before.counted);
            }
            if said == Ejection::Returned {
                returns += 1;
            }
            let counted = states.iter().filter(|state| state.counted).count() as u32;
            prop_assert_eq!(ejections - returns, counted, "each ejection returns exactly once");
        }
        for state in &mut states {
            *state = settle(*state, &policy, now + 10_000_000).0;
            prop_assert_eq!((state.until_ms, state.times), (0, 0));
        }
    }
}

//! The table of conditions, one row each.

use std::time::Duration;

use http::{HeaderMap, Method};
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::{Backoff, RetryMethods, RetryOn, RetryPolicy};
use mesh_core::random::Rng;
use mesh_retry::retry::{
    Advice, Asked, Outcome, Reason, Stop, Verdict, backoff, is_active, verdict,
};

use crate::support::ms;

fn policy(on: RetryOn) -> RetryPolicy {
    RetryPolicy {
        max: 1,
        on,
        methods: RetryMethods::Any,
        ..RetryPolicy::default()
    }
}

fn asked(method: &Method) -> Asked<'_> {
    Asked {
        method,
        idempotent: None,
        replayable: true,
        retries: 0,
        remaining: None,
    }
}

fn response(status: u16, headers: &[(&'static str, &str)]) -> Outcome {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Outcome::of_response(status, &map)
}

fn failed(kind: ErrorKind) -> Outcome {
    Outcome::of_error(&Error::new(kind))
}

fn reason(policy: &RetryPolicy, outcome: &Outcome) -> Option<Reason> {
    match verdict(policy, &asked(&Method::GET), outcome, 0) {
        Verdict::Retry { reason, .. } => Some(reason),
        Verdict::Stop(stop) => {
            assert_eq!(stop, Stop::Answered);
            None
        }
    }
}

/// Everything an attempt can end with, by name.
fn outcomes() -> Vec<(&'static str, Outcome)> {
    let grpc = |status| response(200, &[("grpc-status", status)]);
    vec![
        ("200", response(200, &[])),
        ("404", response(404, &[])),
        ("409", response(409, &[])),
        ("429", response(429, &[])),
        ("500", response(500, &[])),
        ("501", response(501, &[])),
        ("502", response(502, &[])),
        ("503", response(503, &[])),
        ("504", response(504, &[])),
        ("599", response(599, &[])),
        (
            "ratelimited",
            response(429, &[("x-envoy-ratelimited", "true")]),
        ),
        (
            "ratelimited-503",
            response(503, &[("x-envoy-ratelimited", "true")]),
        ),
        ("grpc-0", grpc("0")),
        ("grpc-1", grpc("1")),
        ("grpc-2", grpc("2")),
        ("grpc-4", grpc("4")),
        ("grpc-8", grpc("8")),
        ("grpc-13", grpc("13")),
        ("grpc-14", grpc("14")),
        ("grpc-x", grpc("fourteen")),
        ("connect", failed(ErrorKind::Connect)),
        ("connect-timeout", failed(ErrorKind::ConnectTimeout)),
        ("handshake", failed(ErrorKind::Handshake)),
        ("reset", failed(ErrorKind::Reset)),
        ("refused-stream", failed(ErrorKind::RefusedStream)),
        ("per-try-timeout", failed(ErrorKind::PerTryTimeout)),
        ("protocol", failed(ErrorKind::Protocol)),
        ("foreign", failed(ErrorKind::Other)),
        ("request-timeout", failed(ErrorKind::RequestTimeout)),
        ("overloaded", failed(ErrorKind::Overloaded)),
        ("no-healthy", failed(ErrorKind::NoHealthyEndpoint)),
        ("not-ready", failed(ErrorKind::NotReady)),
        ("unknown-service", failed(ErrorKind::UnknownService)),
        ("request-body", failed(ErrorKind::RequestBody)),
    ]
}

const CONNECT: [&str; 3] = ["connect", "connect-timeout", "handshake"];
const RESETS: [&str; 8] = [
    "connect",
    "connect-timeout",
    "handshake",
    "reset",
    "refused-stream",
    "per-try-timeout",
    "protocol",
    "foreign",
];

#[test]
fn each_condition_retries_exactly_what_it_names() {
    let with_resets = |statuses: &[&'static str]| [statuses, &RESETS[..]].concat();
    let rows: [(&str, Vec<&str>); 12] = [
        (
            "5xx",
            with_resets(&["500", "501", "502", "503", "504", "599"]),
        ),
        ("gateway-error", with_resets(&["502", "503", "504"])),
        ("reset", RESETS.to_vec()),
        ("connect-failure", CONNECT.to_vec()),
        ("envoy-ratelimited", vec!["ratelimited", "ratelimited-503"]),
        ("retriable-4xx", vec!["409"]),
        ("refused-stream", vec!["refused-stream"]),
        ("cancelled", vec!["grpc-1"]),
        ("deadline-exceeded", vec!["grpc-4"]),
        ("resource-exhausted", vec!["grpc-8"]),
        ("internal", vec!["grpc-13"]),
        ("unavailable", vec!["grpc-14"]),
    ];
    for (condition, expected) in rows {
        let policy = policy(RetryOn::from_name(condition).unwrap());
        let retried: Vec<&str> = outcomes()
            .into_iter()
            .filter(|(_, outcome)| reason(&policy, outcome).is_some())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(retried, expected, "{condition}");
    }
}

#[test]
fn status_codes_are_retried_besides_but_not_when_ratelimited() {
    let policy = RetryPolicy {
        status_codes: vec![404, 429],
        ..policy(RetryOn::NONE)
    };
    assert_eq!(reason(&policy, &response(404, &[])), Some(Reason::Status));
    assert_eq!(reason(&policy, &response(503, &[])), None);
    let limited = response(429, &[("x-envoy-ratelimited", "true")]);
    assert_eq!(reason(&policy, &limited), None);
}

#[test]
fn a_number_without_a_condition_never_retries() {
    assert!(!is_active(&policy(RetryOn::NONE)));
    assert!(!is_active(&RetryPolicy {
        max: 0,
        ..policy(RetryOn::RESET)
    }));
    assert!(is_active(&policy(RetryOn::RESET)));
    for (name, outcome) in outcomes() {
        assert_eq!(reason(&policy(RetryOn::NONE), &outcome), None, "{name}");
    }
}

#[test]
fn what_may_have_been_processed_is_repeated_only_if_that_does_no_harm() {
    let on = RetryOn::SERVER_ERROR
        .with(RetryOn::ENVOY_RATELIMITED)
        .with(RetryOn::UNAVAILABLE);
    let processed = response(503, &[]);
    let rows: [(RetryMethods, Method, Option<bool>, &Outcome, bool); 14] = [
        (
            RetryMethods::Idempotent,
            Method::GET,
            None,
            &processed,
            true,
        ),
        (
            RetryMethods::Idempotent,
            Method::PUT,
            None,
            &processed,
            true,
        ),
        (
            RetryMethods::Idempotent,
            Method::DELETE,
            None,
            &processed,
            true,
        ),
        (
            RetryMethods::Idempotent,
            Method::POST,
            None,
            &processed,
            false,
        ),
        (
            RetryMethods::Idempotent,
            Method::PATCH,
            None,
            &processed,
            false,
        ),
        (
            RetryMethods::Idempotent,
            Method::POST,
            Some(true),
            &processed,
            true,
        ),
        (
            RetryMethods::Idempotent,
            Method::GET,
            Some(false),
            &processed,
            false,
        ),
        (
            RetryMethods::Idempotent,
            Method::POST,
            None,
            &failed(ErrorKind::Reset),
            false,
        ),
        (
            RetryMethods::Idempotent,
            Method::POST,
            None,
            &failed(ErrorKind::Connect),
            true,
        ),
        (
            RetryMethods::Idempotent,
            Method::POST,
            None,
            &failed(ErrorKind::RefusedStream),
            true,
        ),
        (RetryMethods::Any, Method::POST, None, &processed, true),
        (
            RetryMethods::None,
            Method::GET,
            Some(true),
            &processed,
            false,
        ),
        (
            RetryMethods::None,
            Method::POST,
            None,
            &failed(ErrorKind::Connect),
            true,
        ),
        (
            RetryMethods::None,
            Method::POST,
            None,
            &response(429, &[("x-envoy-ratelimited", "1")]),
            true,
        ),
    ];
    for (methods, method, idempotent, outcome, expected) in rows {
        let policy = RetryPolicy {
            methods,
            ..policy(on)
        };
        let asked = Asked {
            idempotent,
            ..asked(&method)
        };
        let verdict = verdict(&policy, &asked, outcome, 0);
        let row = format!("{methods:?} {method} {idempotent:?} {outcome:?}");
        match expected {
            true => assert!(matches!(verdict, Verdict::Retry { .. }), "{row}"),
            false => assert_eq!(verdict, Verdict::Stop(Stop::NotIdempotent), "{row}"),
        }
    }
}

#[test]
fn an_error_that_says_it_was_never_sent_may_be_repeated() {
    let policy = RetryPolicy {
        methods: RetryMethods::None,
        ..policy(RetryOn::RESET)
    };
    let outcome = Outcome::of_error(&Error::new(ErrorKind::Reset).unsent());
    let verdict = verdict(&policy, &asked(&Method::POST), &outcome, 0);
    assert!(matches!(verdict, Verdict::Retry { .. }));
}

#[test]
fn a_named_grpc_condition_repeats_the_post_that_grpc_is() {
    let policy = RetryPolicy {
        methods: RetryMethods::Idempotent,
        ..policy(RetryOn::UNAVAILABLE)
    };
    let outcome = response(200, &[("grpc-status", "14")]);
    let post = asked(&Method::POST);
    assert!(matches!(
        verdict(&policy, &post, &outcome, 0),
        Verdict::Retry { .. }
    ));
    let said = Asked {
        idempotent: Some(false),
        ..post
    };
    assert_eq!(
        verdict(&policy, &said, &outcome, 0),
        Verdict::Stop(Stop::NotIdempotent)
    );
}

#[test]
fn every_bound_stops_with_its_name() {
    let policy = policy(RetryOn::SERVER_ERROR);
    let outcome = response(503, &[]);
    let get = asked(&Method::GET);
    let stop = |asked: &Asked<'_>, outcome: &Outcome| verdict(&policy, asked, outcome, u64::MAX);
    let exhausted = Asked { retries: 1, ..get };
    assert_eq!(stop(&exhausted, &outcome), Verdict::Stop(Stop::Exhausted));
    let body = Asked {
        replayable: false,
        ..get
    };
    assert_eq!(stop(&body, &outcome), Verdict::Stop(Stop::Body));
    let short = Asked {
        remaining: Some(ms(24)),
        ..get
    };
    assert_eq!(stop(&short, &outcome), Verdict::Stop(Stop::Deadline));
    let enough = Asked {
        remaining: Some(ms(25)),
        ..get
    };
    assert!(matches!(stop(&enough, &outcome), Verdict::Retry { .. }));
}

#[test]
fn advice_of_the_callee_is_kept_to() {
    let policy = policy(RetryOn::SERVER_ERROR);
    let after = |headers: &[(&'static str, &str)]| {
        verdict(
            &policy,
            &asked(&Method::GET),
            &response(503, headers),
            u64::MAX,
        )
    };
    let wait = |wait| Verdict::Retry {
        reason: Reason::ServerError,
        wait,
    };
    let stop = Verdict::Stop(Stop::Pushback);
    assert_eq!(after(&[("retry-after", "2")]), wait(ms(2_000)));
    assert_eq!(after(&[("grpc-retry-pushback-ms", "130")]), wait(ms(130)));
    assert_eq!(
        after(&[("grpc-retry-pushback-ms", "130"), ("retry-after", "2")]),
        wait(ms(130))
    );
    assert_eq!(after(&[("grpc-retry-pushback-ms", "-1")]), stop);
    assert_eq!(after(&[("grpc-retry-pushback-ms", "soon")]), stop);
    assert_eq!(after(&[("retry-after", "61")]), stop);
    assert_eq!(after(&[("retry-after", "99999999999999999999")]), stop);
    let date = ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT");
    assert!(matches!(after(&[date]), Verdict::Retry { wait, .. } if wait < ms(25)));
    assert!(matches!(
        Outcome::of_response(503, &HeaderMap::new()),
        Outcome::Response {
            advice: Advice::None,
            ..
        }
    ));
}

#[test]
fn waits_double_from_25_to_250_ms_and_are_drawn_from_all_of_that() {
    let policy = Backoff::default();
    let bounds = [25, 50, 100, 200, 250, 250];
    for (k, bound) in bounds.into_iter().enumerate() {
        let most = backoff(&policy, k as u32, u64::MAX);
        assert!(
            most < ms(bound) && most + Duration::from_nanos(1) >= ms(bound),
            "{k}: {most:?}"
        );
        assert_eq!(backoff(&policy, k as u32, 0), Duration::ZERO);
    }
    assert!(backoff(&policy, 40, u64::MAX) < ms(250));
    assert!(backoff(&policy, u32::MAX, u64::MAX) < ms(250));
    let none = Backoff {
        base: Duration::ZERO,
        max: Duration::ZERO,
    };
    assert_eq!(backoff(&none, 3, u64::MAX), Duration::ZERO);

    let mut rng = Rng::new(3);
    let mean = (0..10_000)
        .map(|_| backoff(&policy, 0, rng.next_u64()).as_secs_f64())
        .sum::<f64>()
        / 10_000.0;
    assert!((0.012..0.013).contains(&mean), "{mean}");
}

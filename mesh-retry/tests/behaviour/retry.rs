//! Retries as a layer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::{AttemptOutcome, Outbound};
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::{BudgetPolicy, RetryMethods, RetryOn, RetryPolicy, TimeoutPolicy};
use mesh_retry::retry::{Attempts, Idempotent, ReplayBody, Stop};
use mesh_retry::{DeadlineLayer, RetryLayer, TimeoutLayer};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Act, Script, chain, channel, data, get, ms, respond, routed};

fn policy(max: u32) -> RetryPolicy {
    RetryPolicy {
        max,
        on: RetryOn::SERVER_ERROR,
        ..RetryPolicy::default()
    }
}

fn post(body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    request
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_until_it_works() {
    let script = Script::new([
        Act::Answer(503),
        Act::Fail(ErrorKind::Reset),
        Act::Answer(200),
    ]);
    let mut request = get();
    let outbound = Outbound::begin(request.extensions_mut());
    let service = RetryLayer::new(policy(2)).layer(script.clone());
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.extensions().get(),
        Some(&Attempts {
            retries: 2,
            stop: Stop::Answered
        })
    );
    let seen = script.seen();
    let counts: Vec<_> = seen
        .iter()
        .map(|seen| {
            (
                seen.attempt,
                seen.headers["x-envoy-attempt-count"].to_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [(Some(0), "1"), (Some(1), "2"), (Some(2), "3")]);
    let outcomes: Vec<_> = outbound
        .attempts()
        .map(|attempt| match attempt.outcome().unwrap() {
            AttemptOutcome::Response { status, .. } => Ok(status),
            AttemptOutcome::Failed { kind, .. } => Err(kind),
        })
        .collect();
    assert_eq!(outcomes, [Ok(503), Err(ErrorKind::Reset), Ok(200)]);
}

#[tokio::test(start_paused = true)]
async fn the_last_result_is_passed_on_when_all_attempts_failed() {
    let script = Script::new([
        Act::Fail(ErrorKind::Connect),
        Act::Answer(500),
        Act::Answer(502),
    ]);
    let service = RetryLayer::new(policy(2)).layer(script.clone());
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(
        response.extensions().get(),
        Some(&Attempts {
            retries: 2,
            stop: Stop::Exhausted
        })
    );
    assert_eq!(script.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_the_request_passes_untouched() {
    let script = Script::new([Act::Answer(503)]);
    let service = RetryLayer::default().layer(script.clone());
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.extensions().get::<Attempts>().is_none());
    assert!(
        !script.seen()[0]
            .headers
            .contains_key("x-envoy-attempt-count")
    );
}

#[tokio::test(start_paused = true)]
async fn the_routes_policy_and_budget_go_before_the_layers() {
    let chain = chain(TimeoutPolicy::default(), Some(policy(1)));
    let script = Script::new([Act::Answer(503)]);
    let service = RetryLayer::new(policy(5))
        .budget(BudgetPolicy {
            ratio_thousandths: 0,
            reserve: 0,
            ..BudgetPolicy::default()
        })
        .layer(script.clone());
    let (request, _) = routed(&chain, get());
    assert!(service.oneshot(request).await.is_ok());
    assert_eq!(script.calls(), 2);
    let cells = chain
        .state
        .budget
        .iter()
        .filter(|cell| cell.load(Ordering::SeqCst) > 0);
    assert_eq!(cells.count(), 1, "the chain's own state was spent from");
}

#[tokio::test(start_paused = true)]
async fn local_refusals_and_the_whole_requests_time_are_never_retried() {
    for kind in [
        ErrorKind::Overloaded,
        ErrorKind::NoHealthyEndpoint,
        ErrorKind::RequestTimeout,
        ErrorKind::RequestBody,
    ] {
        let script = Script::new([Act::Fail(kind)]);
        let service = RetryLayer::new(policy(3)).layer(script.clone());
        assert_eq!(service.oneshot(get()).await.unwrap_err().kind(), kind);
        assert_eq!(script.calls(), 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_and_its_trailers_are_replayed() {
    let script = Script::new([Act::Answer(503), Act::Answer(200)]);
    let policy = RetryPolicy {
        methods: RetryMethods::Any,
        ..policy(1)
    };
    let (feed, body) = channel();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    feed.send(data("hello ")).unwrap();
    feed.send(data("world")).unwrap();
    feed.send(Frame::trailers(trailers.clone())).unwrap();
    let service = RetryLayer::new(policy).layer(script.clone());
    assert_eq!(
        service
            .oneshot(post(Body::new(body)))
            .await
            .unwrap()
            .status(),
        200
    );
    for seen in script.seen() {
        assert_eq!(seen.body, "hello world");
        assert_eq!(seen.trailers.as_ref(), Some(&trailers));
    }
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_cap_is_sent_once() {
    for body in [Body::from("0123456789a"), {
        let (feed, body) = channel();
        feed.send(data("01234567")).unwrap();
        feed.send(data("89a")).unwrap();
        Body::new(body)
    }] {
        let script = Script::new([Act::Answer(503)]);
        let policy = RetryPolicy {
            methods: RetryMethods::Any,
            body_limit_bytes: 10,
            ..policy(1)
        };
        let service = RetryLayer::new(policy).layer(script.clone());
        let response = service.oneshot(post(body)).await.unwrap();
        assert_eq!(
            response.extensions().get(),
            Some(&Attempts {
                retries: 0,
                stop: Stop::Body
            })
        );
        assert_eq!(script.calls(), 1);
        assert_eq!(script.seen()[0].body, "0123456789a");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_half_sent_goes_on_where_it_was() {
    let (feed, body) = channel();
    feed.send(data("first ")).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = service_fn(move |request: Request<ReplayBody<Body>>| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let mut body = request.into_body();
            if first {
                let frame = body.frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "first ");
                return Err(Error::new(ErrorKind::Reset));
            }
            let bytes = body.collect().await.unwrap().to_bytes();
            Ok(Response::new(bytes))
        }
    });
    let policy = RetryPolicy {
        methods: RetryMethods::Any,
        ..policy(1)
    };
    let call = tokio::spawn(
        RetryLayer::new(policy)
            .layer(service)
            .oneshot(post(Body::new(body))),
    );
    tokio::time::sleep(ms(300)).await;
    feed.send(data("second")).unwrap();
    drop(feed);
    assert_eq!(call.await.unwrap().unwrap().into_body(), "first second");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_still_being_sent_elsewhere_is_waited_for() {
    // The connection's task keeps the body until the response is dropped.
    struct Answer(Option<tokio::sync::oneshot::Sender<()>>);
    impl http_body::Body for Answer {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
    }
    impl Drop for Answer {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (feed, body) = channel();
    feed.send(data("kept ")).unwrap();
    let first = Arc::new(AtomicUsize::new(0));
    let service = service_fn(move |request: Request<ReplayBody<Body>>| {
        let turn = first.fetch_add(1, Ordering::SeqCst);
        async move {
            let (dropped, end) = tokio::sync::oneshot::channel();
            let mut body = request.into_body();
            let status = if turn == 0 {
                body.frame().await.unwrap().unwrap();
                tokio::spawn(async move {
                    let _ = end.await;
                    tokio::time::sleep(ms(5)).await;
                    drop(body);
                });
                503
            } else {
                assert_eq!(
                    body.frame().await.unwrap().unwrap().into_data().unwrap(),
                    "kept "
                );
                200
            };
            let answer = respond(status, &[]).map(|_| Answer(Some(dropped)));
            Ok::<_, Error>(answer)
        }
    });
    let policy = RetryPolicy {
        methods: RetryMethods::Any,
        ..policy(1)
    };
    let service = RetryLayer::new(policy).layer(service);
    let response = service.oneshot(post(Body::new(body))).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(feed);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_not_unless_the_application_says_so() {
    let calls = |request: Request<Body>| async {
        let script = Script::new([Act::Answer(503)]);
        let service = RetryLayer::new(policy(1)).layer(script.clone());
        assert!(service.oneshot(request).await.is_ok());
        script.calls()
    };
    assert_eq!(calls(post("pay")).await, 1);
    let mut keyed = post("pay");
    keyed
        .headers_mut()
        .insert("idempotency-key", "1".parse().unwrap());
    assert_eq!(calls(keyed).await, 2);
    let mut typed = post("pay");
    typed.extensions_mut().insert(Idempotent(true));
    assert_eq!(calls(typed).await, 2);
    let mut harmful = get();
    harmful.extensions_mut().insert(Idempotent(false));
    assert_eq!(calls(harmful).await, 1);
}

#[tokio::test(start_paused = true)]
async fn pushback_is_obeyed_to_the_millisecond() {
    for (header, value, wait) in [
        ("grpc-retry-pushback-ms", "130", ms(130)),
        ("retry-after", "2", ms(2_000)),
    ] {
        let script = Script::new([Act::Head(503, vec![(header, value)]), Act::Answer(200)]);
        let service = RetryLayer::new(policy(1)).layer(script.clone());
        assert!(service.oneshot(get()).await.is_ok());
        let seen = script.seen();
        let late = (seen[1].at - seen[0].at) - wait;
        assert!(late <= ms(1), "{header}: {late:?} late");
    }
    let script = Script::new([Act::Head(503, vec![("grpc-retry-pushback-ms", "-1")])]);
    let service = RetryLayer::new(policy(3)).layer(script.clone());
    assert!(service.oneshot(get()).await.is_ok());
    assert_eq!(script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_requests_never_share_their_waits() {
    mesh_core::random::seed(11);
    let mut waits = Vec::new();
    let layer = RetryLayer::new(policy(1));
    for _ in 0..8 {
        let script = Script::new([Act::Answer(503), Act::Answer(200)]);
        assert!(layer.layer(script.clone()).oneshot(get()).await.is_ok());
        let seen = script.seen();
        waits.push(seen[1].at - seen[0].at);
    }
    assert!(waits.iter().all(|wait| *wait <= ms(26)), "{waits:?}");
    waits.sort();
    waits.dedup();
    assert!(waits.len() >= 4, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_over_its_time_is_dropped_and_repeated() {
    let limits = TimeoutPolicy {
        per_try: Some(ms(250)),
        ..TimeoutPolicy::default()
    };
    let chain = chain(limits, Some(policy(1)));
    let script = Script::new([Act::Hang, Act::Answer(200)]);
    let (request, outbound) = routed(&chain, get());
    let start = Instant::now();
    let response = RetryLayer::default()
        .layer(script)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(start.elapsed() <= ms(250 + 26));
    let kinds: Vec<_> = outbound
        .attempts()
        .map(|attempt| attempt.outcome())
        .collect();
    assert_eq!(
        kinds[0],
        Some(AttemptOutcome::Failed {
            kind: ErrorKind::PerTryTimeout,
            after: ms(250)
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_not_the_attempts_time_but_a_slow_connection_is() {
    let limits = TimeoutPolicy {
        per_try: Some(ms(250)),
        ..TimeoutPolicy::default()
    };
    for retry in [None, Some(policy(1))] {
        let (feed, body) = channel();
        let chain = chain(limits, retry);
        let (request, _) = routed(&chain, post(Body::new(body)));
        let service = RetryLayer::default().layer(Script::new([Act::Hang]));
        let start = Instant::now();
        let call = tokio::spawn(service.oneshot(request));
        for _ in 0..4 {
            tokio::time::sleep(ms(200)).await;
            feed.send(data("more")).unwrap();
        }
        drop(feed);
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PerTryTimeout);
        assert_eq!(start.elapsed(), ms(4 * 200 + 250));

        let connecting = service_fn(|request: Request<ReplayBody<Body>>| async move {
            let _kept = request;
            std::future::pending::<Result<Response<Body>, Error>>().await
        });
        let (request, _) = routed(&chain, post("never asked for"));
        let start = Instant::now();
        let error = RetryLayer::default()
            .layer(connecting)
            .oneshot(request)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PerTryTimeout);
        assert_eq!(start.elapsed(), ms(250));
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_per_try_holds_without_retries_too() {
    let limits = TimeoutPolicy {
        per_try: Some(ms(250)),
        ..TimeoutPolicy::default()
    };
    let (request, outbound) = routed(&chain(limits, None), get());
    let service = RetryLayer::default().layer(Script::new([Act::Hang]));
    let error = service.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PerTryTimeout);
    assert!(outbound.attempt().outcome().is_some());
    let own = RetryLayer::default()
        .timeout(limits)
        .layer(Script::new([Act::Hang]));
    assert_eq!(
        own.oneshot(get()).await.unwrap_err().kind(),
        ErrorKind::PerTryTimeout
    );
}

#[tokio::test(start_paused = true)]
async fn no_retry_starts_that_the_deadline_would_cut_off() {
    let script = Script::new([Act::Head(503, vec![("retry-after", "1")])]);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(ms(900)))
        .layer(RetryLayer::new(policy(3)))
        .service(script.clone());
    let start = Instant::now();
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(start.elapsed(), ms(0));
    assert_eq!(
        response.extensions().get(),
        Some(&Attempts {
            retries: 0,
            stop: Stop::Deadline
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_callers_deadline_bounds_all_attempts_together() {
    let script = Script::new([Act::After(ms(1_000), 200)]);
    let limits = TimeoutPolicy {
        per_try: Some(ms(80)),
        ..TimeoutPolicy::default()
    };
    let chain = chain(limits, Some(policy(3)));
    let (request, outbound) = routed(&chain, get());
    let start = Instant::now();
    outbound.set_deadline(start + ms(200));
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::default())
        .layer(RetryLayer::default())
        .service(script);
    assert!(service.oneshot(request).await.is_err());
    assert!(start.elapsed() <= ms(200), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_total_outage_is_not_multiplied() {
    let budget = BudgetPolicy::default();
    let script = Script::new([Act::Answer(503)]);
    let service = RetryLayer::new(policy(3))
        .budget(budget)
        .layer(script.clone());
    let requests: u32 = 1_200; // 200 a second for 6 seconds
    let calls: Vec<_> = (0..requests)
        .map(|turn| {
            let service = service.clone();
            tokio::spawn(async move {
                tokio::time::sleep(ms(u64::from(turn) * 5)).await;
                service.oneshot(get()).await.unwrap().status()
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 503);
    }
    let attempts = script.calls() as u32;
    assert!(
        attempts <= requests + requests / 10 + budget.reserve,
        "{attempts}"
    );
    assert!(
        attempts >= requests + requests / 12,
        "the budget is used: {attempts}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_budget_the_first_result_stands() {
    let none = BudgetPolicy {
        ratio_thousandths: 0,
        reserve: 0,
        ..BudgetPolicy::default()
    };
    let script = Script::new([Act::Answer(503), Act::Answer(200)]);
    let service = RetryLayer::new(policy(3))
        .budget(none)
        .layer(script.clone());
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.extensions().get(),
        Some(&Attempts {
            retries: 0,
            stop: Stop::Budget
        })
    );
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_not_ready_again_ends_it() {
    #[derive(Clone)]
    struct OnceReady(Arc<AtomicUsize>);
    impl Service<Request<ReplayBody<Body>>> for OnceReady {
        type Response = Response<Body>;
        type Error = Error;
        type Future = std::future::Ready<Result<Response<Body>, Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Poll::Ready(Ok(())),
                _ => Poll::Pending,
            }
        }
        fn call(&mut self, _: Request<ReplayBody<Body>>) -> Self::Future {
            std::future::ready(Ok(respond(503, &[])))
        }
    }
    let service = RetryLayer::new(policy(3)).layer(OnceReady(Arc::default()));
    let response = service.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(
        response.extensions().get(),
        Some(&Attempts {
            retries: 0,
            stop: Stop::NotReady
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_whose_body_fails_is_not_retried() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = service_fn(move |_: Request<ReplayBody<Body>>| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            let frames = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>().1;
            Ok::<_, Error>(Response::new(Broken(frames)))
        }
    });
    struct Broken(#[allow(dead_code)] tokio::sync::mpsc::UnboundedReceiver<Frame<Bytes>>);
    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = Error;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            Poll::Ready(Some(Err(Error::new(ErrorKind::Reset))))
        }
    }
    let service = RetryLayer::new(policy(3)).layer(service);
    let response = service.oneshot(post("once")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_call_drops_the_attempt_and_the_wait() {
    let (alive, ended) = tokio::sync::oneshot::channel::<()>();
    let alive = Arc::new(std::sync::Mutex::new(Some(alive)));
    let service = service_fn(move |_: Request<ReplayBody<Body>>| {
        let alive = alive.lock().unwrap().take();
        async move {
            let _alive = alive;
            std::future::pending::<Result<Response<Body>, Error>>().await
        }
    });
    let mut call = Box::pin(RetryLayer::new(policy(1)).layer(service).oneshot(get()));
    let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
    drop(call);
    assert!(ended.await.is_err(), "the inner future is gone");
}

#[tokio::test(start_paused = true)]
async fn hops_do_not_multiply_their_retries() {
    // Three hops of our own client with three attempts each, the last backend dead.
    let dead = Script::new([Act::Answer(503)]);
    macro_rules! hop {
        ($next:expr) => {
            ServiceBuilder::new()
                .layer(DeadlineLayer::default())
                .map_response(|response: Response<_>| respond(response.status().as_u16(), &[]))
                .layer(RetryLayer::new(policy(2)))
                .service($next)
        };
    }
    let first = hop!(hop!(hop!(dead.clone())));
    let requests = 1_000;
    for _ in 0..requests {
        assert!(first.clone().oneshot(get()).await.is_ok());
        tokio::time::sleep(ms(20)).await;
    }
    let amplification = dead.calls() as f64 / f64::from(requests);
    assert!((1.05..=1.15).contains(&amplification), "{amplification}");
}

//! The overall time limit.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::BodyExt;
use mesh_core::body::Body;
use mesh_core::context::{AttemptOutcome, Inbound, Outbound};
use mesh_core::error::{Error, ErrorKind};
use mesh_core::policy::TimeoutPolicy;
use mesh_retry::TimeoutLayer;
use mesh_retry::timeout::RequestBody;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Act, Script, chain, channel, data, get, ms, routed};

fn limits(request: u64, idle: u64) -> TimeoutPolicy {
    TimeoutPolicy {
        request: Some(ms(request)),
        per_try: None,
        idle: Some(ms(idle)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_limit_and_cancels_the_inner_future() {
    struct Bomb(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let dropped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = dropped.clone();
    let service = TimeoutLayer::new(ms(100)).layer(service_fn(move |_: Request<_>| {
        let bomb = Bomb(seen.clone());
        async move {
            let _bomb = bomb;
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        }
    }));
    let start = Instant::now();
    let mut call = std::pin::pin!(service.oneshot(get()));
    let error = call.as_mut().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(start.elapsed(), ms(100));
    assert!(
        dropped.load(std::sync::atomic::Ordering::SeqCst),
        "cancelled before the outer future is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn a_response_at_the_very_end_beats_the_clock() {
    let service = TimeoutLayer::new(ms(100)).layer(Script::new([Act::After(ms(100), 200)]));
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_routes_policy_goes_before_the_layers() {
    let chain = chain(limits(50, 1_000), None);
    let service = TimeoutLayer::new(ms(5_000)).layer(Script::new([Act::Hang]));
    let (request, outbound) = routed(&chain, get());
    let start = Instant::now();
    assert!(service.oneshot(request).await.is_err());
    assert_eq!(start.elapsed(), ms(50));
    assert_eq!(outbound.deadline(), Some(start + ms(50)));
}

#[tokio::test(start_paused = true)]
async fn a_slow_upload_does_not_count() {
    let (feed, body) = channel();
    let service = TimeoutLayer::new(limits(100, 10_000)).layer(Script::new([Act::Hang]));
    let mut request = get().map(|_| Body::new(body));
    let outbound = Outbound::of(request.extensions_mut());
    let start = Instant::now();
    let call = tokio::spawn(service.oneshot(request));
    for _ in 0..5 {
        tokio::time::sleep(ms(95)).await;
        feed.send(data("more")).unwrap();
    }
    assert_eq!(outbound.deadline(), None, "unknown until the upload ends");
    drop(feed);
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(start.elapsed(), ms(5 * 95 + 100));
    assert_eq!(outbound.deadline(), Some(start + ms(5 * 95 + 100)));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_stops_at_the_stated_length_has_sent_all() {
    let (feed, body) = channel();
    let mut request = get().map(|_| Body::new(body));
    request
        .headers_mut()
        .insert("content-length", "4".parse().unwrap());
    let service = TimeoutLayer::new(limits(100, 10_000)).layer(service_fn(
        |request: Request<RequestBody<Body>>| async {
            let mut body = request.into_body();
            body.frame().await.unwrap().unwrap();
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        },
    ));
    feed.send(data("more")).unwrap();
    let start = Instant::now();
    let error = service.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(start.elapsed(), ms(100));
}

#[tokio::test(start_paused = true)]
async fn the_limit_covers_the_response_body() {
    let (feed, body) = channel();
    let mut body = Some(body);
    let service = TimeoutLayer::new(ms(100)).layer(service_fn(move |_: Request<_>| {
        let body = body.take().unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let start = Instant::now();
    let mut response = service.oneshot(get()).await.unwrap().map(Body::new);
    feed.send(data("first")).unwrap();
    assert!(response.frame().await.unwrap().is_ok());
    let error = Error::from_boxed(response.frame().await.unwrap().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::RequestTimeout);
    assert_eq!(start.elapsed(), ms(100));
    assert!(
        response.frame().await.is_none(),
        "an ended body stays ended"
    );
    assert!(feed.is_closed(), "the stream is cancelled");
}

#[tokio::test(start_paused = true)]
async fn silence_restarts_with_every_frame_in_either_direction() {
    let (up, upload) = channel();
    let (down, download) = channel();
    let mut download = Some(download);
    let service = TimeoutLayer::new(TimeoutPolicy {
        request: None,
        idle: Some(ms(100)),
        per_try: None,
    })
    .layer(service_fn(move |request: Request<_>| {
        let body = download.take().unwrap();
        tokio::spawn(async move { Body::new(request.into_body()).collect().await.map(|_| ()) });
        async move { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let request = get().map(|_| Body::new(upload));
    let mut response = service.oneshot(request).await.unwrap().map(Body::new);
    let start = Instant::now();
    let reader = tokio::spawn(async move {
        loop {
            if let Err(error) = response.frame().await.unwrap() {
                return Error::from_boxed(error);
            }
        }
    });
    for turn in 0..6 {
        tokio::time::sleep(ms(80)).await;
        let feed = if turn % 2 == 0 { &up } else { &down };
        feed.send(data("alive")).unwrap();
    }
    let error = reader.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::IdleTimeout);
    assert_eq!(start.elapsed(), ms(6 * 80 + 100));
}

#[tokio::test(start_paused = true)]
async fn silence_before_the_head_is_a_gateway_timeout() {
    let service = TimeoutLayer::new(limits(10_000, 30)).layer(Script::new([Act::Hang]));
    let error = service.oneshot(get()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status().as_u16()),
        (ErrorKind::IdleTimeout, 504)
    );
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_wins_whoever_set_it() {
    let start = Instant::now();
    let inbound = Inbound::begin(&mut http::Extensions::new(), None);
    inbound.set_deadline(start + ms(40));
    for (grpc, noted, serving, expected) in [
        (None, None, false, 100),
        (Some("60m"), None, false, 60),
        (Some("1H"), None, false, 100),
        (Some("60m"), Some(50), false, 50),
        (Some("60m"), Some(50), true, 40),
    ] {
        let script = Script::new([Act::Hang]);
        let service = TimeoutLayer::new(ms(100)).layer(script);
        let mut request = get();
        let outbound = Outbound::begin(request.extensions_mut());
        let begin = Instant::now();
        if let Some(grpc) = grpc {
            request
                .headers_mut()
                .insert("grpc-timeout", grpc.parse().unwrap());
        }
        if let Some(noted) = noted {
            outbound.set_deadline(begin + ms(noted));
        }
        let inbound = Inbound::begin(&mut http::Extensions::new(), None);
        if serving {
            inbound.set_deadline(begin + ms(40));
        }
        let call = inbound.scope(async move { service.oneshot(request).await });
        assert_eq!(call.await.unwrap_err().kind(), ErrorKind::RequestTimeout);
        assert_eq!(
            begin.elapsed(),
            ms(expected),
            "{grpc:?} {noted:?} {serving}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_policys_own_limit_is_the_endpoints_failure() {
    let chain = chain(limits(100, 10_000), None);
    for (deadline, blamed) in [(None, true), (Some(50), false)] {
        let service = TimeoutLayer::default().layer(Script::new([Act::Hang]));
        let (request, outbound) = routed(&chain, get());
        if let Some(deadline) = deadline {
            outbound.set_deadline(Instant::now() + ms(deadline));
        }
        assert!(service.oneshot(request).await.is_err());
        let noted = outbound.attempt().outcome();
        let expected = blamed.then_some(AttemptOutcome::Failed {
            kind: ErrorKind::RequestTimeout,
            after: ms(100),
        });
        assert_eq!(noted, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn no_limit_means_none() {
    let service = TimeoutLayer::new(TimeoutPolicy::NONE)
        .layer(Script::new([Act::After(ms(86_400_000), 200)]));
    assert_eq!(service.oneshot(get()).await.unwrap().status(), 200);
}

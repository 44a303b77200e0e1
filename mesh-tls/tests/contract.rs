//! Every layer keeps the contract of `tower::Service`.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use bytes::Bytes;
use common::{id, intentions, peer, request_of};
use http::{Request, Response};
use http_body_util::Full;
use mesh_core::intention::Decision;
use mesh_core::live::Live;
use mesh_core::normalize::Normalization;
use mesh_core::testing::contract::{Probe, check};
use mesh_tls::authenticate::{Authenticate, AuthenticateLayer};
use mesh_tls::authorize::{Authorize, AuthorizeLayer};
use mesh_tls::forward::{ForwardClientCert, ForwardClientCertLayer};
use mesh_tls::normalize::{Normalize, NormalizeLayer};
use mesh_tls::respond::{ResponseBody, ResponseFuture};

fn probe() -> Probe<Response<Full<Bytes>>> {
    Probe::new(|| Response::new(Full::from("ok")))
}

fn request() -> Request<()> {
    request_of(Some(peer("frontend")), Request::get("/a/./b"))
}

#[tokio::test]
async fn authenticate_keeps_the_contract() {
    check(&AuthenticateLayer::new(), probe(), request).await;
    let nobody = || request_of(None, Request::get("/"));
    check(&AuthenticateLayer::new().optional(), probe(), nobody).await;
}

#[tokio::test]
async fn authorize_keeps_the_contract() {
    let table = Live::fixed(intentions(Decision::Allow, &[]));
    check(&AuthorizeLayer::new(table), probe(), request).await;
}

#[tokio::test]
async fn normalize_keeps_the_contract() {
    check(&NormalizeLayer::default(), probe(), request).await;
    let live = Live::fixed(Normalization::default());
    check(&NormalizeLayer::new(live), probe(), request).await;
}

#[tokio::test]
async fn forward_keeps_the_contract() {
    let layer = ForwardClientCertLayer::append(&id("backend"));
    check(&layer, probe(), request).await;
    check(
        &ForwardClientCertLayer::remove(&id("backend")),
        probe(),
        request,
    )
    .await;
}

#[test]
fn services_and_futures_can_be_sent_and_shared() {
    fn send_and_sync<T: Send + Sync + Unpin>() {}
    send_and_sync::<Authenticate<()>>();
    send_and_sync::<Authorize<(), Live<mesh_core::intention::Table>>>();
    send_and_sync::<Normalize<(), Normalization>>();
    send_and_sync::<ForwardClientCert<()>>();
    send_and_sync::<ResponseFuture<()>>();
    send_and_sync::<ResponseBody<()>>();
}

#[test]
fn a_future_that_may_refuse_is_not_much_larger_than_the_inner_one() {
    type Inner = std::future::Ready<Result<Response<Full<Bytes>>, std::convert::Infallible>>;
    let (outer, inner) = (size_of::<ResponseFuture<Inner>>(), size_of::<Inner>());
    assert!(outer <= inner + 16, "{outer} bytes over {inner}");
}

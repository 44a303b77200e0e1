//! What the server layers let through, refuse and rewrite.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::convert::Infallible;

use bytes::Bytes;
use common::{TD, all_but, id, intentions, peer, peer_with, request_of};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use mesh_core::context::Inbound;
use mesh_core::intention::{By, Decision, RequestFacts, Verdict};
use mesh_core::live::Live;
use mesh_core::normalize::{EscapedSlashes, Normalization, Underscores};
use mesh_tls::authenticate::{AuthenticateLayer, Peer, Unauthenticated};
use mesh_tls::authorize::{AuthorizeLayer, Denied};
use mesh_tls::forward::{Forward, ForwardClientCertLayer};
use mesh_tls::normalize::NormalizeLayer;
use mesh_tls::respond::ResponseBody;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Answer = Response<ResponseBody<Full<Bytes>>>;

/// Answers with what it sees: method, path, and the caller.
async fn echo(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = Peer::of(&request).map(|peer| peer.service_name().unwrap().to_owned());
    let seen = format!("{} {}", request.uri(), caller.unwrap_or_default());
    Ok(Response::new(Full::from(seen)))
}

async fn send<L>(layer: L, request: Request<()>) -> Answer
where
    L: Layer<tower::util::ServiceFn<fn(Request<()>) -> Echo>>,
    L::Service: Service<Request<()>, Response = Answer, Error = Infallible>,
{
    let inner = service_fn((|request| Box::pin(echo(request)) as Echo) as fn(Request<()>) -> Echo);
    layer.layer(inner).oneshot(request).await.unwrap()
}

type Echo =
    std::pin::Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

async fn text(answer: Answer) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn from(service: &str, request: http::request::Builder) -> Request<()> {
    request_of(Some(peer(service)), request)
}

#[tokio::test]
async fn only_a_verified_peer_is_let_in() {
    let layer = AuthenticateLayer::new();
    let answer = send(layer, from("frontend", Request::get("/"))).await;
    assert_eq!(text(answer).await, "/ frontend");
    for nobody in [
        request_of(None, Request::get("/")),
        Request::get("/").body(()).unwrap(),
    ] {
        let answer = send(layer, nobody).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(answer.extensions().get::<Unauthenticated>().is_some());
    }
    let grpc = request_of(
        None,
        Request::post("/a.B/C").header(CONTENT_TYPE, "application/grpc"),
    );
    let answer = send(layer, grpc).await;
    assert_eq!(
        (answer.status(), &answer.headers()["grpc-status"]),
        (StatusCode::OK, &"16".parse().unwrap())
    );
    let answer = send(layer.optional(), request_of(None, Request::get("/"))).await;
    assert_eq!(text(answer).await, "/ ");
}

#[tokio::test]
async fn a_denied_request_looks_as_behind_consuls_sidecar() {
    let layer = || AuthorizeLayer::new(intentions(Decision::Deny, &[("frontend", "deny")]));
    let answer = send(layer(), from("frontend", Request::get("/bird?canary=true"))).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()[CONTENT_TYPE], "text/plain");
    assert_eq!(answer.headers()[CONTENT_LENGTH], "19");
    assert_eq!(
        answer.headers()["x-mesh-denied"],
        "intention frontend => backend (precedence 9)"
    );
    let denied = answer.extensions().get::<Denied>().unwrap();
    assert!(!denied.verdict.as_ref().unwrap().is_allowed());
    assert_eq!(answer.body().size_hint().exact(), Some(19));
    assert_eq!(text(answer).await, "RBAC: access denied");

    let answer = send(layer(), from("frontend", Request::head("/"))).await;
    assert_eq!(
        (answer.status(), &answer.headers()[CONTENT_LENGTH]),
        (StatusCode::FORBIDDEN, &"19".parse().unwrap())
    );
    assert!(answer.body().is_end_stream());

    let call = Request::post("/birds.Birds/Next").header(CONTENT_TYPE, "application/grpc+proto");
    let answer = send(layer(), from("frontend", call)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "7");
    assert_eq!(answer.headers()["grpc-message"], "RBAC: access denied");
    assert!(answer.body().is_end_stream());
}

#[tokio::test]
async fn nobody_is_denied_even_where_the_default_is_allow() {
    let layer = AuthorizeLayer::new(intentions(Decision::Allow, &[]));
    let answer = send(layer.clone(), request_of(None, Request::get("/"))).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["x-mesh-denied"], "no verified identity");
    let answer = send(layer.clone(), Request::new(())).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let answer = send(layer, from("frontend", Request::get("/"))).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_newest_rules_judge_and_the_verdict_is_noted() {
    let (publisher, live) = Live::channel(intentions(Decision::Deny, &[("frontend", "allow")]));
    let layer = AuthorizeLayer::new(live);
    let request = from("frontend", Request::get("/"));
    let inbound = request.extensions().get::<Inbound>().unwrap().clone();
    assert_eq!(send(layer.clone(), request).await.status(), StatusCode::OK);
    assert!(inbound.verdict().unwrap().is_allowed());

    publisher.publish(intentions(Decision::Deny, &[]));
    let request = from("frontend", Request::get("/"));
    let inbound = request.extensions().get::<Inbound>().unwrap().clone();
    let answer = send(layer, request).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()["x-mesh-denied"], "default policy");
    assert!(!inbound.verdict().unwrap().is_allowed());
}

#[tokio::test]
async fn a_closure_may_judge_and_sees_the_request() {
    let judge = |_: &mesh_core::identity::PeerIdentity, facts: &RequestFacts<'_>| {
        let seen = (facts.method, facts.path, facts.authority, facts.xfcc);
        let expected = ("PUT", "/a", "backend:80", Some("By=x;URI=y"));
        Verdict {
            decision: if seen == expected {
                Decision::Allow
            } else {
                Decision::Deny
            },
            by: By::Default,
        }
    };
    let headers = |request: http::request::Builder| {
        request
            .header("x-forwarded-client-cert", "By=x;URI=y")
            .header("host", "backend:80")
    };
    for request in [Request::put("/a?b"), Request::put("http://backend:80/a?b")] {
        let answer = send(
            AuthorizeLayer::new(judge),
            from("frontend", headers(request)),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_closed_path_stays_closed_however_it_is_written() {
    let strict = Normalization {
        merge_slashes: true,
        escaped_slashes: EscapedSlashes::UnescapeAndForward,
        ..Normalization::default()
    };
    let stack = || {
        ServiceBuilder::new()
            .layer(NormalizeLayer::new(strict))
            .layer(AuthorizeLayer::new(all_but("/admin")))
            .service(service_fn(echo))
    };
    for path in [
        "/admin",
        "/admin?x",
        "//admin",
        "/shuffle/../admin",
        "/shuffle/%2e%2e/admin",
        "/shuffle/%2E%2E%2Fadmin",
        "/./admin",
        "/%61dmin",
        "/x%2F..%2fadmin",
        "/\\admin",
        "/admin/../admin",
    ] {
        let answer = stack()
            .oneshot(from("frontend", Request::get(path)))
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }
    for (path, served) in [
        ("/shuffle", "/shuffle"),
        ("/admin/../shuffle?error-rate=50", "/shuffle?error-rate=50"),
        ("/a//b/./c%2Fd", "/a/b/c/d"),
        ("http://frontend/a/../b", "http://frontend/b"),
    ] {
        let answer = stack()
            .oneshot(from("frontend", Request::get(path)))
            .await
            .unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, format!("{served} frontend"), "{path}");
    }
}

#[tokio::test]
async fn what_can_not_be_normalized_is_refused_without_a_body() {
    let layer = NormalizeLayer::default();
    let answer = send(layer, Request::get("/a%00").body(()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.body().is_end_stream());
    let answer = send(layer, Request::get("*").body(()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let grpc = Request::post("/a%00").header(CONTENT_TYPE, "application/grpc");
    let answer = send(layer, grpc.body(()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["grpc-status"], "13");
    for (method, target) in [("OPTIONS", "*"), ("CONNECT", "backend:80")] {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .body(())
            .unwrap();
        assert_eq!(send(layer, request).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_redirect_stays_on_this_host() {
    let layer = NormalizeLayer::new(Normalization {
        escaped_slashes: EscapedSlashes::UnescapeAndRedirect,
        ..Normalization::default()
    });
    for (path, location) in [
        ("/a%2Fb?x=%2F", "/a/b?x=%2F"),
        ("/%2Fevil.test/x", "/.//evil.test/x"),
    ] {
        let answer = send(layer, Request::get(path).body(()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(answer.headers()["location"], location);
    }
    let grpc = Request::post("/a%2Fb").header(CONTENT_TYPE, "application/grpc");
    let answer = send(layer, grpc.body(()).unwrap()).await;
    assert_eq!(answer.headers()["grpc-status"], "13");
    assert!(!answer.headers().contains_key("location"));
}

#[tokio::test]
async fn headers_with_underscores_are_treated_as_configured() {
    let request = || {
        Request::get("/")
            .header("x_role", "admin")
            .header("x-role", "guest")
            .body(())
            .unwrap()
    };
    let (publisher, live) = Live::channel(Normalization::default());
    let layer = NormalizeLayer::new(live);
    let seen = service_fn(|request: Request<()>| async move {
        let count = request.headers().len();
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(count.to_string())))
    });
    for (underscores, status, headers) in [
        (Underscores::Allow, StatusCode::OK, "2"),
        (Underscores::Drop, StatusCode::OK, "1"),
        (Underscores::Reject, StatusCode::BAD_REQUEST, ""),
    ] {
        publisher.publish(Normalization {
            underscores,
            ..Normalization::default()
        });
        let answer = layer.layer(seen).oneshot(request()).await.unwrap();
        assert_eq!(answer.status(), status);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, headers);
    }
}

#[tokio::test]
async fn the_peer_is_forwarded_as_the_newest_element() {
    let seen = service_fn(|request: Request<()>| async move {
        let lines: Vec<_> = request
            .headers()
            .get_all("x-forwarded-client-cert")
            .iter()
            .collect();
        let joined: Vec<_> = lines.iter().map(|line| line.to_str().unwrap()).collect();
        Ok::<_, Infallible>(joined.join(" | "))
    });
    let own = format!(
        "By={};Hash={};Subject=\"\";URI={}",
        id("backend"),
        "07".repeat(32),
        id("frontend")
    );
    let incoming = || {
        Request::get("/")
            .header("x-forwarded-client-cert", "By=a;URI=b")
            .header("x-forwarded-client-cert", "By=c;URI=d")
    };
    let append = ForwardClientCertLayer::append(&id("backend"));
    let bare = from("frontend", Request::get("/"));
    assert_eq!(append.layer(seen).oneshot(bare).await.unwrap(), own);
    let more = append.layer(seen).oneshot(from("frontend", incoming()));
    assert_eq!(more.await.unwrap(), format!("By=a;URI=b,By=c;URI=d,{own}"));
    // Nobody vouches for what an unverified caller wrote.
    let nobody = append.layer(seen).oneshot(request_of(None, incoming()));
    assert_eq!(nobody.await.unwrap(), "");
    // Another leaf of the same digest byte gets an element of its own.
    let other = append.layer(seen).oneshot(from("bees", Request::get("/")));
    assert!(other.await.unwrap().contains("Hash=0707"));

    let (publisher, live) = Live::channel(Forward::Remove);
    let layer = ForwardClientCertLayer::new(&id("backend"), live);
    let removed = layer.layer(seen).oneshot(from("frontend", incoming()));
    assert_eq!(removed.await.unwrap(), "");
    publisher.publish(Forward::Append);
    let appended = layer
        .layer(seen)
        .oneshot(from("frontend", Request::get("/")));
    assert_eq!(appended.await.unwrap(), own);
}

#[tokio::test]
async fn a_mesh_gateway_is_no_service() {
    let gateway = format!("spiffe://{TD}/gateway/mesh/dc/dc1");
    let layer = AuthorizeLayer::new(intentions(Decision::Deny, &[("*", "allow")]));
    let request = request_of(Some(peer_with(&gateway)), Request::get("/"));
    assert_eq!(send(layer, request).await.status(), StatusCode::FORBIDDEN);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_peer_is_an_extractor() {
    use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
    use axum_core::response::IntoResponse;

    let (mut parts, ()) = from("frontend", Request::get("/")).into_parts();
    let peer = <Peer as FromRequestParts<()>>::from_request_parts(&mut parts, &());
    assert_eq!(peer.await.unwrap().service_name(), Some("frontend"));
    let (mut parts, ()) = request_of(None, Request::get("/")).into_parts();
    let nobody = <Peer as FromRequestParts<()>>::from_request_parts(&mut parts, &());
    assert_eq!(
        nobody.await.unwrap_err().into_response().status(),
        StatusCode::FORBIDDEN
    );
    let nobody = <Peer as OptionalFromRequestParts<()>>::from_request_parts(&mut parts, &());
    assert_eq!(nobody.await, Ok(None));
}

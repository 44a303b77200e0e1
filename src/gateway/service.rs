//! [`Gateway`]: a tower service from a host name to a mesh service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_core::context::Inbound;
use mesh_core::error::BoxError;
use mesh_core::live::Live;
use mesh_core::snapshot::Snapshot;
use mesh_core::{Error, ErrorKind};
use pin_project::pin_project;
use tower_service::Service;

use super::Hosts;
use crate::Identity;
use crate::client::{self, Client};
use crate::local::towards;

/// Headers that only the mesh itself may say; from outside they are removed.
const INTERNAL: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-client-cert"),
    HeaderName::from_static("x-mesh-deadline-ms"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-attempt-count"),
    HeaderName::from_static("x-envoy-original-path"),
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ERROR_HEADER: HeaderName = HeaderName::from_static("x-mesh-error");
const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");

/// Hands requests of one public listener on to the services of the mesh.
///
/// Never fails: what the mesh could not do is a response whose `x-mesh-error` header names the reason.
#[derive(Clone)]
pub struct Gateway {
    client: Client,
    listener: Arc<Listener>,
}

struct Listener {
    port: u16,
    name: Arc<str>,
    snapshots: Live<Snapshot>,
    // The hosts of the snapshot of that version; compiled anew when a newer one is met.
    hosts: ArcSwap<(u64, Hosts)>,
}

impl Gateway {
    /// The listener with that configured port of the gateway that `me` is. Calls are made as `me`.
    #[must_use]
    pub fn of(me: &Identity, port: u16) -> Self {
        let snapshots = me.scope().snapshots().clone();
        let first = snapshots.snapshot();
        let name = Arc::clone(&first.local);
        let hosts = (first.version, compile(&first, &name, port));
        let listener = Listener {
            port,
            name,
            snapshots,
            hosts: ArcSwap::from_pointee(hosts),
        };
        Self {
            client: client::client(me),
            listener: Arc::new(listener),
        }
    }

    fn service_of<B>(&self, request: &Request<B>) -> Option<Arc<str>> {
        let listener = &self.listener;
        let version = listener.snapshots.load().version;
        if listener.hosts.load().0 != version {
            let snapshot = listener.snapshots.snapshot();
            let hosts = compile(&snapshot, &listener.name, listener.port);
            listener.hosts.store(Arc::new((snapshot.version, hosts)));
        }
        listener.hosts.load().1.find(authority(request)?).cloned()
    }
}

fn compile(snapshot: &Snapshot, name: &str, port: u16) -> Hosts {
    let entries = &snapshot.world.entries;
    let gateway = entries.ingress_gateway(name);
    let listener =
        gateway.and_then(|gateway| gateway.listeners.iter().find(|l| l.port == i64::from(port)));
    let names: Vec<Arc<str>> = snapshot
        .chains()
        .map(|chain| Arc::clone(&chain.service))
        .collect();
    listener.map_or_else(Hosts::default, |listener| {
        Hosts::compile(listener, entries, &names)
    })
}

/// The host that the request names: the target's authority, else the `Host` header.
fn authority<B>(request: &Request<B>) -> Option<&str> {
    match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers().get(header::HOST)?.to_str().ok(),
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("name", &self.listener.name)
            .field("port", &self.listener.port)
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture {
        let grpc = is_grpc(request.headers());
        if request.method() == http::Method::CONNECT {
            return ResponseFuture::answered(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(service) = self.service_of(&request) else {
            let named = authority(&request).unwrap_or_default();
            let error = Error::new(ErrorKind::UnknownService)
                .with_subject(format!("no service for host `{named}`"));
            return ResponseFuture::refused(error, grpc);
        };
        let deadline = &self.listener.snapshots.load().inbound.deadline_header;
        request.headers_mut().remove(deadline);
        keep_host(&mut request);
        prepare(&mut request);
        ResponseFuture::calling(&mut self.client, request, &service, grpc)
    }
}

/// Hands every request on to one service.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    client: Client,
    destination: Arc<str>,
}

impl Fixed {
    pub(crate) fn new(client: Client, destination: Arc<str>) -> Self {
        Self {
            client,
            destination,
        }
    }
}

impl<B> Service<Request<B>> for Fixed
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<GatewayBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture {
        if request.method() == http::Method::CONNECT {
            return ResponseFuture::answered(StatusCode::METHOD_NOT_ALLOWED);
        }
        // A page in a browser can reach the port under a name of its own; it must not call as this service.
        if !authority(&request).is_some_and(|host| is_local(host, &self.destination)) {
            return ResponseFuture::answered(StatusCode::MISDIRECTED_REQUEST);
        }
        request.headers_mut().remove(header::HOST);
        let grpc = is_grpc(request.headers());
        ResponseFuture::calling(&mut self.client, request, &self.destination, grpc)
    }
}

/// Whether an authority names this machine's loopback, or the destination itself.
fn is_local(authority: &str, destination: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else {
        return false;
    };
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_loopback());
    loopback || host.eq_ignore_ascii_case("localhost") || host == destination
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Makes the host that was matched the host that is served, whatever else the request says.
fn keep_host<B>(request: &mut Request<B>) {
    let host = authority(request).and_then(|host| HeaderValue::from_str(host).ok());
    match host {
        Some(host) => drop(request.headers_mut().insert(header::HOST, host)),
        None => drop(request.headers_mut().remove(header::HOST)),
    }
}

/// What comes from outside loses what only the mesh may say and gets told where it came from.
fn prepare<B>(request: &mut Request<B>) {
    let remote = request
        .extensions()
        .get::<Inbound>()
        .and_then(|inbound| inbound.connection()?.remote);
    let headers = request.headers_mut();
    for name in &INTERNAL {
        headers.remove(name);
    }
    if let Some(remote) = remote {
        let ip = remote.ip().to_string();
        let chain = match headers
            .get(FORWARDED_FOR)
            .and_then(|value| value.to_str().ok())
        {
            Some(before) => format!("{before}, {ip}"),
            None => ip,
        };
        if let Ok(value) = HeaderValue::try_from(chain) {
            headers.insert(FORWARDED_FOR, value);
        }
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
}

/// Future of [`Gateway`].
#[pin_project]
#[derive(Debug)]
pub struct ResponseFuture {
    #[pin]
    kind: Kind,
    grpc: bool,
}

#[pin_project(project = KindProj)]
#[derive(Debug)]
enum Kind {
    Called(#[pin] client::ResponseFuture),
    Refused(Option<Error>),
    Answered(Option<Response<GatewayBody>>),
}

impl ResponseFuture {
    fn calling<B>(client: &mut Client, mut request: Request<B>, service: &str, grpc: bool) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if let Err(source) = towards(&mut request, service) {
            let error = Error::new(ErrorKind::UnknownService)
                .with_subject(String::from(service))
                .with_source(source);
            return Self::refused(error, grpc);
        }
        Self {
            kind: Kind::Called(client.call(request)),
            grpc,
        }
    }

    /// An answer of the door itself.
    fn answered(status: StatusCode) -> Self {
        let mut response = Response::new(GatewayBody(BodyKind::Text(Bytes::new())));
        *response.status_mut() = status;
        Self {
            kind: Kind::Answered(Some(response)),
            grpc: false,
        }
    }

    fn refused(error: Error, grpc: bool) -> Self {
        Self {
            kind: Kind::Refused(Some(error)),
            grpc,
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<GatewayBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.kind.project() {
            KindProj::Called(future) => std::task::ready!(future.poll(cx)),
            KindProj::Answered(response) => {
                return Poll::Ready(Ok(response
                    .take()
                    .unwrap_or_else(|| refusal(&ErrorKind::Other.into(), false))));
            }
            KindProj::Refused(error) => {
                Err(error.take().unwrap_or_else(|| ErrorKind::Other.into()))
            }
        };
        Poll::Ready(Ok(match answer {
            Ok(response) => response.map(|body| GatewayBody(BodyKind::Mesh(body))),
            Err(error) => refusal(&error, *this.grpc),
        }))
    }
}

/// The answer to a request that the mesh could not carry out.
fn refusal(error: &Error, grpc: bool) -> Response<GatewayBody> {
    let reason = HeaderValue::from_static(error.kind().as_str());
    let mut response = if grpc {
        let mut response = Response::new(GatewayBody(BodyKind::Text(Bytes::new())));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/grpc"),
        );
        headers.insert(
            "grpc-status",
            HeaderValue::from(u16::from(error.kind().grpc_code())),
        );
        headers.insert("grpc-message", reason.clone());
        response
    } else {
        // Which endpoint it was, and why, is nothing for outsiders; the logs and spans have it.
        let told = match error.kind() {
            ErrorKind::UnknownService => error.to_string(),
            kind => Error::new(kind).to_string(),
        };
        let text = Bytes::from(format!("{told}\n"));
        let mut response = Response::new(GatewayBody(BodyKind::Text(text)));
        *response.status_mut() = error.status();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    };
    response.headers_mut().insert(ERROR_HEADER, reason);
    if error.kind() == ErrorKind::Overloaded && response.status() == StatusCode::SERVICE_UNAVAILABLE
    {
        response
            .headers_mut()
            .insert(OVERLOADED, HeaderValue::from_static("true"));
    }
    response
}

/// Body of a gateway's response.
#[pin_project]
#[derive(Debug)]
pub struct GatewayBody(#[pin] BodyKind);

#[pin_project(project = BodyProj)]
#[derive(Debug)]
enum BodyKind {
    Mesh(#[pin] client::ResponseBody),
    Text(Bytes),
}

impl HttpBody for GatewayBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().0.project() {
            BodyProj::Mesh(body) => body.poll_frame(cx).map_err(Into::into),
            BodyProj::Text(text) if text.is_empty() => Poll::Ready(None),
            BodyProj::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            BodyKind::Mesh(body) => body.is_end_stream(),
            BodyKind::Text(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            BodyKind::Mesh(body) => body.size_hint(),
            BodyKind::Text(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_of_the_destination_reach_an_upstream_port() {
        for host in [
            "localhost:6001",
            "127.0.0.1",
            "[::1]:6001",
            "LocalHost",
            "backend",
        ] {
            assert!(is_local(host, "backend"), "{host}");
        }
        for host in [
            "rebound.example:6001",
            "10.0.0.1",
            "localhost.example",
            "",
            "a b",
            "other",
        ] {
            assert!(!is_local(host, "backend"), "{host}");
        }
    }

    #[test]
    fn the_host_that_was_matched_is_the_one_that_is_served() {
        let request = Request::builder().uri("http://localhost:8080/x");
        let mut request = request
            .header(header::HOST, "admin.internal")
            .body(())
            .unwrap();
        keep_host(&mut request);
        assert_eq!(request.headers()[header::HOST], "localhost:8080");
    }
}

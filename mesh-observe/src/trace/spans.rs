//! Names and attributes of spans: OpenTelemetry's HTTP conventions, and the older names that Zipkin's users search for.

use http::{Method, Request, Uri, header};
use mesh_core::context::Inbound;
use mesh_core::net::Address;
use opentelemetry::trace::Status;
use opentelemetry::{KeyValue, Value};

use super::tracing::CLIENT_TRACE_ID;
use crate::metrics::Outcome;

/// Marks a span that has its caller's identifiers; the Zipkin exporter turns it into the field of that name.
pub(crate) const SHARED: &str = "mesh.shared";
pub(crate) const PEER_SERVICE: &str = "peer.service";
pub(crate) const PEER_ADDRESS: &str = "network.peer.address";
pub(crate) const PEER_PORT: &str = "network.peer.port";
const METHOD: &str = "http.request.method";
const PATH: &str = "url.path";
const URL: &str = "http.url";
const STATUS: &str = "http.response.status_code";
const OLD_STATUS: &str = "http.status_code";
const SERVER_ADDRESS: &str = "server.address";
const ERROR_TYPE: &str = "error.type";
const TARGET: &str = "mesh.target";
const REQUEST_ID: &str = "guid:x-request-id";
const CLIENT_TRACE: &str = "guid:x-client-trace-id";

/// Most bytes of a path or of another value that a caller chooses.
const LONGEST: usize = 256;

fn clip(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text(bytes: &[u8]) -> String {
    clip(&String::from_utf8_lossy(bytes)).to_owned()
}

pub(super) fn server_name(method: &Method, path: &str, with_path: bool) -> String {
    if with_path {
        format!("{method} {}", clip(path))
    } else {
        method.as_str().to_owned()
    }
}

/// Method and destination, as far as the request names one.
pub(super) fn client_name<B>(request: &Request<B>) -> String {
    match request.uri().host() {
        Some(host) => format!("{} {}", request.method(), clip(host)),
        None => request.method().as_str().to_owned(),
    }
}

/// The URL without user, password and query, which may hold secrets.
fn url(uri: &Uri, host: Option<&str>) -> String {
    let scheme = uri.scheme_str().unwrap_or("http");
    let host = uri.host().or(host).unwrap_or("");
    format!("{scheme}://{host}{}", clip(uri.path()))
}

pub(super) fn server_attributes<B>(
    request: &Request<B>,
    inbound: &Inbound,
    id: &http::HeaderValue,
) -> Vec<KeyValue> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(clip);
    let mut attributes = vec![
        KeyValue::new(METHOD, request.method().as_str().to_owned()),
        KeyValue::new(PATH, clip(request.uri().path()).to_owned()),
        KeyValue::new(URL, url(request.uri(), host)),
        KeyValue::new(REQUEST_ID, text(id.as_bytes())),
    ];
    if let Some(id) = request.headers().get(CLIENT_TRACE_ID) {
        attributes.push(KeyValue::new(CLIENT_TRACE, text(id.as_bytes())));
    }
    if let Some(source) = inbound.peer().and_then(|peer| peer.service_name()) {
        attributes.push(KeyValue::new(PEER_SERVICE, source.to_owned()));
    }
    if let Some(remote) = inbound
        .connection()
        .and_then(|connection| connection.remote)
    {
        attributes.push(KeyValue::new(PEER_ADDRESS, remote.ip().to_string()));
        attributes.push(KeyValue::new(PEER_PORT, i64::from(remote.port())));
    }
    attributes
}

pub(super) fn client_attributes<B>(request: &Request<B>) -> Vec<KeyValue> {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(clip);
    vec![
        KeyValue::new(METHOD, request.method().as_str().to_owned()),
        KeyValue::new(PATH, clip(request.uri().path()).to_owned()),
        KeyValue::new(URL, url(request.uri(), host)),
    ]
}

/// The target of a call.
pub(crate) fn target(id: &str) -> KeyValue {
    KeyValue::new(TARGET, id.to_owned())
}

/// Where a call went.
pub(crate) fn peer(service: &str, address: Option<&Address>) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(4);
    if !service.is_empty() {
        attributes.push(KeyValue::new(PEER_SERVICE, service.to_owned()));
    }
    if let Some(address) = address {
        attributes.push(KeyValue::new(SERVER_ADDRESS, address.to_string()));
        let host = match address {
            Address::Socket(socket) => socket.ip().to_string(),
            Address::Host(host, _) => (**host).to_owned(),
        };
        attributes.push(KeyValue::new(PEER_ADDRESS, host));
        attributes.push(KeyValue::new(PEER_PORT, i64::from(address.port())));
    }
    attributes
}

/// How it ended: attributes, and the status when it is an error. Any status from 400 is one, as the callers of
/// Zipkin expect.
pub(crate) fn ending(outcome: Outcome) -> (Vec<KeyValue>, Option<Status>) {
    let mut attributes = Vec::with_capacity(3);
    let status = match outcome {
        Outcome::Status(status) | Outcome::Broken(status) | Outcome::Cut(status) => Some(status),
        Outcome::Grpc(_) => Some(200),
        Outcome::Panicked => Some(500),
        Outcome::Failed(_) | Outcome::Dropped => None,
    };
    if let Some(status) = status {
        let status = Value::I64(i64::from(status));
        attributes.push(KeyValue::new(STATUS, status.clone()));
        attributes.push(KeyValue::new(OLD_STATUS, status));
    }
    let description = match (outcome, outcome.error_type()) {
        (Outcome::Status(status @ 400..), _) => format!("status {status}"),
        (_, "") => return (attributes, None),
        (_, kind) => kind.to_owned(),
    };
    attributes.push(KeyValue::new(ERROR_TYPE, description.clone()));
    (attributes, Some(Status::error(description)))
}

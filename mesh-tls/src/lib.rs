//! Who is calling, and may it: SPIFFE mutual TLS, and the server layers that act on the caller's identity.
//!
//! Every service of the mesh has a certificate whose one URI name is its identity, such as
//! `spiffe://<trust domain>/ns/default/dc/dc1/svc/frontend` (SPIFFE-ID, X509-SVID; the form is Consul's). Both sides of a
//! connection present one and check the other's. What a caller may do is decided per request, by the intentions of the
//! service it calls. Names and addresses authenticate nobody.
//!
//! # What is here
//!
//! | module | does |
//! | --- | --- |
//! | [`credentials`] | leaves with their keys: [`Identity`](credentials::Identity), sources, renewal |
//! | [`dev_ca`] | a certificate authority in the mesh directory (feature `dev-ca`) |
//! | [`verify`] | X509-SVID validation, one function for both roles, with a named reason for each refusal |
//! | [`profile`] | versions, suites, ALPN, and what is switched off |
//! | [`connect`] | [`TlsConnector`](connect::TlsConnector): dial exactly the identity that is expected (feature `client`) |
//! | [`accept`], [`serve`](mod@serve) | accept with mutual TLS and serve HTTP/1.1 and HTTP/2 (feature `server`) |
//! | [`normalize`] | one path for judging, routing and serving |
//! | [`authenticate`] | only verified peers; the extractor [`Peer`](authenticate::Peer) |
//! | [`authorize`] | intentions, per request |
//! | [`forward`] | `x-forwarded-client-cert` for the application |
//! | [`events`] | what happens, told to whoever counts it |
//!
//! # Rules
//!
//! 1. TLS 1.3 unless [`TlsProfile`](profile::TlsProfile) says otherwise; hybrid post-quantum key exchange is preferred.
//! 2. The roots that judge a certificate are those of the trust domain that it names, and no others.
//! 3. Sessions are never resumed: a resumed session would skip the verifier.
//! 4. New leaves and roots apply to handshakes that begin afterwards; a server closes connections gracefully whose peer has
//!    expired or lost its root.
//! 5. An own leaf that has expired completes no handshake.
//! 6. Without a verified peer there is no authorization, whatever the default policy is.
//!
//! # Place in the stack
//!
//! ```text
//! socket ─► accept (mTLS, verdict on connections) ─► Observe ─► Normalize ─► Deadline ─► Authorize ─► Limit ─► app
//! ```
//!
//! The layers wrap the **whole** application. A router that has already matched the raw path would run another handler
//! than the one that was authorized. Each layer works alone in anybody's `ServiceBuilder`; they find the caller in the
//! request's [`Inbound`](mesh_core::context::Inbound), which [`serve`](mod@serve) puts there.
//!
//! # Examples
//!
//! A server with its identity in files, closed for everybody but the services that its intentions allow:
//!
//! ```no_run
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use mesh_core::{clock::WallClock, identity::TrustDomain, intention::Table, live::Live};
//! use mesh_tls::authorize::AuthorizeLayer;
//! use mesh_tls::credentials::{FilesSource, Identity};
//! use mesh_tls::normalize::NormalizeLayer;
//! use tower::{ServiceBuilder, service_fn};
//!
//! # async fn run(intentions: Live<Table>) -> Result<(), Box<dyn std::error::Error>> {
//! let domain = TrustDomain::new("birds.consul")?;
//! let files = FilesSource::new("key.pem", "chain.pem", &domain, "roots.pem");
//! let me = Identity::obtain(files, "backend", WallClock::system()).await?;
//!
//! let app = ServiceBuilder::new()
//!     .layer(NormalizeLayer::default())
//!     .layer(AuthorizeLayer::new(intentions))
//!     .service(service_fn(|_: Request<hyper::body::Incoming>| async {
//!         Ok::<_, Infallible>(Response::new(String::from("a bird")))
//!     }));
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:7000").await?;
//! mesh_tls::serve::serve(listener, me, app)
//!     .until(async { drop(tokio::signal::ctrl_c().await) })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A connection to it, for a client of your own or for any pool over [`Connect`](mesh_core::net::Connect):
//!
//! ```no_run
//! # use std::time::Duration;
//! # use mesh_core::identity::{SpiffeId, TrustDomain};
//! use mesh_core::net::{Connect, Destination, Tcp};
//! use mesh_tls::connect::TlsConnector;
//! # use mesh_core::policy::Protocol;
//!
//! # async fn run(me: mesh_tls::credentials::Identity) -> Result<(), Box<dyn std::error::Error>> {
//! let domain = TrustDomain::new("birds.consul")?;
//! let connection = TlsConnector::new(Tcp, me)
//!     .connect(&Destination {
//!         address: "10.0.0.7:7000".parse::<std::net::SocketAddr>()?.into(),
//!         server_name: "backend.default.dc1.internal.birds.consul".into(),
//!         expected: Some(SpiffeId::service(&domain, "dc1", "backend")),
//!         protocol: Protocol::Http2,
//!         timeout: Duration::from_secs(5),
//!     })
//!     .await?;
//! println!("connected to {:?}", connection.peer);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `client` and `server` are on by default. `dev-ca` adds the development authority, `axum` the extractor. None changes what
//! the others do.

#![cfg_attr(
    not(all(feature = "client", feature = "server")),
    allow(dead_code, unused_imports, reason = "some parts are for one role only")
)]

#[cfg(feature = "server")]
pub mod accept;
pub mod authenticate;
pub mod authorize;
#[cfg(feature = "client")]
pub mod connect;
pub mod credentials;
#[cfg(feature = "dev-ca")]
pub mod dev_ca;
pub mod events;
pub mod forward;
pub mod normalize;
pub mod profile;
pub mod respond;
#[cfg(feature = "server")]
pub mod serve;
pub mod verify;

/// End of a peer's leaf as a date.
#[cfg(any(feature = "client", feature = "server"))]
fn leaf_end(peer: &mesh_core::identity::PeerIdentity) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(peer.not_after())
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

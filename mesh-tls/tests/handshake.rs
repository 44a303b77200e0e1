//! What a handshake ends in, over real sockets.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use common::{Ca, Signed, TD, destination, id, raw_client, raw_server, uri};
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use mesh_core::clock::WallClock;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::identity::{TrustBundles, TrustDomain};
use mesh_core::live::Live;
use mesh_core::net::{
    Connect, ConnectError, ConnectErrorKind, Connection, HttpVersion, Listen, Tcp,
};
use mesh_core::policy::Protocol;
use mesh_tls::accept::{AcceptError, Accepted, TlsAcceptor};
use mesh_tls::connect::{TlsConnector, TlsStream, late_refusal};
use mesh_tls::credentials::{Credentials, Identity};
use mesh_tls::profile::TlsProfile;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use rustls::{AlertDescription, HandshakeKind, NamedGroup, ProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Served = Result<Accepted<TcpStream>, AcceptError>;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// One handshake between our acceptor and our connector.
async fn between(
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    edit: impl FnOnce(&mut mesh_core::net::Destination),
) -> (
    Served,
    Result<Connection<TlsStream<TcpStream>>, ConnectError>,
) {
    let (mut listener, address) = listen().await;
    let mut to = destination(address, "backend");
    edit(&mut to);
    let accept = async {
        let (io, from) = Listen::accept(&mut listener).await.unwrap();
        acceptor.accept(io, from, Some(address)).await
    };
    tokio::join!(accept, connector.connect(&to))
}

async fn own_between(
    server: Identity,
    client: Identity,
) -> (Served, Connection<TlsStream<TcpStream>>) {
    let connector = TlsConnector::new(Tcp, client);
    let (served, dialled) = between(TlsAcceptor::new(server), connector, |_| {}).await;
    (served, dialled.unwrap())
}

/// The reason for which our acceptor refuses a client, and the alert that the client gets.
async fn refusal_of_client(ca: &Ca, client: Option<Signed>) -> (&'static str, AlertDescription) {
    let (mut listener, address) = listen().await;
    let acceptor = TlsAcceptor::new(ca.identity("backend"));
    let accept = async {
        let (io, from) = Listen::accept(&mut listener).await.unwrap();
        acceptor.accept(io, from, None).await
    };
    let dial = async {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(raw_client(client)));
        let name = ServerName::try_from("backend.test").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        match connector.connect(name, stream).await {
            // With TLS 1.3 the server's refusal arrives at the first read.
            Ok(mut stream) => stream.read_u8().await.err().unwrap(),
            Err(error) => error,
        }
    };
    let (served, read) = tokio::join!(accept, dial);
    let alert = match read.get_ref().unwrap().downcast_ref() {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        other => panic!("no alert: {other:?}"),
    };
    (served.err().unwrap().reason, alert)
}

/// The error with which our connector refuses a server that presents such a leaf.
async fn refusal_of_server(ca: &Ca, server: Signed) -> ConnectError {
    let (mut listener, address) = listen().await;
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let config = Arc::new(raw_server(server));
    let accept = async {
        let (io, _) = Listen::accept(&mut listener).await.unwrap();
        tokio_rustls::TlsAcceptor::from(config).accept(io).await
    };
    let to = destination(address, "backend");
    let (_, dialled) = tokio::join!(accept, connector.connect(&to));
    dialled.err().unwrap()
}

#[tokio::test]
async fn both_sides_learn_who_the_other_is() {
    let ca = Ca::new();
    let (served, dialled) = own_between(ca.identity("backend"), ca.identity("frontend")).await;
    let served = served.unwrap();
    let client = served.info.peer.as_ref().unwrap();
    assert_eq!(client.spiffe_id(), &id("frontend"));
    assert_eq!(client.service_name(), Some("frontend"));
    let server = dialled.peer.as_ref().unwrap();
    assert_eq!(server.spiffe_id(), &id("backend"));
    assert_eq!(dialled.negotiated, Some(HttpVersion::Http1));
    assert_eq!(served.negotiated, Some(HttpVersion::Http1));
    assert!(dialled.expires.is_some());
}

#[tokio::test]
async fn a_handshake_is_tls13_with_a_hybrid_key_exchange() {
    let ca = Ca::new();
    let (_, dialled) = own_between(ca.identity("backend"), ca.identity("frontend")).await;
    let session = dialled.io.session();
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn alpn_follows_the_protocol() {
    let ca = Ca::new();
    for (protocol, expected) in [
        (Protocol::Http, Some(HttpVersion::Http1)),
        (Protocol::Http2, Some(HttpVersion::Http2)),
        (Protocol::Grpc, Some(HttpVersion::Http2)),
        (Protocol::Tcp, None),
    ] {
        let acceptor = TlsAcceptor::new(ca.identity("backend")).with_protocol(protocol);
        let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
        let (served, dialled) = between(acceptor, connector, |to| to.protocol = protocol).await;
        assert_eq!(served.unwrap().negotiated, expected);
        assert_eq!(dialled.unwrap().negotiated, expected);
    }
}

#[tokio::test]
async fn a_client_is_refused_for_the_rule_that_its_certificate_breaks() {
    let ca = Ca::new();
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let future = rcgen::date_time_ymd(2200, 1, 1);
    let other_domain = "spiffe://other.consul/ns/default/dc/dc1/svc/frontend";
    let cases: Vec<(&str, Option<Signed>)> = vec![
        ("no_certificate", None),
        ("unknown_authority", Some(Ca::new().leaf("frontend"))),
        ("expired", Some(ca.sign("frontend", |p| p.not_after = past))),
        (
            "not_yet_valid",
            Some(ca.sign("frontend", |p| p.not_before = future)),
        ),
        (
            "uri_count",
            Some(ca.sign("frontend", |p| {
                p.subject_alt_names.push(uri(id("backend").as_str()));
            })),
        ),
        (
            "uri_count",
            Some(ca.sign("frontend", |p| {
                p.subject_alt_names = vec![SanType::DnsName("frontend".try_into().unwrap())];
            })),
        ),
        (
            "uri_invalid",
            Some(ca.sign("frontend", |p| {
                p.subject_alt_names = vec![uri("https://frontend.test")];
            })),
        ),
        (
            "no_path",
            Some(ca.sign("frontend", |p| {
                p.subject_alt_names = vec![uri(&format!("spiffe://{TD}"))];
            })),
        ),
        (
            "trust_domain",
            Some(ca.sign("frontend", |p| {
                p.subject_alt_names = vec![uri(other_domain)];
            })),
        ),
        (
            "ca_leaf",
            Some(ca.sign("frontend", |p| {
                p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            })),
        ),
        (
            "key_usage",
            Some(ca.sign("frontend", |p| p.key_usages.push(KeyUsagePurpose::CrlSign))),
        ),
        (
            "key_usage",
            Some(ca.sign("frontend", |p| {
                p.key_usages = vec![KeyUsagePurpose::KeyAgreement];
            })),
        ),
        (
            "extended_key_usage",
            Some(ca.sign("frontend", |p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
        ),
    ];
    for (reason, client) in cases {
        let (refused, _alert) = refusal_of_client(&ca, client).await;
        assert_eq!(refused, reason);
    }
}

#[tokio::test]
async fn a_client_is_told_by_alert_where_tls_has_one() {
    let ca = Ca::new();
    let past = rcgen::date_time_ymd(2020, 1, 1);
    for (client, alert) in [
        (None, AlertDescription::CertificateRequired),
        (
            Some(Ca::new().leaf("frontend")),
            AlertDescription::UnknownCA,
        ),
        (
            Some(ca.sign("frontend", |p| p.not_after = past)),
            AlertDescription::CertificateExpired,
        ),
        (
            Some(ca.sign("frontend", |p| p.subject_alt_names = vec![])),
            AlertDescription::CertificateUnknown,
        ),
    ] {
        assert_eq!(refusal_of_client(&ca, client).await.1, alert);
    }
}

/// A connection whose server refuses us after our side of the handshake was done.
async fn refused_late() -> TlsStream<TcpStream> {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let client = Identity::from_parts(
        Live::fixed(stranger.leaf("frontend").credentials()),
        Live::fixed(ca.bundles()),
        WallClock::system(),
    );
    let (served, dialled) = own_between(ca.identity("backend"), client).await;
    assert_eq!(served.err().unwrap().reason, "unknown_authority");
    dialled.io
}

#[tokio::test]
async fn a_server_that_refuses_us_late_is_told_apart_from_a_broken_connection() {
    let io = TokioIo::new(refused_late().await);
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    let request = sender.send_request(Request::new(Empty::<Bytes>::new()));
    let (error, _) = tokio::join!(request, connection);
    let error = error.err().unwrap();
    let refusal = late_refusal(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(
        (refusal.kind, refusal.reason),
        (ConnectErrorKind::Handshake, "peer_says_unknown_authority")
    );
}

#[tokio::test]
async fn an_alert_after_the_first_byte_is_no_refusal() {
    let ca = Ca::new();
    let (served, mut dialled) = own_between(ca.identity("backend"), ca.identity("frontend")).await;
    let mut served = served.unwrap();
    served.io.write_all(b"x").await.unwrap();
    served.io.flush().await.unwrap();
    assert_eq!(dialled.io.read_u8().await.unwrap(), b'x');
    drop(served);
    let error = dialled.io.read_u8().await.err().unwrap();
    assert!(late_refusal(&error).is_none());
}

#[tokio::test]
async fn a_leaf_without_usage_extensions_is_accepted() {
    let ca = Ca::new();
    let bare = ca.sign("frontend", |p| {
        p.key_usages.clear();
        p.extended_key_usages.clear();
    });
    let client = Identity::from_parts(
        Live::fixed(bare.credentials()),
        Live::fixed(ca.bundles()),
        WallClock::system(),
    );
    let (served, _) = own_between(ca.identity("backend"), client).await;
    assert!(served.is_ok());
}

#[tokio::test]
async fn a_server_is_refused_for_the_rule_that_its_certificate_breaks() {
    let ca = Ca::new();
    let past = rcgen::date_time_ymd(2020, 1, 1);
    for (reason, server) in [
        ("unexpected_identity", ca.leaf("bees")),
        ("unknown_authority", Ca::new().leaf("backend")),
        ("expired", ca.sign("backend", |p| p.not_after = past)),
        (
            "extended_key_usage",
            ca.sign("backend", |p| {
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
        ),
        (
            "uri_count",
            ca.sign("backend", |p| p.subject_alt_names.push(uri("spiffe://x/y"))),
        ),
    ] {
        let error = refusal_of_server(&ca, server).await;
        assert_eq!(
            (error.reason, error.kind),
            (reason, ConnectErrorKind::Identity)
        );
        assert_eq!(Error::from(error).kind(), ErrorKind::Handshake);
    }
}

#[tokio::test]
async fn a_destination_that_expects_nobody_is_not_dialled() {
    let ca = Ca::new();
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let (listener, address) = listen().await;
    let mut to = destination(address, "backend");
    to.expected = None;
    let error = connector.connect(&to).await.err().unwrap();
    assert_eq!(error.reason, "no_expected_identity");
    let accepted = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(accepted.is_err(), "nothing was sent");
}

#[tokio::test]
async fn intermediates_are_used_in_any_order_and_needless_ones_tolerated() {
    let ca = Ca::new();
    let first = ca.intermediate();
    let second = first.intermediate();
    let stranger = Ca::new();
    let mut signed = second.leaf("frontend");
    signed
        .chain
        .extend([stranger.der.clone(), first.der.clone(), second.der.clone()]);
    let client = Identity::from_parts(
        Live::fixed(signed.credentials()),
        Live::fixed(ca.bundles()),
        WallClock::system(),
    );
    let (served, _) = own_between(ca.identity("backend"), client).await;
    assert!(served.is_ok());
}

#[tokio::test]
async fn a_peer_that_knows_the_old_root_accepts_the_new_one_when_it_is_cross_signed() {
    let (old, new) = (Ca::new(), Ca::new());
    let mut signed = new.leaf("frontend");
    let alone = signed.credentials();
    signed.chain.push(new.cross_signed_by(&old));
    let crossed = signed.credentials();
    for (leaf, accepted) in [(crossed, true), (alone, false)] {
        let mut both = old.bundle();
        both.roots.extend(new.bundle().roots);
        let client = Identity::from_parts(
            Live::fixed(leaf),
            Live::fixed(TrustBundles::new(both)),
            WallClock::system(),
        );
        let (served, _) = own_between(old.identity("backend"), client).await;
        assert_eq!(served.is_ok(), accepted);
    }
}

#[tokio::test]
async fn a_root_with_a_name_constraint_for_dns_vouches_for_uri_names() {
    let ca = Ca::constrained(TD);
    let (served, _) = own_between(ca.identity("backend"), ca.identity("frontend")).await;
    assert!(served.is_ok(), "{:?}", served.err());
}

#[tokio::test]
async fn a_root_vouches_only_for_its_own_trust_domain() {
    let (ca, peer_ca) = (Ca::new(), Ca::new());
    let peer = TrustDomain::new("peer.consul").unwrap();
    let mut bundles = ca.bundles();
    let mut peer_bundle = peer_ca.bundle();
    peer_bundle.trust_domain = peer.clone();
    bundles.insert(peer_bundle);
    let server = || {
        Identity::from_parts(
            Live::fixed(ca.leaf("backend").credentials()),
            Live::fixed(bundles.clone()),
            WallClock::system(),
        )
    };
    let of_peer = "spiffe://peer.consul/ns/default/dc/dc2/svc/frontend";
    let signed = |ca: &Ca| {
        ca.sign("frontend", |p| p.subject_alt_names = vec![uri(of_peer)])
            .credentials()
    };
    for (signer, accepted) in [(&peer_ca, true), (&ca, false)] {
        let client = Identity::from_parts(
            Live::fixed(signed(signer)),
            Live::fixed(ca.bundles()),
            WallClock::system(),
        );
        let (served, _) = own_between(server(), client).await;
        match served {
            Ok(served) => {
                assert!(accepted);
                let found = served.info.peer.clone().unwrap();
                assert_eq!(found.trust_domain(), &peer);
            }
            Err(error) => assert_eq!((error.reason, accepted), ("unknown_authority", false)),
        }
    }
}

#[tokio::test]
async fn an_expired_own_leaf_completes_no_handshake_in_either_role() {
    let ca = Ca::new();
    let far = WallClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000_000));
    let short = ca.sign("backend", |p| {
        p.not_after = rcgen::date_time_ymd(2100, 1, 1);
    });
    let expired = Identity::from_parts(
        Live::fixed(short.credentials()),
        Live::fixed(ca.bundles()),
        far,
    );
    assert!(expired.check().is_err());
    let (_, address) = listen().await;
    let dialled = TlsConnector::new(Tcp, expired.clone())
        .connect(&destination(address, "backend"))
        .await;
    assert_eq!(dialled.err().unwrap().reason, "own_certificate_invalid");
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let (served, dialled) = between(TlsAcceptor::new(expired), connector, |_| {}).await;
    assert_eq!(served.err().unwrap().reason, "own_certificate_invalid");
    assert!(dialled.is_err());
}

#[tokio::test]
async fn a_plain_client_gets_an_alert_and_nothing_else() {
    let ca = Ca::new();
    let (mut listener, address) = listen().await;
    let acceptor = TlsAcceptor::new(ca.identity("backend"));
    let accept = async {
        let (io, from) = Listen::accept(&mut listener).await.unwrap();
        acceptor.accept(io, from, None).await
    };
    let dial = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: backend\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let (served, answer) = tokio::join!(accept, async {
        tokio::time::timeout(Duration::from_secs(5), dial).await
    });
    assert_eq!(served.err().unwrap().reason, "not_tls");
    // Content type 21: an alert record, level 2: fatal.
    let answer = answer.unwrap();
    assert_eq!((answer.len(), answer[0], answer[5]), (7, 21, 2));
}

#[tokio::test]
async fn sessions_are_never_resumed() {
    let ca = Ca::new();
    for tls12 in [false, true] {
        let mut config = raw_client(Some(ca.leaf("frontend")));
        config.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let config = Arc::new(config);
        let profile = if tls12 {
            TlsProfile::tls12_only()
        } else {
            TlsProfile::tls13()
        };
        let acceptor = TlsAcceptor::new(ca.identity("backend")).with_profile(profile);
        let (mut listener, address) = listen().await;
        for _ in 0..3 {
            let accept = async {
                let (io, from) = Listen::accept(&mut listener).await.unwrap();
                let mut served = acceptor.accept(io, from, None).await.unwrap();
                served.io.write_all(b"x").await.unwrap();
                let kind = served.io.get_ref().1.handshake_kind();
                (served, kind)
            };
            let dial = async {
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(&config));
                let name = ServerName::try_from("backend.test").unwrap();
                let stream = TcpStream::connect(address).await.unwrap();
                let mut stream = connector.connect(name, stream).await.unwrap();
                // Tickets, if there were any, would have come with the first data.
                assert_eq!(stream.read_u8().await.unwrap(), b'x');
            };
            let ((_served, kind), ()) = tokio::join!(accept, dial);
            assert_ne!(kind, Some(HandshakeKind::Resumed));
        }
    }
}

#[tokio::test]
async fn a_new_handshake_uses_the_newest_leaf_and_roots() {
    let ca = Ca::new();
    let server = ca.live_identity("backend");
    let client = ca.live_identity("frontend");
    let (_, before) = own_between(server.identity.clone(), client.identity.clone()).await;
    let before = *before.peer.unwrap().leaf_sha256();

    server.leaf.publish(ca.leaf("backend").credentials());
    let (_, after) = own_between(server.identity.clone(), client.identity.clone()).await;
    assert_ne!(before, *after.peer.unwrap().leaf_sha256());

    // The client's authority is withdrawn at the server.
    server.roots.publish(Ca::new().bundles());
    let (served, _) = own_between(server.identity, client.identity).await;
    assert_eq!(served.err().unwrap().reason, "unknown_authority");
}

#[tokio::test]
async fn tls12_is_spoken_only_where_the_profile_has_it() {
    let ca = Ca::new();
    let connector =
        || TlsConnector::new(Tcp, ca.identity("frontend")).with_profile(TlsProfile::tls12_only());
    let strict = TlsAcceptor::new(ca.identity("backend"));
    let (served, dialled) = between(strict.clone(), connector(), |_| {}).await;
    assert_eq!(served.err().unwrap().reason, "incompatible");
    assert_eq!(dialled.err().unwrap().reason, "incompatible");
    let lenient = strict.with_profile(TlsProfile::tls13().with_tls12());
    let (served, dialled) = between(lenient, connector(), |_| {}).await;
    let session_version = dialled.unwrap().io.session().protocol_version();
    assert_eq!(session_version, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(
        served.unwrap().info.peer.as_ref().unwrap().service_name(),
        Some("frontend")
    );
}

#[tokio::test]
async fn a_server_name_that_is_none_does_not_prevent_dialling() {
    let ca = Ca::new();
    for name in ["", "not a name", "127.0.0.1", "bad..name"] {
        let acceptor = TlsAcceptor::new(ca.identity("backend"));
        let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
        let (served, dialled) =
            between(acceptor, connector, |to| to.server_name = name.into()).await;
        assert!(served.is_ok() && dialled.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn the_time_limit_covers_the_handshake() {
    let ca = Ca::new();
    let (_listener, address) = listen().await;
    let mut to = destination(address, "backend");
    to.timeout = Duration::from_millis(50);
    let connector = TlsConnector::new(Tcp, ca.identity("frontend"));
    let error = connector.connect(&to).await.err().unwrap();
    assert_eq!(error.kind, ConnectErrorKind::Timeout);

    let (mut listener, address) = listen().await;
    let acceptor = TlsAcceptor::new(ca.identity("backend")).with_timeout(Duration::from_millis(50));
    let _silent = TcpStream::connect(address).await.unwrap();
    let (io, from) = Listen::accept(&mut listener).await.unwrap();
    let error = acceptor.accept(io, from, None).await.err().unwrap();
    assert_eq!(error.reason, "timeout");
}

#[tokio::test]
async fn a_key_in_sec1_is_read_as_consul_issues_it() {
    let ca = Ca::new();
    let signed = ca.leaf("backend");
    let pem = |label: &str, der: &[u8]| {
        let pem = common::pem_of(label, der);
        pem.into_bytes()
    };
    let chain = pem("CERTIFICATE", &signed.chain[0]);
    let sec1 = sec1_of_pkcs8(signed.key.secret_der());
    let key = pem("EC PRIVATE KEY", sec1);
    let credentials = Credentials::from_pem(&chain, &key).unwrap();
    assert_eq!(credentials.spiffe_id(), &id("backend"));
    assert!(Credentials::from_pem(&chain, &chain).is_err());
    let other = ca.leaf("backend");
    let other_key = pem("PRIVATE KEY", other.key.secret_der());
    assert!(Credentials::from_pem(&chain, &other_key).is_err());
}

/// The SEC 1 structure inside a PKCS#8 key of P-256: the content of its last octet string.
fn sec1_of_pkcs8(der: &[u8]) -> &[u8] {
    let at = der
        .windows(4)
        .position(|w| w[0] == 0x04 && w[2] == 0x30 && usize::from(w[1]) == usize::from(w[3]) + 2)
        .unwrap();
    &der[at + 2..]
}

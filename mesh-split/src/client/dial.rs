//! Dialling: how a pool gets another connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mesh_core::endpoint::TargetState;
use mesh_core::error::{Error, ErrorKind};
use mesh_core::net::{Connect, Connection, Destination, HttpVersion, Io};
use mesh_core::policy::{Limits, Protocol};
use mesh_core::snapshot::{Target, TargetPolicy};
use tokio::time::Instant;

use super::connection::{Facts, Lease, open_http1, open_http2};
use super::pool::EndpointPool;
use super::wait::Open;

/// The outcome of a dial, for those that waited for it.
#[derive(Debug)]
pub(super) struct Failure {
    kind: ErrorKind,
    text: String,
}

/// For whom a connection is needed.
#[derive(Clone, Copy)]
pub(super) struct Need<'a> {
    pub(super) target: Option<&'a Target>,
    pub(super) state: Option<&'a Arc<TargetState>>,
    pub(super) limits: Limits,
    timeout: Duration,
}

impl<'a> Need<'a> {
    pub(super) fn of(target: Option<&'a Target>) -> Self {
        let default = TargetPolicy::default();
        let policy = target.map_or(&default, Target::policy);
        Self {
            target,
            state: target.map(Target::state),
            limits: policy.limits,
            timeout: policy.connect_timeout,
        }
    }
}

impl EndpointPool {
    /// Opens a connection, or shares the one that somebody else opens meanwhile. `None` at the connection limit.
    pub(super) async fn open<C: Connect>(
        self: &Arc<Self>,
        connect: &C,
        need: &Need<'_>,
    ) -> Result<Option<Lease>, Error> {
        if !self.speaks_http2.load(Ordering::Relaxed) {
            return self.dial(connect, need).await;
        }
        let dials = self.dials.load(Ordering::Acquire);
        let _turn = self.dialling.lock().await;
        if let Some(lease) = self.pooled_http2(Instant::now()) {
            return Ok(Some(lease));
        }
        if self.dials.load(Ordering::Acquire) != dials {
            // Whoever held the lock failed on behalf of all that waited, so that they do not fail one after another.
            if let Some(failure) = &*self.failure.load() {
                return Err(Error::new(failure.kind).with_subject(&*failure.text));
            }
        }
        let dialled = self.dial(connect, need).await;
        let failure = dialled.as_ref().err().map(|error| Failure {
            kind: error.kind(),
            text: error.subject().unwrap_or(&self.key).to_owned(),
        });
        self.failure.store(failure.map(Arc::new));
        self.dials.fetch_add(1, Ordering::Release);
        dialled
    }

    async fn dial<C: Connect>(
        self: &Arc<Self>,
        connect: &C,
        need: &Need<'_>,
    ) -> Result<Option<Lease>, Error> {
        let Some(open) = Open::reserve(need.state, &need.limits, &self.open, &self.waiting) else {
            return Ok(None);
        };
        let generation = self.generation.load(Ordering::Relaxed);
        let destination = Destination {
            timeout: need.timeout,
            ..self.destination.clone()
        };
        let connection = connect.connect(&destination).await?;
        self.check_identity(&connection)?;
        let version = connection
            .negotiated
            .unwrap_or_else(|| default_version(destination.protocol));
        let facts = Facts {
            expires: self.expiry(connection.expires),
            owner: open.target().cloned(),
            generation,
        };
        let begun = self.begin(version, connection.io, facts, open);
        match tokio::time::timeout(need.timeout, begun).await {
            Ok(Ok(lease)) => Ok(Some(lease)),
            Ok(Err(error)) => Err(Error::new(ErrorKind::Connect)
                .with_subject(&*self.key)
                .with_source(error)),
            Err(_) => Err(Error::new(ErrorKind::ConnectTimeout).with_subject(&*self.key)),
        }
    }

    async fn begin<I: Io>(
        self: &Arc<Self>,
        version: HttpVersion,
        io: I,
        facts: Facts,
        open: Open,
    ) -> hyper::Result<Lease> {
        let is_http2 = version == HttpVersion::Http2;
        self.speaks_http2.store(is_http2, Ordering::Relaxed);
        if !is_http2 {
            let connection = open_http1(io, facts, open).await?;
            return Ok(Lease::http1(self, connection, false));
        }
        let connection = open_http2(io, facts, open, &self.config).await?;
        let now = Instant::now();
        let generation = self.generation.load(Ordering::Relaxed);
        self.http2.rcu(|present| {
            let usable = present.iter().filter(|c| c.is_usable(now, generation));
            usable.chain([&connection]).cloned().collect::<Vec<_>>()
        });
        Ok(Lease::http2(self, connection, false))
    }

    /// The connector answers for this; a second look costs nothing and a request is never sent to somebody else.
    fn check_identity<I>(&self, connection: &Connection<I>) -> Result<(), Error> {
        let Some(expected) = &self.destination.expected else {
            return Ok(());
        };
        match &connection.peer {
            Some(peer) if peer.spiffe_id() == expected => Ok(()),
            Some(peer) => Err(Error::new(ErrorKind::Handshake)
                .with_subject(&*self.key)
                .with_source(format!("expected {expected}, found {}", peer.spiffe_id()))),
            None => Err(Error::new(ErrorKind::Handshake)
                .with_subject(&*self.key)
                .with_source(format!("expected {expected}, found no identity"))),
        }
    }

    fn expiry(&self, expires: Option<Instant>) -> Option<Instant> {
        let expires = expires?;
        let early = expires.checked_sub(self.config.expiry_margin);
        // A life shorter than the margin still serves the request that it was opened for.
        Some(early.unwrap_or(expires))
    }
}

/// What is spoken where the handshake settled nothing.
pub(super) fn default_version(protocol: Protocol) -> HttpVersion {
    match protocol {
        Protocol::Http2 | Protocol::Grpc => HttpVersion::Http2,
        Protocol::Http | Protocol::Tcp => HttpVersion::Http1,
    }
}

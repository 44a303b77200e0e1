//! [`Identity`], the handle that connectors and servers take.

use std::sync::Arc;
use std::time::Duration;

use mesh_core::clock::WallClock;
use mesh_core::identity::{ConsulId, SpiffeId, TrustBundles};
use mesh_core::live::{Live, Publisher};
use mesh_core::random::{draw, unit};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::task::AbortHandle;

use super::leaf::Credentials;
use super::renewal::back_off;
use super::source::{CertificateSource, SourceError};
use crate::events::{Events, SharedEvents};
use crate::profile;
use crate::verify::{Refused, Role, verify};

/// However short a leaf's life is, it is not renewed more often.
const MIN_PAUSE: Duration = Duration::from_secs(5);
/// After its root was withdrawn, a leaf is renewed within this time.
const ROTATION: Duration = Duration::from_secs(30);

/// The identity of one service in this process; a clone is one reference count.
///
/// The background task that renews the leaf ends with the last clone. Two services in one process have two identities,
/// and no connection of one is ever used by the other.
#[derive(Clone, Debug)]
pub struct Identity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    spiffe_id: SpiffeId,
    service: Arc<str>,
    credentials: Live<Credentials>,
    bundles: Live<TrustBundles>,
    clock: WallClock,
    _renewal: Option<AbortOnDrop>,
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Identity {
    /// An identity whose leaf and roots somebody else renews.
    #[must_use]
    pub fn from_parts(
        credentials: Live<Credentials>,
        bundles: Live<TrustBundles>,
        clock: WallClock,
    ) -> Self {
        Self::assemble(credentials, bundles, clock, None)
    }

    /// Obtains a leaf for a service and renews it in the background until the last clone is dropped.
    ///
    /// # Errors
    /// When the source gives no leaf, or that of another service.
    pub async fn obtain(
        source: impl CertificateSource,
        service: &str,
        clock: WallClock,
    ) -> Result<Self, SourceError> {
        Self::obtain_with(source, service, clock, crate::events::Silent).await
    }

    /// As [`Identity::obtain`], with somebody who is told of renewals.
    ///
    /// # Errors
    /// As [`Identity::obtain`].
    pub async fn obtain_with(
        source: impl CertificateSource,
        service: &str,
        clock: WallClock,
        events: impl Events,
    ) -> Result<Self, SourceError> {
        let first = obtain(&source, service).await?;
        let bundles = source.bundles();
        let (publisher, credentials) = Live::channel(first);
        let renewal = Renewing {
            source,
            service: service.to_owned(),
            publisher,
            clock,
            events: SharedEvents(Arc::new(events)),
        };
        let task = tokio::spawn(renewal.run());
        let guard = AbortOnDrop(task.abort_handle());
        Ok(Self::assemble(credentials, bundles, clock, Some(guard)))
    }

    fn assemble(
        credentials: Live<Credentials>,
        bundles: Live<TrustBundles>,
        clock: WallClock,
        renewal: Option<AbortOnDrop>,
    ) -> Self {
        let spiffe_id = credentials.load().spiffe_id().clone();
        let service = service_of(&spiffe_id).unwrap_or_default().into();
        Self {
            shared: Arc::new(Shared {
                spiffe_id,
                service,
                credentials,
                bundles,
                clock,
                _renewal: renewal,
            }),
        }
    }

    /// The identity, as it stands in the leaf.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.shared.spiffe_id
    }

    /// The name of the service; empty when the identity is not that of a service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// The newest leaf with its key.
    #[must_use]
    pub fn credentials(&self) -> &Live<Credentials> {
        &self.shared.credentials
    }

    /// The roots that are trusted.
    #[must_use]
    pub fn bundles(&self) -> &Live<TrustBundles> {
        &self.shared.bundles
    }

    /// The date that certificates are judged by.
    #[must_use]
    pub fn clock(&self) -> WallClock {
        self.shared.clock
    }

    /// Whether a handshake can complete now: there are roots, and the leaf is valid and leads to one of them.
    ///
    /// # Errors
    /// The rule that the own leaf breaks.
    pub fn check(&self) -> Result<(), Refused> {
        check_own(
            &self.shared.credentials.load(),
            &self.shared.bundles.load(),
            &self.shared.clock,
        )
    }

    /// Whether the own leaf is valid now, whoever trusts it.
    #[cfg(any(feature = "client", feature = "server"))]
    pub(crate) fn has_valid_leaf(&self) -> bool {
        self.usable().is_some()
    }

    /// The key and chain for a handshake that begins now; `None` when the leaf is not valid.
    fn usable(&self) -> Option<Arc<CertifiedKey>> {
        let credentials = self.shared.credentials.load();
        credentials
            .is_valid_at(self.shared.clock.now())
            .then(|| Arc::clone(credentials.certified_key()))
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.usable()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.usable()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn service_of(id: &SpiffeId) -> Option<String> {
    ConsulId::parse(id.as_str())
        .ok()?
        .service()
        .map(ToOwned::to_owned)
}

fn check_own(
    credentials: &Credentials,
    bundles: &TrustBundles,
    clock: &WallClock,
) -> Result<(), Refused> {
    let chain = &credentials.certified_key().cert;
    let now = profile::unix_time(clock);
    let id = credentials.spiffe_id();
    verify(Role::Server, chain, bundles, Some(id), now).map(drop)
}

async fn obtain(
    source: &impl CertificateSource,
    service: &str,
) -> Result<Credentials, SourceError> {
    let credentials = source.obtain(service).await?;
    if service_of(credentials.spiffe_id()).as_deref() == Some(service) {
        Ok(credentials)
    } else {
        Err(SourceError::OtherService {
            wanted: service.to_owned(),
            found: credentials.spiffe_id().clone(),
        })
    }
}

/// The background task.
struct Renewing<S> {
    source: S,
    service: String,
    publisher: Publisher<Credentials>,
    clock: WallClock,
    events: SharedEvents,
}

impl<S: CertificateSource> Renewing<S> {
    async fn run(self) {
        let current = self.publisher.reader();
        let bundles = self.source.bundles();
        let mut roots = bundles.changed();
        let mut failures = 0u32;
        loop {
            let wait = match failures {
                0 => self
                    .source
                    .wait(&current.load(), self.clock.now(), draw())
                    .max(MIN_PAUSE),
                _ => back_off(failures, draw()),
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {}
                changed = roots.changed() => {
                    if changed.is_err() {
                        // Roots that never change again.
                        tokio::time::sleep(wait).await;
                    } else if check_own(&current.load(), &bundles.load(), &self.clock).is_err() {
                        tokio::time::sleep(ROTATION.mul_f64(unit(draw()))).await;
                    } else {
                        continue;
                    }
                }
            }
            failures = self.renew(&current, failures).await;
        }
    }

    /// Returns how often obtaining has failed in a row.
    async fn renew(&self, current: &Live<Credentials>, failures: u32) -> u32 {
        match obtain(&self.source, &self.service).await {
            Ok(newer) => {
                let is_new = newer.certified_key().cert != current.load().certified_key().cert;
                if is_new {
                    let (id, not_after) = (newer.spiffe_id().clone(), newer.not_after());
                    self.publisher.publish(newer);
                    tracing::debug!(%id, "leaf certificate renewed");
                    self.events.renewed(&id, not_after);
                }
                0
            }
            Err(error) => {
                let failures = failures.saturating_add(1);
                let id = current.load().spiffe_id().clone();
                tracing::warn!(
                    %id, failures, error = &error as &dyn std::error::Error,
                    "leaf certificate not renewed; the old one stays in use"
                );
                self.events.renewal_failed(&id, failures);
                failures
            }
        }
    }
}

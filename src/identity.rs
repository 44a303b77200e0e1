//! [`Identity`]: who a service is in the mesh, and everything that belongs to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mesh_core::catalog::Instance;
use mesh_core::config::ServiceDefinition;
use mesh_core::context::ConnectionInfo;
use mesh_core::identity::{PeerIdentity, SpiffeId};
use mesh_core::net::{BoxConnect, Tcp};
use mesh_core::snapshot::{Mesh, Scope, World, prometheus_bind_addr};
use mesh_observe::{Observers, TraceConfig};
use mesh_split::client::Pools;
use mesh_tls::connect::TlsConnector;
use tokio::net::TcpListener;

use crate::telemetry::{Counted, Telemetry};

/// A local service: its certificate, its view of the mesh, its connections and its telemetry. Cheap to clone.
///
/// Two identities in one process share none of these, so a call of one service never travels over a connection that
/// was authenticated as the other.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    service: Arc<str>,
    instance: Option<Arc<Instance>>,
    mesh: Mesh,
    scope: Scope,
    tls: mesh_tls::credentials::Identity,
    pools: Pools<BoxConnect>,
    telemetry: Telemetry,
}

/// Why an identity could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name is a service with several instances.
    #[error("`{service}` has several instances ({ids}): name the instance's id")]
    Ambiguous {
        /// The service.
        service: String,
        /// The ids of its instances.
        ids: String,
    },
    /// The certificate could not be obtained.
    #[error("no certificate for `{service}`")]
    Certificate {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: mesh_core::BoxError,
    },
    /// The metrics address could not be listened on.
    #[error(
        "the metrics of `{service}` cannot be served on {address} (envoy_prometheus_bind_addr)"
    )]
    Metrics {
        /// The service.
        service: String,
        /// The address as written.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tracing settings are out of range or the collector's address is none.
    #[error("the tracing settings of `{service}` are unusable")]
    Tracing {
        /// The service.
        service: String,
        /// Why.
        #[source]
        source: mesh_core::BoxError,
    },
}

impl Identity {
    /// The identity of a service, or of the instance with that id where a service has several here.
    ///
    /// Obtains a certificate as `certificates` in `mesh.hcl` says and renews it in the background; serves the metrics
    /// where the registration has `envoy_prometheus_bind_addr`; sends spans to the collector that `proxy-defaults` or
    /// `mesh.hcl` names.
    ///
    /// # Errors
    /// [`IdentityError`]; each names the service and the setting.
    pub async fn of(mesh: &Mesh, name: &str) -> Result<Self, IdentityError> {
        Self::builder(mesh, name).build().await
    }

    /// As [`Identity::of`], with settings of the process's own.
    pub fn builder(mesh: &Mesh, name: &str) -> IdentityBuilder {
        IdentityBuilder {
            mesh: mesh.clone(),
            name: name.to_owned(),
            tls: None,
            trace: None,
            zipkin: None,
        }
    }

    /// Name of the service.
    #[must_use]
    pub fn service(&self) -> &Arc<str> {
        &self.inner.service
    }

    /// The SPIFFE id in the certificate.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        self.inner.tls.spiffe_id()
    }

    /// The registered instance, where there is one.
    #[must_use]
    pub fn instance(&self) -> Option<&Arc<Instance>> {
        self.inner.instance.as_ref()
    }

    /// The mesh.
    #[must_use]
    pub fn mesh(&self) -> &Mesh {
        &self.inner.mesh
    }

    /// This service's view of the mesh.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    /// The certificate and trust roots, for stacks of one's own.
    #[must_use]
    pub fn tls(&self) -> &mesh_tls::credentials::Identity {
        &self.inner.tls
    }

    /// Metrics and tracing, for stacks of one's own.
    #[must_use]
    pub fn observers(&self) -> &Observers {
        self.inner.telemetry.observers()
    }

    /// Where the metrics are served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.inner.telemetry.metrics_address()
    }

    /// This identity's connections.
    #[must_use]
    pub fn pools(&self) -> &Pools<BoxConnect> {
        &self.inner.pools
    }

    /// Listens on the address and port of the registration.
    ///
    /// # Errors
    /// What the operating system says, with the address; [`io::ErrorKind::NotFound`] when nothing is registered here.
    pub async fn listen(&self) -> io::Result<TcpListener> {
        let Some(instance) = self.instance() else {
            let message = format!(
                "`{}` has no registration that says where to listen",
                self.service()
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        };
        let host = if instance.address.is_empty() {
            &instance.node.address
        } else {
            &instance.address
        };
        bind(host, instance.port).await
    }

    /// Sends what telemetry has not sent yet. Call it last.
    pub async fn flush(&self) {
        self.inner.telemetry.flush().await;
    }

    pub(crate) fn counted(&self) -> Counted {
        self.inner.telemetry.counted()
    }

    /// Whether a connection may be opened at all: intentions of services that do not speak HTTP.
    pub(crate) fn admits(&self, info: &ConnectionInfo) -> bool {
        let snapshot = self.scope().snapshots().load();
        if snapshot.intentions.is_http() {
            return true;
        }
        let Some(peer) = info.peer.as_ref().map(PeerIdentity::spiffe_id) else {
            return false;
        };
        mesh_core::intention::evaluate(&snapshot.intentions, peer, None).is_allowed()
    }
}

pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {host}:{port}: {error}"),
        )
    })
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("spiffe_id", self.spiffe_id())
            .finish_non_exhaustive()
    }
}

/// Settings of an [`Identity`] that the process decides itself.
#[must_use]
pub struct IdentityBuilder {
    mesh: Mesh,
    name: String,
    tls: Option<mesh_tls::credentials::Identity>,
    trace: Option<TraceConfig>,
    zipkin: Option<String>,
}

impl fmt::Debug for IdentityBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl IdentityBuilder {
    /// Uses this certificate and renewal instead of what `mesh.hcl` says.
    pub fn tls(mut self, tls: mesh_tls::credentials::Identity) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How the service traces. The default samples nothing but what a caller forces, as Consul does.
    pub fn trace(mut self, trace: TraceConfig) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Sends spans to this URL instead of the configured one.
    pub fn zipkin(mut self, url: impl Into<String>) -> Self {
        self.zipkin = Some(url.into());
        self
    }

    /// Obtains the identity.
    ///
    /// # Errors
    /// As [`Identity::of`].
    pub async fn build(self) -> Result<Identity, IdentityError> {
        let world = self.mesh.world().snapshot();
        let (service, instance) = find(&world, &self.name)?;
        let definition = definition(&world, instance.as_deref());
        // Callers of a gateway are outsiders: what only the mesh may ask for is not taken from them.
        let edge = instance
            .as_ref()
            .is_some_and(|instance| instance.kind == "ingress-gateway");
        let trace = self.trace.unwrap_or_else(|| TraceConfig {
            edge,
            ..TraceConfig::new(Arc::clone(&service))
        });
        let metrics = definition.as_deref().and_then(prometheus_bind_addr);
        let telemetry = Telemetry::start(
            &self.mesh,
            &service,
            instance.as_ref(),
            metrics,
            trace,
            self.zipkin,
        )
        .await?;
        let tls = match self.tls {
            Some(tls) => tls,
            None => certificate(&self.mesh, &world, &service, telemetry.counted()).await?,
        };
        telemetry.watch_certificate(&tls);
        let connector = TlsConnector::new(Tcp, tls.clone()).with_events(telemetry.counted());
        let scope = self.mesh.scope(&service);
        let pools = Pools::new(tls.spiffe_id().as_str(), BoxConnect::new(connector));
        let inner = Inner {
            service,
            instance,
            mesh: self.mesh,
            scope,
            tls,
            pools,
            telemetry,
        };
        Ok(Identity {
            inner: Arc::new(inner),
        })
    }
}

/// An instance id, else the name of a service.
fn find(world: &World, name: &str) -> Result<(Arc<str>, Option<Arc<Instance>>), IdentityError> {
    match (world.catalog.instances(name), world.instances.get(name)) {
        ([only], _) => Ok((Arc::clone(&only.service), Some(Arc::clone(only)))),
        (_, Some(instance)) => Ok((Arc::clone(&instance.service), Some(Arc::clone(instance)))),
        ([], None) => Ok((Arc::from(name), None)),
        (several, None) => {
            let ids: Vec<&str> = several.iter().map(|instance| &*instance.id).collect();
            Err(IdentityError::Ambiguous {
                service: name.to_owned(),
                ids: ids.join(", "),
            })
        }
    }
}

fn definition(world: &World, instance: Option<&Instance>) -> Option<Arc<ServiceDefinition>> {
    let instance = instance?;
    let mut definitions = world.services.iter();
    definitions
        .find(|d| d.name == instance.service && d.port == i64::from(instance.port))
        .cloned()
}

async fn certificate(
    mesh: &Mesh,
    world: &World,
    service: &Arc<str>,
    events: Counted,
) -> Result<mesh_tls::credentials::Identity, IdentityError> {
    let failed = |source: mesh_core::BoxError| IdentityError::Certificate {
        service: service.to_string(),
        source,
    };
    let settings = &world.settings.certificates;
    let clock = mesh.clock();
    match (settings.source.as_str(), &settings.files) {
        ("files", Some(files)) => {
            let base = mesh.directory().unwrap_or(Path::new("."));
            let local = files.bundles.first().map_or("", String::as_str);
            let source = mesh_tls::credentials::FilesSource::new(
                base.join(&files.key),
                base.join(&files.cert),
                &world.trust_domain,
                base.join(local),
            );
            mesh_tls::credentials::Identity::obtain_with(source, service, clock, events)
                .await
                .map_err(|error| failed(error.into()))
        }
        ("" | "dev-ca", _) => dev_ca(mesh, world, service, events).await.map_err(failed),
        (other, _) => Err(failed(
            format!("`certificates.source = \"{other}\"` is not supported").into(),
        )),
    }
}

#[cfg(feature = "dev-ca")]
async fn dev_ca(
    mesh: &Mesh,
    world: &World,
    service: &Arc<str>,
    events: Counted,
) -> Result<mesh_tls::credentials::Identity, mesh_core::BoxError> {
    let Some(directory) = mesh.directory().map(Path::to_path_buf) else {
        return Err("the development CA lives in a directory, and this mesh has none: pass a certificate to the builder".into());
    };
    let trust_domain = world.trust_domain.clone();
    let open = move || mesh_tls::dev_ca::DevCa::open(&directory, Some(&trust_domain));
    let ca = tokio::task::spawn_blocking(open).await??;
    let source = ca.source(&world.datacenter, mesh.clock());
    Ok(mesh_tls::credentials::Identity::obtain_with(source, service, mesh.clock(), events).await?)
}

#[cfg(not(feature = "dev-ca"))]
#[expect(clippy::unused_async, reason = "has the signature of the other one")]
async fn dev_ca(
    _: &Mesh,
    _: &World,
    _: &Arc<str>,
    _: Counted,
) -> Result<mesh_tls::credentials::Identity, mesh_core::BoxError> {
    Err("this build has no development CA (feature `dev-ca`): use `certificates { source = \"files\" … }`".into())
}

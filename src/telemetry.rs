//! What an identity reports: its metrics and where they are served, its spans and where they go.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mesh_core::catalog::Instance;
use mesh_core::context::ConnectionInfo;
use mesh_core::identity::PeerIdentity;
use mesh_core::net::Address;
use mesh_core::snapshot::{Mesh, World};
use mesh_observe::admin::MetricsService;
use mesh_observe::{Metrics, Observers, TraceConfig};
use mesh_tls::events::Events;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::identity::IdentityError;

/// How often gauges that nobody pushes are brought up to date.
const REFRESH: Duration = Duration::from_secs(1);

/// Metrics and tracing of one identity. Background work ends with it.
#[derive(Debug)]
pub(crate) struct Telemetry {
    service: Arc<str>,
    metrics: Metrics,
    observers: Observers,
    exporter: Option<export::Exporter>,
    metrics_address: Option<SocketAddr>,
    tasks: std::sync::Mutex<Vec<AbortHandle>>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        let tasks = self
            .tasks
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for task in tasks {
            task.abort();
        }
    }
}

impl Telemetry {
    pub(crate) async fn start(
        mesh: &Mesh,
        service: &Arc<str>,
        instance: Option<&Arc<Instance>>,
        metrics_bind: Option<&str>,
        trace: TraceConfig,
        zipkin: Option<String>,
    ) -> Result<Self, IdentityError> {
        let metrics = Metrics::new(Arc::clone(service));
        let unusable = |source: mesh_core::BoxError| IdentityError::Tracing {
            service: service.to_string(),
            source,
        };
        let local = instance.and_then(|i| Some(SocketAddr::new(i.address.parse().ok()?, i.port)));
        let world = mesh.world().snapshot();
        let exporter = export::start(&world, service, local, zipkin, &metrics).map_err(unusable)?;
        let trace = shared_context(&world, trace);
        let tracing =
            export::tracing(trace, exporter.as_ref()).map_err(|error| unusable(error.into()))?;
        let observers = Observers::new(metrics.clone(), tracing);
        let mut telemetry = Self {
            service: Arc::clone(service),
            metrics,
            observers,
            exporter,
            metrics_address: None,
            tasks: std::sync::Mutex::default(),
        };
        if let Some(bind) = metrics_bind {
            telemetry.serve_metrics(bind).await?;
        }
        let gauges = tokio::spawn(follow_config(mesh.clone(), telemetry.metrics.clone()));
        telemetry.adopt(gauges.abort_handle());
        Ok(telemetry)
    }

    async fn serve_metrics(&mut self, bind: &str) -> Result<(), IdentityError> {
        let failed = |source| IdentityError::Metrics {
            service: self.service.to_string(),
            address: bind.to_owned(),
            source,
        };
        let listener = TcpListener::bind(bind).await.map_err(failed)?;
        self.metrics_address = listener.local_addr().ok();
        let service = MetricsService::new(self.metrics.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = mesh_tls::serve::serve_plain(listener, service).await {
                tracing::error!(%error, "metrics are not served any more");
            }
        });
        self.adopt(serving.abort_handle());
        Ok(())
    }

    fn adopt(&self, task: AbortHandle) {
        self.tasks
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(task);
    }

    /// Keeps the gauge of the certificate's expiry true.
    pub(crate) fn watch_certificate(&self, tls: &mesh_tls::credentials::Identity) {
        let (metrics, service) = (self.metrics.clone(), Arc::clone(&self.service));
        let credentials = tls.credentials().clone();
        let following = tokio::spawn(async move {
            let mut changes = std::pin::pin!(credentials.changes());
            while let Some(newest) = changes.next().await {
                metrics.gauge_certificate_expiry(&service, newest.not_after());
            }
        });
        self.adopt(following.abort_handle());
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    pub(crate) fn counted(&self) -> Counted {
        Counted {
            metrics: self.metrics.clone(),
        }
    }

    pub(crate) async fn flush(&self) {
        if let Some(exporter) = &self.exporter
            && let Err(error) = exporter.flush().await
        {
            tracing::warn!(%error, "the last spans are lost");
        }
    }
}

/// `shared_span_context` is part of the collector's settings in `proxy-defaults`.
fn shared_context(world: &World, mut trace: TraceConfig) -> TraceConfig {
    let defaults = world.entries.proxy_defaults();
    let collector = defaults.and_then(|d| {
        mesh_core::config::proxy_defaults::tracing_collector(d)
            .ok()
            .flatten()
    });
    if let Some(collector) = collector {
        trace.shared_span_context = collector.shared_span_context;
    }
    trace
}

/// Version and age of the configuration change with time alone, so somebody has to look.
async fn follow_config(mesh: Mesh, metrics: Metrics) {
    let mut refused = 0;
    loop {
        let status = mesh.status();
        metrics.gauge_config_version(status.version);
        metrics.gauge_config_age(status.since.elapsed());
        for _ in refused..status.refused_total {
            metrics.config_rejection();
        }
        refused = status.refused_total;
        tokio::time::sleep(REFRESH).await;
    }
}

/// Counts what happens to connections.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    metrics: Metrics,
}

impl Events for Counted {
    fn accepted(&self, _: &ConnectionInfo, _: Duration) {
        self.metrics.handshake("server", "ok");
    }

    fn refused(&self, remote: SocketAddr, reason: &'static str) {
        tracing::info!(%remote, reason, "handshake refused");
        self.metrics.handshake("server", reason);
    }

    fn denied(&self, info: &ConnectionInfo) {
        let source = info
            .peer
            .as_ref()
            .and_then(PeerIdentity::service_name)
            .unwrap_or("unknown");
        self.metrics.verdict(source, false, "connection");
    }

    fn connected(&self, _: &PeerIdentity, _: Duration) {
        self.metrics.handshake("client", "ok");
    }

    fn connect_failed(&self, address: &Address, reason: &'static str) {
        tracing::debug!(%address, reason, "connecting failed");
        self.metrics.handshake("client", reason);
    }
}

#[cfg(feature = "zipkin")]
mod export {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use mesh_core::config::proxy_defaults::tracing_collector;
    use mesh_core::snapshot::World;
    use mesh_observe::trace::TraceConfigError;
    pub(super) use mesh_observe::zipkin::Exporter;
    use mesh_observe::zipkin::ZipkinConfig;
    use mesh_observe::{Metrics, TraceConfig, Tracing};

    /// The exporter that the process, else `proxy-defaults`, else `mesh.hcl` asks for.
    pub(super) fn start(
        world: &World,
        service: &Arc<str>,
        local: Option<SocketAddr>,
        url: Option<String>,
        metrics: &Metrics,
    ) -> Result<Option<Exporter>, mesh_core::BoxError> {
        let mut config = ZipkinConfig {
            local,
            ..ZipkinConfig::new(Arc::clone(service))
        };
        let defaults = world.entries.proxy_defaults();
        let collector = defaults
            .map(|defaults| tracing_collector(defaults))
            .transpose();
        let collector = collector.map_err(|problem| problem.message)?.flatten();
        if let Some(collector) = &collector {
            config.endpoint = format!(
                "http://{}:{}{}",
                collector.host, collector.port, collector.path
            );
            config.ipv4_only = collector.dns_lookup_family == "V4_ONLY";
            config.connect_timeout = collector.connect_timeout;
        }
        let settings = &world.settings.tracing.zipkin;
        match url {
            Some(url) => config.endpoint = url,
            None if collector.is_some() => {}
            None if !settings.is_empty() => config.endpoint.clone_from(settings),
            None => return Ok(None),
        }
        Ok(Some(Exporter::start(config, metrics.clone())?))
    }

    pub(super) fn tracing(
        config: TraceConfig,
        exporter: Option<&Exporter>,
    ) -> Result<Tracing, TraceConfigError> {
        match exporter {
            Some(exporter) => Tracing::new(config, exporter.provider()),
            None => Tracing::propagation_only(config),
        }
    }
}

#[cfg(not(feature = "zipkin"))]
mod export {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use mesh_core::snapshot::World;
    use mesh_observe::trace::TraceConfigError;
    use mesh_observe::{Metrics, TraceConfig, Tracing};

    /// This build exports no spans; contexts are passed on all the same.
    #[derive(Debug)]
    pub(super) enum Exporter {}

    pub(super) fn tracing(
        config: TraceConfig,
        _: Option<&Exporter>,
    ) -> Result<Tracing, TraceConfigError> {
        Tracing::propagation_only(config)
    }

    impl Exporter {
        #[expect(clippy::unused_async, reason = "has the signature of the other one")]
        pub(super) async fn flush(&self) -> Result<(), std::convert::Infallible> {
            match *self {}
        }
    }

    pub(super) fn start(
        _: &World,
        service: &Arc<str>,
        _: Option<SocketAddr>,
        _: Option<String>,
        _: &Metrics,
    ) -> Result<Option<Exporter>, mesh_core::BoxError> {
        tracing::debug!(
            service = &**service,
            "spans are not exported: built without the feature `zipkin`"
        );
        Ok(None)
    }
}

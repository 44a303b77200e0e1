//! [`Exporter`]: a provider whose spans go to a Zipkin collector.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;

use super::batch::Gate;
use super::client::BatchClient;
use super::config::{ZipkinConfig, ZipkinConfigError};
use crate::metrics::Metrics;
use crate::trace::MeshIds;

/// How long the thread may take to end once its spans were sent or given up.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Sends spans to a Zipkin collector. A clone is the same exporter.
#[derive(Clone, Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
    gate: Gate,
}

/// Why spans were not flushed.
#[derive(Debug, thiserror::Error)]
#[error("spans could not be flushed")]
pub struct ExportError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Exporter {
    /// Starts the thread that collects batches; they are sent on the running tokio runtime.
    ///
    /// # Errors
    ///
    /// A configuration out of range, or no runtime.
    pub fn start(
        config: ZipkinConfig,
        metrics: impl Into<Option<Metrics>>,
    ) -> Result<Self, ZipkinConfigError> {
        config.check()?;
        let runtime = Handle::try_current().map_err(|_| ZipkinConfigError::NoRuntime)?;
        let (config, metrics) = (Arc::new(config), metrics.into());
        let client = BatchClient::new(Arc::clone(&config), metrics.clone(), runtime);
        let gate = Gate::new(&config, client, metrics)?;
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.to_string())
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(gate.clone())
            // The layers decide; a span without a parent is one they want.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_id_generator(MeshIds)
            .with_resource(resource)
            .build();
        Ok(Self { provider, gate })
    }

    /// The provider, for [`Tracing::new`](crate::trace::Tracing::new) and for the application's own spans.
    #[must_use]
    pub fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// Sends what waits. Never blocks the runtime.
    ///
    /// # Errors
    ///
    /// The batch could not be sent, or not in time.
    pub async fn flush(&self) -> Result<(), ExportError> {
        let gate = self.gate.clone();
        aside(move || gate.flush_blocking()).await
    }

    /// Sends what waits and ends the thread; spans that end later are lost. Never blocks the runtime.
    ///
    /// # Errors
    ///
    /// The last batch could not be sent, or not within ten seconds.
    pub async fn shutdown(&self) -> Result<(), ExportError> {
        let gate = self.gate.clone();
        aside(move || gate.close_blocking(LAST_WORDS)).await
    }
}

async fn aside(act: impl FnOnce() -> OTelSdkResult + Send + 'static) -> Result<(), ExportError> {
    match tokio::task::spawn_blocking(act).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ExportError(Box::new(error))),
        Err(error) => Err(ExportError(Box::new(error))),
    }
}

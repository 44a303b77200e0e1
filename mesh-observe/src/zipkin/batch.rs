//! The processor: a bound on the spans that wait, exact counts of those that are lost, and the deprecated exporter.

#![allow(
    deprecated,
    reason = "opentelemetry-zipkin is deprecated as a whole; nothing outside of this file names it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use opentelemetry_zipkin::ZipkinExporter;

use super::client::BatchClient;
use super::config::{ZipkinConfig, ZipkinConfigError};
use crate::metrics::Metrics;

/// Admits spans to the batch processor as long as there is room.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    batches: BatchSpanProcessor,
    pending: Arc<AtomicUsize>,
    limit: usize,
    closed: AtomicBool,
    metrics: Option<Metrics>,
}

/// Takes spans off the count when their batch is done.
#[derive(Debug)]
struct Counted {
    exporter: ZipkinExporter,
    pending: Arc<AtomicUsize>,
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let result = self.exporter.export(batch).await;
        self.pending.fetch_sub(count, Ordering::AcqRel);
        result
    }
}

impl Gate {
    pub(super) fn new(
        config: &ZipkinConfig,
        client: BatchClient,
        metrics: Option<Metrics>,
    ) -> Result<Self, ZipkinConfigError> {
        let exporter = ZipkinExporter::builder()
            .with_collector_endpoint(config.endpoint.as_str())
            .with_http_client(client)
            .build()
            .map_err(|_| ZipkinConfigError::Endpoint)?;
        let pending = Arc::new(AtomicUsize::new(0));
        let settings = BatchConfigBuilder::default()
            .with_max_queue_size(config.queue)
            .with_max_export_batch_size(config.batch.min(config.queue))
            .with_scheduled_delay(config.delay)
            .build();
        let counted = Counted {
            exporter,
            pending: Arc::clone(&pending),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                batches: BatchSpanProcessor::new(counted, settings),
                pending,
                limit: config.queue,
                closed: AtomicBool::new(false),
                metrics,
            }),
        })
    }

    /// Sends what waits. Blocks; not for a runtime's thread.
    pub(super) fn flush_blocking(&self) -> OTelSdkResult {
        self.shared.batches.force_flush()
    }

    /// Sends what waits and ends the thread. Blocks; not for a runtime's thread.
    pub(super) fn close_blocking(&self, timeout: Duration) -> OTelSdkResult {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // The processor's own shutdown does not tell whether its last batch was sent.
        let sent = self.shared.batches.force_flush();
        self.shared.batches.shutdown_with_timeout(timeout)?;
        sent
    }

    fn lost(&self) {
        if let Some(metrics) = &self.shared.metrics {
            metrics.spans_dropped(1);
        }
    }
}

impl SpanProcessor for Gate {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let shared = &*self.shared;
        if !span.span_context.is_sampled() {
            return;
        }
        let has_room = shared
            .pending
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |pending| {
                (pending < shared.limit).then_some(pending + 1)
            })
            .is_ok();
        if has_room && !shared.closed.load(Ordering::Acquire) {
            shared.batches.on_end(span);
        } else {
            self.lost();
        }
    }

    /// Does not wait: OpenTelemetry may call it on a thread of the runtime that the batches need.
    fn force_flush(&self) -> OTelSdkResult {
        let gate = self.clone();
        detach(move || gate.flush_blocking());
        Ok(())
    }

    /// Does not wait either; also what dropping the provider comes to.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let gate = self.clone();
        detach(move || gate.close_blocking(timeout));
        Ok(())
    }
}

fn detach(act: impl FnOnce() -> OTelSdkResult + Send + 'static) {
    // Without a thread to spare the spans are lost, which the processor's own log tells.
    let _ = std::thread::Builder::new()
        .name("mesh-trace-export".to_owned())
        .spawn(act);
}

//! [`Tracing`]: what the layers begin spans with.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Request};
use mesh_core::clock::WallClock;
use mesh_core::context::Inbound;
use mesh_core::random;
use opentelemetry::Context;
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer as _, TracerProvider as _,
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tokio::time::Instant;

use super::config::{TraceConfig, TraceConfigError};
use super::context::{Decision, TraceContext};
use super::decide::{Reason, Signals, decide};
use super::parent::parent_of_call;
use super::propagation::{self, Extracted, Injection};
use super::request_id::{REQUEST_ID, request_id, trace_reason, with_reason};
use super::scope::{Entered, RequestTrace};
use super::spans;
use super::start::{join, remote, start};

pub(super) const CLIENT_TRACE_ID: &str = "x-client-trace-id";
pub(super) const FORCE_TRACE: &str = "x-envoy-force-trace";

/// Begins spans and passes trace context on. A clone is one reference count.
#[derive(Clone, Debug)]
pub struct Tracing {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: TraceConfig,
    tracer: Option<SdkTracer>,
    clock: WallClock,
}

/// The trace of a request being served.
#[derive(Debug)]
pub(crate) struct ServerTrace {
    pub(crate) scope: RequestTrace,
    pub(crate) context: Context,
    pub(crate) recorded: bool,
}

impl ServerTrace {
    /// Makes it current, for OpenTelemetry and for the mesh's own calls, until the guards are dropped.
    pub(crate) fn enter(&self) -> Entered {
        self.scope.enter(self.context.clone())
    }
}

/// The trace of a call being made; lies in the request's extensions for its attempts, when it is recorded.
#[derive(Clone, Debug)]
pub(crate) struct CallTrace(Arc<CallPosition>);

#[derive(Debug)]
struct CallPosition {
    context: TraceContext,
    state: Option<HeaderValue>,
}

impl Tracing {
    /// Tracing with spans of `provider`, which should sample what has no parent and draw its identifiers from
    /// [`MeshIds`](super::MeshIds). Whether a request is traced is decided here and not by the provider.
    ///
    /// # Errors
    ///
    /// A configuration out of range.
    pub fn new(
        config: TraceConfig,
        provider: &SdkTracerProvider,
    ) -> Result<Self, TraceConfigError> {
        Self::assemble(config, Some(provider.tracer("mesh")))
    }

    /// Passes context and request identifiers on, and makes no spans.
    ///
    /// # Errors
    ///
    /// A configuration out of range.
    pub fn propagation_only(config: TraceConfig) -> Result<Self, TraceConfigError> {
        Self::assemble(config, None)
    }

    fn assemble(config: TraceConfig, tracer: Option<SdkTracer>) -> Result<Self, TraceConfigError> {
        config.check()?;
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                tracer,
                clock: WallClock::system(),
            }),
        })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &TraceConfig {
        &self.inner.config
    }

    pub(crate) fn date(&self, instant: Instant) -> SystemTime {
        self.inner.clock.at(instant)
    }

    /// Begins the trace of an incoming request: reads its headers, decides, makes the span.
    pub(crate) fn begin_server<B>(
        &self,
        request: &mut Request<B>,
        inbound: &Inbound,
    ) -> ServerTrace {
        let config = self.config();
        if config.edge {
            self.distrust(request.headers_mut());
        }
        let extracted = propagation::extract(request.headers());
        let state = extracted
            .context
            .and_then(|_| propagation::extract_state(request.headers()));
        if config.is_excluded(request.uri().path()) {
            return Self::pass_on(request.headers(), extracted, state);
        }
        let reason = self.reason(request.headers(), extracted.decision);
        let id = self.identify(request.headers_mut(), reason, None);
        let decision = decided(reason, extracted.decision);
        let parent = extracted.context.map(|context| TraceContext {
            decision,
            ..context
        });
        match &self.inner.tracer {
            Some(tracer) if decision.is_sampled() => {
                self.record_server(tracer, request, inbound, parent, (decision, state, id))
            }
            _ => {
                let context = parent.unwrap_or_else(|| TraceContext::random(decision));
                unrecorded(context, state, Some(id))
            }
        }
    }

    fn distrust(&self, headers: &mut HeaderMap) {
        let config = self.config();
        if !config.allow_edge_force {
            headers.remove(FORCE_TRACE);
        }
        if !config.allow_client_trace {
            headers.remove(CLIENT_TRACE_ID);
        }
        if !config.preserve_request_id {
            headers.remove(REQUEST_ID);
        }
    }

    fn pass_on(
        headers: &HeaderMap,
        extracted: Extracted,
        state: Option<HeaderValue>,
    ) -> ServerTrace {
        let context = extracted
            .context
            .unwrap_or_else(|| TraceContext::random(Decision::Deny));
        unrecorded(context, state, headers.get(REQUEST_ID).cloned())
    }

    fn reason(&self, headers: &HeaderMap, context: Decision) -> Reason {
        let signals = Signals {
            client_trace_id: headers.contains_key(CLIENT_TRACE_ID),
            force_trace: headers.contains_key(FORCE_TRACE),
            request_id: headers
                .get(REQUEST_ID)
                .and_then(trace_reason)
                .unwrap_or_default(),
            context,
        };
        decide(
            &signals,
            self.config().sampling_percent,
            random::unit(random::draw()),
        )
    }

    /// Makes sure that there is a request identifier that tells the reason.
    fn identify(
        &self,
        headers: &mut HeaderMap,
        reason: Reason,
        inherited: Option<&HeaderValue>,
    ) -> HeaderValue {
        let present = headers.get(REQUEST_ID).or(inherited);
        let id = match present {
            Some(id) if reason == Reason::NotTraced => id.clone(),
            Some(id) if trace_reason(id) == Some(Reason::NotTraced) => with_reason(id, reason),
            Some(id) => id.clone(),
            None => {
                let bits = u128::from(random::draw()) << 64 | u128::from(random::draw());
                request_id(bits, reason)
            }
        };
        propagation::set(headers, REQUEST_ID, Some(id.clone()));
        id
    }

    fn record_server<B>(
        &self,
        tracer: &SdkTracer,
        request: &mut Request<B>,
        inbound: &Inbound,
        parent: Option<TraceContext>,
        (decision, state, id): (Decision, Option<HeaderValue>, HeaderValue),
    ) -> ServerTrace {
        let builder = SpanBuilder::from_name(spans::server_name(
            request.method(),
            request.uri().path(),
            self.config().path_in_name,
        ))
        .with_kind(SpanKind::Server)
        .with_start_time(self.date(inbound.started()))
        .with_attributes(spans::server_attributes(request, inbound, &id));
        let (span, context) = match parent {
            Some(parent) if self.config().shared_span_context => {
                join(tracer, builder, parent, state.as_ref())
            }
            parent => start(tracer, builder, parent, decision, state.as_ref()),
        };
        Injection::new(context, state.clone()).write(request.headers_mut(), self.config().write);
        let caller = parent.map_or(context.span_id, |parent| parent.span_id);
        ServerTrace {
            scope: RequestTrace::new(context, caller, state, Some(id)),
            context: Context::new().with_span(span),
            recorded: true,
        }
    }

    /// Begins the trace of an outgoing call and writes its headers. Returns its span when it is recorded.
    pub(crate) fn begin_call<B>(&self, request: &mut Request<B>, started: Instant) -> Option<Span> {
        let scope = RequestTrace::current();
        let parent = parent_of_call(request.headers(), scope.as_ref());
        let deferred = parent.as_ref().map_or_else(
            || propagation::extract(request.headers()).decision,
            |parent| parent.context.decision,
        );
        let reason = self.reason(request.headers(), deferred);
        let inherited = scope.as_ref().and_then(RequestTrace::request_id);
        self.identify(request.headers_mut(), reason, inherited);
        let decision = decided(reason, deferred);
        let (above, state) = match parent {
            Some(parent) => (Some(parent.context), parent.state),
            None => (None, None),
        };
        let (span, context) = self.position(request, started, (above, decision), state.as_ref());
        Injection::new(context, state.clone()).write(request.headers_mut(), self.config().write);
        if span.is_some() {
            let position = CallTrace(Arc::new(CallPosition { context, state }));
            request.extensions_mut().insert(position);
        } else {
            request.extensions_mut().remove::<CallTrace>();
        }
        span
    }

    /// The span of a call, where it is recorded, and the position that goes out.
    fn position<B>(
        &self,
        request: &Request<B>,
        started: Instant,
        (above, decision): (Option<TraceContext>, Decision),
        state: Option<&HeaderValue>,
    ) -> (Option<Span>, TraceContext) {
        let or_new =
            |above: Option<TraceContext>| above.unwrap_or_else(|| TraceContext::random(decision));
        if !decision.is_sampled() {
            let above = above.map(|above| TraceContext { decision, ..above });
            return (None, or_new(above.map(TraceContext::child)));
        }
        match &self.inner.tracer {
            Some(tracer) if !self.config().is_excluded(request.uri().path()) => {
                let builder = SpanBuilder::from_name(spans::client_name(request))
                    .with_kind(SpanKind::Client)
                    .with_start_time(self.date(started))
                    .with_attributes(spans::client_attributes(request));
                let (span, context) = start(tracer, builder, above, decision, state);
                (Some(span), context)
            }
            // Without a span there is nobody who could be the parent but the one above.
            _ => (None, or_new(above)),
        }
    }

    /// Begins the span of an attempt beyond the first and writes its headers.
    pub(crate) fn begin_attempt<B>(
        &self,
        request: &mut Request<B>,
        attempt: u32,
        started: Instant,
    ) -> Option<Span> {
        let tracer = self.inner.tracer.as_ref()?;
        let CallTrace(call) = request.extensions().get::<CallTrace>()?.clone();
        let builder = SpanBuilder::from_name(format!("attempt {attempt}"))
            .with_kind(SpanKind::Client)
            .with_start_time(self.date(started))
            .with_attributes(spans::client_attributes(request));
        let decision = call.context.decision;
        let (span, context) = start(
            tracer,
            builder,
            Some(call.context),
            decision,
            call.state.as_ref(),
        );
        Injection::new(context, call.state.clone())
            .write(request.headers_mut(), self.config().write);
        Some(span)
    }

    /// Records an attempt after the fact, as a child of its call.
    pub(crate) fn record_attempt(
        &self,
        call: &SpanContext,
        name: &'static str,
        times: (Instant, Instant),
        describe: impl FnOnce(&mut Span),
    ) {
        use opentelemetry::trace::Span as _;
        let Some(tracer) = &self.inner.tracer else {
            return;
        };
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Client)
            .with_start_time(self.date(times.0));
        let parent = Context::new().with_remote_span_context(call.clone());
        let mut span = tracer.build_with_context(builder, &parent);
        describe(&mut span);
        span.end_with_timestamp(self.date(times.1));
    }
}

fn decided(reason: Reason, context: Decision) -> Decision {
    match (reason, context) {
        (Reason::NotTraced, _) => Decision::Deny,
        (_, Decision::Debug) => Decision::Debug,
        _ => Decision::Accept,
    }
}

fn unrecorded(
    context: TraceContext,
    state: Option<HeaderValue>,
    id: Option<HeaderValue>,
) -> ServerTrace {
    // The state is carried beside, so that nothing is parsed for a request that nobody records.
    let remote = remote(context, None);
    ServerTrace {
        scope: RequestTrace::new(context, context.span_id, state, id),
        context: Context::new().with_remote_span_context(remote),
        recorded: false,
    }
}

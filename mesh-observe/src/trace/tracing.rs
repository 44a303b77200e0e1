//! [`Tracing`]: what the layers begin spans with.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Request};
use mesh_core::clock::WallClock;
use mesh_core::context::Inbound;
use mesh_core::random;
use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, ContextGuard};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tokio::time::Instant;

use super::config::{TraceConfig, TraceConfigError};
use super::context::{Decision, TraceContext};
use super::decide::{Reason, Signals, decide};
use super::ids::MeshIds;
use super::propagation::{self, Extracted, Injection};
use super::request_id::{REQUEST_ID, request_id, trace_reason, with_reason};
use super::scope::{Entered, RequestTrace};
use super::spans;

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
    pub(crate) fn enter(&self) -> (Entered, ContextGuard) {
        (self.scope.enter(), self.context.clone().attach())
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

struct Parent {
    context: TraceContext,
    state: Option<HeaderValue>,
}

impl Tracing {
    /// Tracing with spans of `provider`, which should sample what has no parent and have [`MeshIds`] as its generator
    /// of identifiers. The decision whether a request is traced is made here and not by the provider.
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
        let is_recorded = decision.is_sampled() && !self.config().is_excluded(request.uri().path());
        let (span, context) = match &self.inner.tracer {
            Some(tracer) if is_recorded => {
                let builder = SpanBuilder::from_name(spans::client_name(request))
                    .with_kind(SpanKind::Client)
                    .with_start_time(self.date(started))
                    .with_attributes(spans::client_attributes(request));
                let (span, context) = start(tracer, builder, above, decision, state.as_ref());
                (Some(span), context)
            }
            // Without a span there is nobody who could be the parent but the one above.
            _ if decision.is_sampled() => (
                None,
                above.unwrap_or_else(|| TraceContext::random(decision)),
            ),
            _ => {
                let above = above.map(|above| TraceContext { decision, ..above });
                let context = above.map(TraceContext::child);
                (
                    None,
                    context.unwrap_or_else(|| TraceContext::random(decision)),
                )
            }
        };
        Injection::new(context, state.clone()).write(request.headers_mut(), self.config().write);
        if span.is_some() {
            let position = CallTrace(Arc::new(CallPosition { context, state }));
            request.extensions_mut().insert(position);
        } else {
            request.extensions_mut().remove::<CallTrace>();
        }
        span
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

fn remote(context: TraceContext, state: Option<&HeaderValue>) -> SpanContext {
    let state = state
        .and_then(|state| state.to_str().ok())
        .and_then(|state| TraceState::from_str(state).ok())
        .unwrap_or_default();
    let random = if context.random { 2 } else { 0 };
    SpanContext::new(
        TraceId::from(context.trace_id),
        SpanId::from(context.span_id),
        TraceFlags::new(random).with_sampled(context.decision.is_sampled()),
        true,
        state,
    )
}

/// Starts a span below `parent`, or a new trace.
fn start(
    tracer: &SdkTracer,
    builder: SpanBuilder,
    parent: Option<TraceContext>,
    decision: Decision,
    state: Option<&HeaderValue>,
) -> (Span, TraceContext) {
    use opentelemetry::trace::Span as _;
    let above = match parent {
        Some(parent) => {
            let parent = TraceContext { decision, ..parent };
            Context::new().with_remote_span_context(remote(parent, state))
        }
        None => Context::new(),
    };
    let span = tracer.build_with_context(builder, &above);
    let ids = span.span_context();
    let context = TraceContext {
        trace_id: u128::from_be_bytes(ids.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(ids.span_id().to_bytes()),
        parent_id: parent.map(|parent| parent.span_id),
        decision,
        random: parent.is_none_or(|parent| parent.random),
        narrow: parent.is_some_and(|parent| parent.narrow),
    };
    (span, context)
}

/// Starts a span that has its caller's identifiers.
fn join(
    tracer: &SdkTracer,
    builder: SpanBuilder,
    caller: TraceContext,
    state: Option<&HeaderValue>,
) -> (Span, TraceContext) {
    use opentelemetry::trace::Span as _;
    let above = match caller.parent_id {
        Some(span_id) => {
            let above = TraceContext { span_id, ..caller };
            Context::new().with_remote_span_context(remote(above, state))
        }
        None => Context::new(),
    };
    let mut span = MeshIds::joining(caller.trace_id, caller.span_id, || {
        tracer.build_with_context(builder, &above)
    });
    span.set_attribute(opentelemetry::KeyValue::new(spans::SHARED, true));
    (span, caller)
}

/// The position that a call continues from: headers that the application set, the innermost span of the running task,
/// the request that the task serves.
fn parent_of_call(headers: &HeaderMap, scope: Option<&RequestTrace>) -> Option<Parent> {
    let own = propagation::extract(headers)
        .context
        .filter(|context| scope.is_none_or(|scope| !scope.brought(context)));
    if let Some(context) = own {
        return Some(Parent {
            context,
            state: propagation::extract_state(headers),
        });
    }
    let active = Context::map_current(|current| {
        let span = current.span();
        let ids = span.span_context();
        ids.is_valid().then(|| ids.clone())
    });
    let scoped = scope.map(|scope| (scope.context(), scope.state().cloned()));
    let Some(active) = active else {
        return scoped.map(|(context, state)| Parent { context, state });
    };
    let trace_id = u128::from_be_bytes(active.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(active.span_id().to_bytes());
    match scoped {
        // What OpenTelemetry does not carry comes from the request.
        Some((context, state)) if context.trace_id == trace_id => Some(Parent {
            context: TraceContext { span_id, ..context },
            state,
        }),
        _ => Some(Parent {
            context: TraceContext {
                trace_id,
                span_id,
                parent_id: None,
                decision: if active.is_sampled() {
                    Decision::Accept
                } else {
                    Decision::Deny
                },
                random: active.trace_flags().to_u8() & 2 != 0,
                narrow: false,
            },
            state: HeaderValue::from_str(&active.trace_state().header())
                .ok()
                .filter(|state| !state.is_empty()),
        }),
    }
}

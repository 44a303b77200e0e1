//! [`server`]: the stack around a whole application.

use std::fmt;
use std::task::{Context, Poll};

use futures::StreamExt;
use http::Request;
use mesh_core::identity::PeerIdentity;
use mesh_core::intention::{RequestFacts, Verdict, evaluate};
use mesh_core::live::Live;
use mesh_core::normalize::Normalization;
use mesh_core::snapshot::Snapshot;
use mesh_observe::server::{catch_panic, sensitive_headers};
use mesh_observe::{ObserveServer, ObserveServerLayer};
use mesh_retry::deadline::{Deadline, DeadlineConfig, DeadlineLayer};
use mesh_retry::limit::{InboundLimit, InboundLimitLayer};
use mesh_tls::authorize::{Authorize, AuthorizeLayer, Judge};
use mesh_tls::forward::{Forward, ForwardClientCert, ForwardClientCertLayer, ForwardSettings};
use mesh_tls::normalize::{Normalize, NormalizeLayer, Settings};
use tower::ServiceBuilder;
use tower_layer::Layer;
use tower_service::Service;

use crate::Identity;

/// The stack of a service that answers requests, as a layer around its **whole** application:
///
/// ```text
/// Observe ─► Normalize ─► Deadline ─► Authorize ─► ForwardClientCert ─► Limit ─► catch panics ─► application
/// ```
///
/// The path is normalised first, so that the path that is judged is the path that is served. Put the application
/// inside as one service: a router that is given the layer route by route has matched the raw path already, and would
/// run another handler than the one that was authorized.
pub fn server(me: &Identity) -> ServerLayer {
    let snapshots = me.scope().snapshots().clone();
    let settings = Inherited {
        snapshots: snapshots.clone(),
    };
    let (deadline, limit) = follow(snapshots);
    ServerLayer {
        observe: ObserveServerLayer::new(me.observers().clone()),
        settings,
        deadline: DeadlineLayer::new(deadline),
        limit: InboundLimitLayer::new(limit),
        forward: me.spiffe_id().clone(),
        metrics: me.observers().metrics().cloned(),
    }
}

/// Layer of [`server`].
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct ServerLayer {
    observe: ObserveServerLayer,
    settings: Inherited,
    deadline: DeadlineLayer,
    limit: InboundLimitLayer,
    forward: mesh_core::identity::SpiffeId,
    metrics: Option<mesh_observe::Metrics>,
}

type CatchPanic<S> = tower_http::catch_panic::CatchPanic<S, mesh_observe::server::PanicResponse>;
type Stack<S> = ObserveServer<
    tower_http::sensitive_headers::SetSensitiveRequestHeaders<
        Normalize<
            Deadline<
                Authorize<ForwardClientCert<InboundLimit<CatchPanic<S>>, Inherited>, Inherited>,
            >,
            Inherited,
        >,
    >,
>;

impl<S> Layer<S> for ServerLayer {
    type Service = Server<S>;

    fn layer(&self, application: S) -> Server<S> {
        let stack = ServiceBuilder::new()
            .layer(self.observe.clone())
            .layer(sensitive_headers())
            .layer(NormalizeLayer::new(self.settings.clone()))
            .layer(self.deadline.clone())
            .layer(AuthorizeLayer::new(self.settings.clone()))
            .layer(ForwardClientCertLayer::new(
                &self.forward,
                self.settings.clone(),
            ))
            .layer(self.limit.clone())
            .layer(catch_panic(self.metrics.clone()))
            .service(application);
        Server { stack }
    }
}

/// Service of [`server`]: its error is the application's own, and what the mesh refuses is a response.
#[derive(Clone)]
pub struct Server<S> {
    stack: Stack<S>,
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl<S, ReqB> Service<Request<ReqB>> for Server<S>
where
    Stack<S>: Service<Request<ReqB>>,
{
    type Response = <Stack<S> as Service<Request<ReqB>>>::Response;
    type Error = <Stack<S> as Service<Request<ReqB>>>::Error;
    type Future = <Stack<S> as Service<Request<ReqB>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.stack.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        self.stack.call(request)
    }
}

/// What the layers of the stack take from the newest snapshot. Public only because the stack's types name it.
#[derive(Clone, Debug)]
pub struct Inherited {
    snapshots: Live<Snapshot>,
}

impl Settings for Inherited {
    fn normalization(&self) -> Normalization {
        self.snapshots.load().normalization
    }
}

impl Judge for Inherited {
    fn judge(&self, peer: &PeerIdentity, request: &RequestFacts<'_>) -> Verdict {
        evaluate(
            &self.snapshots.load().intentions,
            peer.spiffe_id(),
            Some(request),
        )
    }
}

impl ForwardSettings for Inherited {
    fn forward(&self) -> Forward {
        match self.snapshots.load().inbound.forward_client_cert {
            true => Forward::Append,
            false => Forward::Remove,
        }
    }
}

/// Deadlines and limits of the local service, kept up with its snapshots for as long as a stack uses them.
fn follow(snapshots: Live<Snapshot>) -> (Live<DeadlineConfig>, Live<u32>) {
    let now = snapshots.snapshot();
    let (deadlines, deadline) = Live::channel(deadline_config(&now));
    let (limits, limit) = Live::channel(now.inbound.max_in_flight);
    tokio::spawn(async move {
        let mut changes = std::pin::pin!(snapshots.changes());
        while let Some(newest) = changes.next().await {
            deadlines.publish(deadline_config(&newest));
            limits.publish(newest.inbound.max_in_flight);
        }
    });
    (deadline, limit)
}

fn deadline_config(snapshot: &Snapshot) -> DeadlineConfig {
    let inbound = &snapshot.inbound;
    DeadlineConfig {
        header: inbound.deadline_header.clone(),
        limit: inbound.request_timeout,
        refuse_late: inbound.refuse_late,
        ..DeadlineConfig::default()
    }
}

//! [`Timeout`], the service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_LENGTH;
use http::{Request, Response};
use http_body::Body;
use mesh_core::context::{Inbound, Outbound};
use mesh_core::error::{BoxError, Error};
use mesh_core::policy::TimeoutPolicy;
use tokio::time::Instant;
use tower_service::Service;

use super::clock::Clock;
use super::{RequestBody, ResponseBody, ResponseFuture};
use crate::header;
use crate::upload::{AtEnd, Upload, earliest};

/// Ends calls whose time is up; see the [module](super).
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    policy: TimeoutPolicy,
}

impl<S> Timeout<S> {
    pub(super) fn new(inner: S, policy: TimeoutPolicy) -> Self {
        Self { inner, policy }
    }

    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S, B, ResB> Service<Request<B>> for Timeout<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
    B: Body,
    ResB: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let outbound = Outbound::of(request.extensions_mut());
        let policy = outbound.route().map_or(self.policy, |route| route.timeout);
        let clock = start(&request, &outbound, &policy);
        let upload = clock.upload.clone();
        let length = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|value| header::number(value.as_bytes()));
        let request = request.map(|body| RequestBody::new(body, upload, length));
        ResponseFuture::new(self.inner.call(request), clock, outbound)
    }
}

fn start<B: Body>(request: &Request<B>, outbound: &Outbound, policy: &TimeoutPolicy) -> Clock {
    let now = Instant::now();
    let asked = request
        .headers()
        .get(header::GRPC_TIMEOUT)
        .and_then(|value| header::grpc_timeout(value.as_bytes()))
        .and_then(|limit| now.checked_add(limit));
    let inherited = Inbound::current().and_then(|inbound| inbound.deadline());
    let hard = earliest(earliest(outbound.deadline(), inherited), asked);
    let soonest = policy.request.and_then(|limit| now.checked_add(limit));
    let complete = request.body().is_end_stream();
    // The limit's own end is known only with the end of the upload; a deadline before that is known now.
    let known = if complete {
        earliest(hard, soonest)
    } else {
        hard.filter(|hard| soonest.is_none_or(|own| *hard <= own))
    };
    if let Some(deadline) = known {
        outbound.set_deadline(deadline);
    }
    let at_end = AtEnd {
        outbound: outbound.clone(),
        hard,
        limit: policy.request,
    };
    let upload = (!complete).then(|| Arc::new(Upload::new(now, Some(at_end))));
    Clock {
        hard,
        request: policy.request,
        idle: policy.idle,
        started: now,
        upload,
        heard: now,
    }
}

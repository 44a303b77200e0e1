//! [`Select`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use http::{Request, Response};
use mesh_core::chain::RequestHead;
use mesh_core::context::Outbound;
use mesh_core::endpoint::Endpoint;
use mesh_core::error::{BoxError, Error, ErrorKind};
use mesh_core::snapshot::Chain;
use tokio::time::Instant;
use tower_service::Service;

use super::{ResponseFuture, pick_leg, pick_level};
use crate::route::edit_request;

/// Selects the target of an attempt; see the [module](crate::select).
#[derive(Clone, Debug)]
pub struct Select<S> {
    inner: S,
    fixed: Option<Arc<Chain>>,
}

impl<S> Select<S> {
    /// Selects by the noted route, or by `fixed` where none is noted, then calls `inner`.
    pub fn new(inner: S, fixed: Option<Arc<Chain>>) -> Self {
        Self { inner, fixed }
    }

    /// The inner service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn prepare<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        let outbound = Outbound::of(request.extensions_mut());
        if let (None, Some(chain)) = (outbound.chain(), &self.fixed) {
            let route = chain.decide(&RequestHead::of(request));
            let route = route.ok_or_else(|| unavailable(chain))?;
            outbound.set_route(chain.clone(), route.index);
        }
        let (Some(chain), Some(route)) = (outbound.chain(), outbound.route()) else {
            return Ok(());
        };
        let redraws = route.retry.as_ref().is_some_and(|retry| retry.redraw_leg);
        let noted = outbound.leg().is_some();
        if !noted || (redraws && outbound.attempt_index() > 0) {
            let count = || chain.state.draws.fetch_add(1, Ordering::Relaxed);
            let leg = pick_leg(route, count).ok_or_else(|| unavailable(chain))?;
            outbound.set_leg(leg);
        }
        // Without `redraws` the route has edited the request already, once for all attempts.
        if !noted || redraws {
            edit_request(&outbound, request.headers_mut());
        }
        let levels = outbound.leg().map_or(&[][..], |leg| &leg.levels);
        let avoids = route.retry.as_ref().is_none_or(|retry| retry.avoid_tried);
        let further = avoids && outbound.attempt_index() > 0;
        let tried = |endpoint: &Endpoint| further && outbound.has_tried(endpoint);
        let target =
            pick_level(levels, Instant::now(), &tried).ok_or_else(|| unavailable(chain))?;
        outbound.attempt().set_target(target.clone());
        Ok(())
    }
}

fn unavailable(chain: &Chain) -> Error {
    Error::new(ErrorKind::NoHealthyEndpoint).with_subject(&*chain.service)
}

impl<S, B, ResB> Service<Request<B>> for Select<S>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<ResB>;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| Error::from_boxed(error.into()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.prepare(&mut request) {
            Ok(()) => ResponseFuture::passed(self.inner.call(request)),
            Err(error) => ResponseFuture::refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    use http::HeaderValue;
    use mesh_core::policy::RetryPolicy;
    use mesh_core::snapshot::TargetPolicy;
    use mesh_core::testing::fixtures;
    use tower::{ServiceExt, service_fn};

    use super::*;

    type Seen = (Option<HeaderValue>, String);

    fn chain(redraw_leg: bool) -> Arc<Chain> {
        let leg = |name: &'static str| {
            let target = fixtures::target(name, TargetPolicy::default(), vec![]);
            let mut leg = fixtures::leg(5_000, target);
            let edit = ("x-leg".parse().unwrap(), HeaderValue::from_static(name));
            leg.request_headers.set.push(edit);
            leg
        };
        let mut route = fixtures::route(vec![leg("v1"), leg("v2")]);
        route.retry = Some(RetryPolicy {
            redraw_leg,
            ..RetryPolicy::default()
        });
        fixtures::chain(fixtures::compiled("backend"), vec![route])
    }

    fn see(request: Request<()>) -> Ready<Result<Response<Seen>, Infallible>> {
        let outbound = request.extensions().get::<Outbound>().unwrap();
        let target = outbound.attempt().target().unwrap().id().to_string();
        let leg = request.headers().get("x-leg").cloned();
        ready(Ok(Response::new((leg, target))))
    }

    async fn attempt(outbound: Outbound) -> Seen {
        let select = Select::new(service_fn(see), None);
        let mut request = Request::new(());
        request.extensions_mut().insert(outbound);
        select.oneshot(request).await.unwrap().into_body()
    }

    #[tokio::test]
    async fn a_further_attempt_stays_on_its_leg_and_is_not_edited_again() {
        let (_, outbound) = fixtures::routed(&chain(false));
        outbound.set_leg(1);
        for _ in 0..5 {
            let (edited, target) = attempt(outbound.next_attempt()).await;
            assert_eq!((edited, &*target), (None, "v2"));
        }
    }

    #[tokio::test]
    async fn where_it_may_a_further_attempt_draws_a_leg_and_has_its_headers() {
        let (_, outbound) = fixtures::routed(&chain(true));
        outbound.set_leg(1);
        let (edited, target) = attempt(outbound.clone()).await;
        assert_eq!(
            (edited.unwrap(), &*target),
            (HeaderValue::from_static("v2"), "v2")
        );
        let mut first = 0;
        for _ in 0..10 {
            let (edited, target) = attempt(outbound.next_attempt()).await;
            assert_eq!(edited.unwrap(), *target);
            first += u32::from(target == "v1");
        }
        assert_eq!(first, 5);
    }
}

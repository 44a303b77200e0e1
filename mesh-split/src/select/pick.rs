//! The pure decisions: which leg, which level.

use std::sync::Arc;

use mesh_core::chain::split;
use mesh_core::endpoint::Endpoint;
use mesh_core::snapshot::{Route, Target};
use tokio::time::Instant;

/// Draws a leg of the route; `count` counts the draws of the destination and is asked only where there is a choice.
///
/// The draw is a low-discrepancy sequence over the sum of the weights, seeded by the route, so that shares are exact
/// at low volume. A leg of weight 0 is never drawn. `None`: the route has no leg with a weight.
#[must_use]
pub fn pick_leg(route: &Route, count: impl FnOnce() -> u64) -> Option<usize> {
    let weights = route.legs.iter().map(|leg| leg.weight);
    if let [only] = &*route.legs {
        return (only.weight > 0).then_some(0);
    }
    let drawn = split::draw(count(), route.index as u64, route.total_weight);
    split::pick(weights, drawn)
}

/// The first level with an endpoint that is ready at `now`, else the first whose instances were not all probed yet,
/// else the primary. `None` only for an empty list.
///
/// Levels with a ready endpoint that `tried` does not know come before those where all were tried: a retry does not
/// return to a dead endpoint while a fail-over level is up.
#[must_use]
pub fn pick_level<'a>(
    levels: &'a [Arc<Target>],
    now: Instant,
    tried: &dyn Fn(&Endpoint) -> bool,
) -> Option<&'a Arc<Target>> {
    let ready = |endpoint: &Endpoint| !endpoint.state.is_ejected(now);
    let fresh = |target: &&Arc<Target>| {
        let set = target.endpoints();
        set.endpoints
            .iter()
            .any(|endpoint| ready(endpoint) && !tried(endpoint))
    };
    levels
        .iter()
        .find(fresh)
        .or_else(|| {
            levels
                .iter()
                .find(|target| target.endpoints().has_ready(now))
        })
        .or_else(|| levels.iter().find(|target| !target.endpoints().settled))
        .or_else(|| levels.first())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mesh_core::endpoint::{EjectionState, Endpoint, EndpointSet};
    use mesh_core::net::Address;
    use mesh_core::snapshot::TargetPolicy;
    use mesh_core::testing::fixtures;

    use super::*;

    fn endpoint(key: &str) -> Arc<Endpoint> {
        fixtures::endpoint(key, Address::new("127.0.0.1", 1))
    }

    fn target(id: &str, endpoints: Vec<Arc<Endpoint>>) -> Arc<Target> {
        fixtures::target(id, TargetPolicy::default(), endpoints)
    }

    fn eject(endpoint: &Endpoint, until_ms: u64) {
        endpoint
            .state
            .update_ejection(|state| (EjectionState { until_ms, ..state }, ()));
    }

    #[test]
    fn a_retry_leaves_a_level_where_all_were_tried_and_returns_when_no_other_is_up() {
        let now = Instant::now();
        let levels = [
            target("primary", vec![endpoint("a")]),
            target("spare", vec![endpoint("b")]),
        ];
        let id = |tried: &dyn Fn(&Endpoint) -> bool| {
            pick_level(&levels, now, tried).unwrap().id().to_string()
        };
        assert_eq!(id(&|_| false), "primary");
        assert_eq!(id(&|endpoint| *endpoint.key == *"a"), "spare");
        assert_eq!(id(&|_| true), "primary");
    }

    #[test]
    fn a_level_that_was_not_probed_yet_comes_before_one_that_is_known_to_be_empty() {
        let unprobed = target("spare", vec![]);
        unprobed.publish(EndpointSet::new(2, vec![], 1, false));
        let levels = [target("primary", vec![]), unprobed];
        let picked = pick_level(&levels, Instant::now(), &|_| false);
        assert_eq!(&**picked.unwrap().id(), "spare");
    }

    #[test]
    fn a_thousand_requests_over_two_equal_legs_are_five_hundred_each() {
        let route = fixtures::route(vec![
            fixtures::leg(5_000, target("v1", vec![])),
            fixtures::leg(5_000, target("v2", vec![])),
            fixtures::leg(0, target("v3", vec![])),
        ]);
        let mut shares = [0; 3];
        for count in 0..1_000 {
            shares[pick_leg(&route, || count).unwrap()] += 1;
        }
        assert_eq!(shares, [500, 500, 0]);
    }

    #[test]
    fn a_route_without_weight_draws_nothing() {
        let route = fixtures::route(vec![fixtures::leg(0, target("v1", vec![]))]);
        assert_eq!(pick_leg(&route, || 0), None);
        assert_eq!(pick_leg(&fixtures::route(vec![]), || 0), None);
    }

    #[tokio::test(start_paused = true)]
    async fn traffic_fails_over_only_without_a_ready_endpoint_and_returns() {
        let only = endpoint("a");
        let primary = target("primary", vec![only.clone()]);
        let second = target("second", vec![]);
        let third = target("third", vec![endpoint("c")]);
        let levels = [primary.clone(), second, third];
        let id = |levels: &[Arc<Target>]| {
            pick_level(levels, Instant::now(), &|_| false)
                .unwrap()
                .id()
                .clone()
        };

        assert_eq!(&*id(&levels), "primary");
        eject(&only, 1_000);
        assert_eq!(&*id(&levels), "third");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(&*id(&levels), "primary");
        primary.publish(EndpointSet::new(2, vec![], 1, true));
        assert_eq!(&*id(&levels), "third");
    }

    #[tokio::test]
    async fn the_primary_is_picked_where_no_level_is_ready() {
        let levels = [target("primary", vec![]), target("second", vec![])];
        let picked = pick_level(&levels, Instant::now(), &|_| false).unwrap();
        assert_eq!(&**picked.id(), "primary");
        assert!(pick_level(&[], Instant::now(), &|_| false).is_none());
    }
}

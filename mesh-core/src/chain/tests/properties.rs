//! What holds for any entries at all.

use proptest::prelude::*;

use super::*;

const SERVICES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SUBSETS: [&str; 3] = ["", "v1", "v2"];

fn service() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), proptest::sample::select(&SERVICES[..])]
}

fn any_redirect() -> impl Strategy<Value = Option<Redirect>> {
    let redirect = (
        service(),
        proptest::sample::select(&SUBSETS[..]),
        prop_oneof![Just(""), Just("dc2")],
        prop_oneof![4 => Just(""), 1 => Just("east")],
    );
    proptest::option::weighted(
        0.3,
        redirect.prop_map(|(service, subset, datacenter, peer)| Redirect {
            service: service.into(),
            service_subset: subset.into(),
            datacenter: datacenter.into(),
            peer: peer.into(),
            ..Redirect::default()
        }),
    )
}

fn any_resolver(name: &'static str) -> impl Strategy<Value = ServiceResolver> {
    let failover =
        proptest::collection::vec(service(), 0..3).prop_map(|services| failover_to(&services));
    let failover = proptest::option::of(failover);
    (
        any_redirect(),
        any::<bool>(),
        proptest::sample::select(&SUBSETS[..2]),
        failover,
    )
        .prop_map(
            move |(redirect, has_subsets, default_subset, failover)| ServiceResolver {
                redirect,
                subsets: if has_subsets {
                    subsets(&["v1", "v2"])
                } else {
                    BTreeMap::new()
                },
                default_subset: default_subset.into(),
                failover: failover
                    .into_iter()
                    .map(|failover| ("*".into(), failover))
                    .collect(),
                ..resolver(name)
            },
        )
}

fn any_splitter(
    name: &'static str,
    subsets: &'static [&'static str],
) -> impl Strategy<Value = ServiceSplitter> {
    let legs = proptest::collection::vec(
        (1_u32..=100, service(), proptest::sample::select(subsets)),
        1..5,
    );
    legs.prop_map(move |legs| {
        let total: u32 = legs.iter().map(|(weight, ..)| weight).sum();
        let mut hundredths: Vec<u32> = legs
            .iter()
            .map(|(weight, ..)| weight * 10_000 / total)
            .collect();
        hundredths[0] += 10_000 - hundredths.iter().sum::<u32>();
        let splits = legs.iter().zip(hundredths);
        let splits = splits
            .map(|((_, service, subset), weight)| split(f64::from(weight) / 100.0, service, subset))
            .collect();
        ServiceSplitter {
            name: name.into(),
            splits,
            ..ServiceSplitter::default()
        }
    })
}

fn any_router(name: &'static str) -> impl Strategy<Value = ServiceRouter> {
    let route = (
        "/[a-c]{0,2}",
        service(),
        proptest::sample::select(&SUBSETS[..]),
    );
    proptest::collection::vec(route, 0..4).prop_map(move |routes| {
        router(
            name,
            routes
                .iter()
                .map(|(prefix, service, subset)| to(prefix, service, subset))
                .collect(),
        )
    })
}

fn any_set() -> impl Strategy<Value = Set> {
    let each = |name| {
        (
            proptest::option::weighted(0.6, any_resolver(name)),
            proptest::option::weighted(0.5, any_splitter(name, &SUBSETS)),
            proptest::option::weighted(0.3, any_router(name)),
            proptest::option::weighted(0.1, Just(defaults(name, "grpc"))),
        )
    };
    SERVICES.map(each).prop_map(|entries| {
        let mut set = Set::default().with(proxy_defaults("http"));
        for (resolver, splitter, router, defaults) in entries {
            let entries = [
                resolver.map(Entry::from),
                splitter.map(Entry::from),
                router.map(Entry::from),
                defaults.map(Entry::from),
            ];
            set = entries.into_iter().flatten().fold(set, Set::with);
        }
        set
    })
}

/// Splitters that only lead on to later services: never circular.
fn layered() -> impl Strategy<Value = Set> {
    let leads = |level: usize| {
        let later: Vec<&'static str> = SERVICES[level + 1..].to_vec();
        proptest::collection::vec((1_u32..=9_999, proptest::sample::select(later)), 1..4)
    };
    (leads(0), leads(1), leads(2), leads(3)).prop_map(|(a, b, c, d)| {
        let mut set = Set::http(&SERVICES);
        for (name, legs) in SERVICES.iter().zip([a, b, c, d]) {
            let total: u32 = legs.iter().map(|(weight, _)| weight).sum();
            let mut weights: Vec<u32> = legs
                .iter()
                .map(|(weight, _)| weight * 10_000 / total)
                .collect();
            weights[0] += 10_000 - weights.iter().sum::<u32>();
            let splits: Vec<_> = legs
                .iter()
                .zip(weights)
                .map(|((_, to), weight)| (f64::from(weight) / 100.0, *to, ""))
                .collect();
            set = set.with(splitter(name, &splits));
        }
        set
    })
}

proptest! {
    #[test]
    fn compiling_never_panics_and_refers_only_to_what_is_there(set in any_set(), name in proptest::sample::select(&SERVICES[..])) {
        let Ok(chain) = set.compile_as(&request(name)) else { return Ok(()) };
        prop_assert!(!chain.routes.is_empty());
        for (index, route) in chain.routes.iter().enumerate() {
            prop_assert_eq!(route.index, index);
            prop_assert!(!route.legs.is_empty());
            prop_assert_eq!(route.total_weight, route.legs.iter().map(|leg| leg.weight).sum::<u32>());
            for leg in &route.legs {
                prop_assert!(chain.resolver_of(leg.target).is_some());
            }
        }
        for (id, node) in &chain.resolvers {
            prop_assert_eq!(&chain.targets[node.target].id, id);
            prop_assert!(node.failover.iter().all(|&index| index < chain.targets.len()));
        }
        for (index, target) in chain.targets.iter().enumerate() {
            prop_assert_eq!(chain.target_index(&target.id), Some(index));
        }
        prop_assert!(chain.routes.last().is_some_and(|route| route.matcher.is_any()));
        let json = to_json(&chain);
        prop_assert_eq!(json["routes"].as_array().map(Vec::len), Some(chain.routes.len()));
    }

    #[test]
    fn compiling_reads_nothing_else(set in any_set(), name in proptest::sample::select(&SERVICES[..])) {
        // What was not read can go without changing the outcome.
        let Ok(chain) = set.compile_as(&request(name)) else { return Ok(()) };
        let read: EntrySet = set.0.iter().filter(|entry| chain.reads.contains(&entry.key())).collect();
        let again = compile(&read, &request(name)).unwrap();
        prop_assert_eq!(to_json(&again), to_json(&chain));
        prop_assert_eq!(again.warnings, chain.warnings);
    }

    #[test]
    fn weights_stay_near_the_whole(set in layered()) {
        for name in SERVICES {
            let chain = set.compile(name);
            let legs = chain.routes[0].legs.len() as u32;
            // Each rounding is off by at most half a hundredth, and a leg is rounded at most once per level, of which there are four.
            let bound = if legs == 1 { 0 } else { 2 * legs };
            prop_assert!(chain.routes[0].total_weight.abs_diff(10_000) <= bound, "{:?}", legs_of(&chain));
        }
    }
}

fn legs_of(chain: &CompiledChain) -> Vec<String> {
    legs(chain, 0)
}

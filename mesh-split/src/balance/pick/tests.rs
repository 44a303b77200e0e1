//! Properties of every algorithm.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use mesh_core::endpoint::EjectionState;
use mesh_core::net::Address;
use mesh_core::random::Rng;
use mesh_core::testing::fixtures;
use proptest::prelude::*;

use super::{
    BalanceAlgorithm, BalancePolicy, Endpoint, EndpointSet, Inputs, Instant, Tables, hash, pick,
};

fn set(weights: &[u32]) -> EndpointSet {
    let endpoints = weights.iter().enumerate().map(|(index, &weight)| {
        let key = format!("endpoint-{index:03}");
        fixtures::weighted_endpoint(&key, Address::new("127.0.0.1", 80), weight)
    });
    EndpointSet::new(1, endpoints.collect(), weights.len(), true)
}

fn without(set: &EndpointSet, index: usize) -> EndpointSet {
    let mut left = set.endpoints.clone();
    left.remove(index);
    EndpointSet::new(2, left, set.total, true)
}

fn policy(algorithm: BalanceAlgorithm) -> BalancePolicy {
    BalancePolicy {
        algorithm,
        hash: Vec::new(),
    }
}

const RING: BalanceAlgorithm = BalanceAlgorithm::RingHash {
    minimum: 1_024,
    maximum: 8_388_608,
};

fn algorithms() -> Vec<BalanceAlgorithm> {
    vec![
        BalanceAlgorithm::Ewma,
        BalanceAlgorithm::RoundRobin,
        BalanceAlgorithm::Random,
        BalanceAlgorithm::LeastRequest { choice_count: 2 },
        RING,
        BalanceAlgorithm::Maglev,
    ]
}

struct Picker<'a> {
    set: &'a EndpointSet,
    policy: BalancePolicy,
    now: Instant,
    rng: Rng,
    turn: u64,
}

impl<'a> Picker<'a> {
    fn new(set: &'a EndpointSet, algorithm: BalanceAlgorithm) -> Self {
        Self {
            set,
            policy: policy(algorithm),
            now: Instant::now(),
            rng: Rng::new(11),
            turn: 0,
        }
    }

    fn pick_untried(
        &mut self,
        hash: Option<u64>,
        tried: &dyn Fn(&Endpoint) -> bool,
    ) -> Option<usize> {
        let inputs = Inputs {
            policy: &self.policy,
            hash,
            tried,
            now: self.now,
            turn: self.turn,
        };
        self.turn += 1;
        pick(self.set, &inputs, &mut self.rng)
    }

    fn pick(&mut self, hash: Option<u64>) -> Option<usize> {
        self.pick_untried(hash, &|_| false)
    }

    /// Picks of each endpoint; each request has another hash.
    fn shares(&mut self, count: u64) -> Vec<u64> {
        let mut shares = vec![0; self.set.len()];
        for nth in 0..count {
            shares[self.pick(Some(hash::combine(nth, 7))).unwrap()] += 1;
        }
        shares
    }
}

fn eject(endpoint: &Endpoint) {
    let until_ms = 1 << 38;
    endpoint
        .state
        .update_ejection(|state| (EjectionState { until_ms, ..state }, ()));
}

#[tokio::test]
async fn shares_follow_the_weights() {
    let set = set(&[1, 2, 5]);
    for algorithm in algorithms() {
        let shares = Picker::new(&set, algorithm.clone()).shares(16_000);
        let expected = match algorithm {
            BalanceAlgorithm::Random => [5_333, 5_333, 5_333],
            _ => [2_000, 4_000, 10_000],
        };
        for (got, expected) in shares.iter().zip(expected) {
            let off = got.abs_diff(expected);
            assert!(off < 700, "{algorithm:?}: {shares:?}");
        }
    }
}

#[tokio::test]
async fn round_robin_is_exact_in_every_round() {
    let set = set(&[1, 2, 5]);
    let mut picker = Picker::new(&set, BalanceAlgorithm::RoundRobin);
    for _ in 0..5 {
        assert_eq!(picker.shares(8), [1, 2, 5]);
    }
    let set = self::set(&[1, 1, 1, 1]);
    let mut picker = Picker::new(&set, BalanceAlgorithm::RoundRobin);
    for _ in 0..5 {
        assert_eq!(picker.shares(4), [1, 1, 1, 1]);
    }
}

#[tokio::test]
async fn an_ejected_endpoint_is_never_picked_and_all_ejected_is_none() {
    for algorithm in algorithms() {
        let set = set(&[1, 100, 1]);
        eject(&set.endpoints[1]);
        let shares = Picker::new(&set, algorithm.clone()).shares(2_000);
        assert_eq!(shares[1], 0, "{algorithm:?}");
        assert!(
            shares[0] > 500 && shares[2] > 500,
            "{algorithm:?}: {shares:?}"
        );
        eject(&set.endpoints[0]);
        eject(&set.endpoints[2]);
        assert_eq!(Picker::new(&set, algorithm).pick(Some(1)), None);
    }
    let one = set(&[1]);
    eject(&one.endpoints[0]);
    assert_eq!(Picker::new(&one, BalanceAlgorithm::Ewma).pick(None), None);
}

#[tokio::test]
async fn an_empty_set_picks_none() {
    let set = set(&[]);
    for algorithm in algorithms() {
        assert_eq!(Picker::new(&set, algorithm).pick(Some(1)), None);
    }
}

#[tokio::test]
async fn a_tried_endpoint_is_picked_only_where_no_other_is_ready() {
    for algorithm in algorithms() {
        let set = set(&[1, 1, 1]);
        let mut picker = Picker::new(&set, algorithm.clone());
        let tried = |endpoint: &Endpoint| &*endpoint.key != "endpoint-002";
        for nth in 0..200 {
            assert_eq!(
                picker.pick_untried(Some(nth), &tried),
                Some(2),
                "{algorithm:?}"
            );
        }
        eject(&set.endpoints[2]);
        assert!(
            picker.pick_untried(Some(1), &tried).is_some(),
            "{algorithm:?}"
        );
    }
}

#[tokio::test]
async fn removing_one_of_n_moves_about_one_nth_of_the_keys() {
    const KEYS: u64 = 10_000;
    for algorithm in [RING, BalanceAlgorithm::Maglev] {
        let whole = set(&[1; 10]);
        let less = without(&whole, 3);
        let mut before = Picker::new(&whole, algorithm.clone());
        let mut after = Picker::new(&less, algorithm.clone());
        let moved = (0..KEYS)
            .filter(|&key| {
                let key = Some(hash::bytes(&key.to_be_bytes()));
                let (was, is) = (before.pick(key).unwrap(), after.pick(key).unwrap());
                whole.endpoints[was].key != less.endpoints[is].key
            })
            .count();
        assert!((800..=1_500).contains(&moved), "{algorithm:?}: {moved}");
    }
}

#[tokio::test]
async fn the_same_key_goes_to_the_same_endpoint_also_while_one_is_ejected() {
    for algorithm in [RING, BalanceAlgorithm::Maglev] {
        let set = set(&[1; 5]);
        let mut picker = Picker::new(&set, algorithm);
        let before: HashMap<u64, _> = (0..500)
            .map(|key| (key, picker.pick(Some(hash::combine(key, 0)))))
            .collect();
        eject(&set.endpoints[2]);
        for (key, was) in &before {
            let is = picker.pick(Some(hash::combine(*key, 0)));
            assert_eq!(is, picker.pick(Some(hash::combine(*key, 0))));
            if *was != Some(2) {
                assert_eq!(is, *was);
            }
        }
    }
}

#[tokio::test]
async fn least_request_prefers_the_less_loaded_of_two() {
    let set = set(&[1, 1]);
    set.endpoints[0].state.in_flight.store(5, Relaxed);
    let algorithm = BalanceAlgorithm::LeastRequest { choice_count: 2 };
    let shares = Picker::new(&set, algorithm).shares(1_000);
    assert!(shares[1] > 700, "{shares:?}");
}

#[tokio::test]
async fn the_default_prefers_the_cheaper_of_two() {
    let set = set(&[1, 1, 1]);
    for (endpoint, latency) in set.endpoints.iter().zip([5, 5, 300_u64]) {
        endpoint.state.latency.store(latency * 1_000_000, Relaxed);
    }
    let shares = Picker::new(&set, BalanceAlgorithm::Ewma).shares(1_000);
    assert_eq!(shares[2], 0);
    assert!(shares[0].abs_diff(shares[1]) < 100, "{shares:?}");
    set.endpoints[0].state.in_flight.store(3, Relaxed);
    let shares = Picker::new(&set, BalanceAlgorithm::Ewma).shares(1_000);
    assert!(shares[2] == 0 && shares[1] > 600, "{shares:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_pick_is_a_ready_endpoint_whenever_there_is_one(
        weights in proptest::collection::vec(1_u32..=128, 0..12),
        ejected: u16,
        tried: u16,
        seed: u64,
        hash: Option<u64>,
    ) {
        let set = set(&weights);
        let bit = |bits: u16, index: usize| bits >> index & 1 == 1;
        for (index, endpoint) in set.endpoints.iter().enumerate() {
            if bit(ejected, index) {
                eject(endpoint);
            }
        }
        let ready = |index: &usize| !bit(ejected, *index);
        let some_ready = (0..set.len()).any(|index| ready(&index));
        let some_untried = (0..set.len()).any(|index| ready(&index) && !bit(tried, index));
        let index_of = |endpoint: &Endpoint| set.endpoints.iter().position(|e| e.key == endpoint.key).unwrap();
        for algorithm in algorithms() {
            let mut picker = Picker::new(&set, algorithm);
            picker.rng = Rng::new(seed);
            let picked = picker.pick_untried(hash, &|endpoint| bit(tried, index_of(endpoint)));
            prop_assert_eq!(picked.is_some(), some_ready);
            if let Some(index) = picked {
                prop_assert!(ready(&index));
                prop_assert!(!some_untried || !bit(tried, index));
            }
        }
    }
}

#[test]
fn tables_are_made_once_per_set() {
    let set = set(&[1, 2]);
    assert!(Arc::ptr_eq(&Tables::of(&set), &Tables::of(&set)));
}

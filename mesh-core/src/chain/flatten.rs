//! Splitters within splitters: finding cycles, and one flat list of legs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Leg;
use super::graph::{Node, Walk};
use super::headers::{HeaderEdits, merged_as_written};
use super::problem::problem;
use super::split::WHOLE;
use crate::config::{Category, Diagnostic, HeaderModifiers, LoadBalancer, Origin, Split};

/// More legs than this are refused: nested splitters can multiply without end.
const MAX_LEGS: usize = 10_000;

/// A splitter as met while walking.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    pub(super) origin: Origin,
    pub(super) edges: Vec<SplitEdge>,
    /// The balancing settings borrowed from the first resolver that balances by hash.
    pub(super) hash_load_balancer: Option<LoadBalancer>,
}

/// A split and where it leads.
#[derive(Debug)]
pub(super) struct SplitEdge {
    pub(super) split: Split,
    pub(super) next: Node,
}

/// What the splits above have collected.
#[derive(Debug, Default, Clone)]
struct Above {
    weight: u32,
    request: (HeaderEdits, Option<HeaderModifiers>),
    response: (HeaderEdits, Option<HeaderModifiers>),
}

impl Walk<'_> {
    /// The legs behind a node, and the balancing settings it borrows.
    pub(super) fn legs(
        &self,
        node: &Node,
        origin: &Origin,
    ) -> Result<(Vec<Leg>, Option<LoadBalancer>), Vec<Diagnostic>> {
        match node {
            Node::Resolver(id) => {
                let leg = Leg {
                    weight: WHOLE,
                    target: self.node_target(id),
                    origin: origin.clone(),
                    ..Leg::default()
                };
                Ok((vec![leg], None))
            }
            Node::Splitter(service) => {
                let lent = self
                    .splitters
                    .get(service)
                    .and_then(|splitter| splitter.hash_load_balancer.clone());
                Ok((self.flatten(service)?, lent))
            }
        }
    }

    /// The legs of a splitter, those of nested ones in place, depth first, weights worked out from the top down.
    fn flatten(&self, service: &Arc<str>) -> Result<Vec<Leg>, Vec<Diagnostic>> {
        let mut legs = Vec::new();
        let mut problems = Vec::new();
        let mut stack = vec![(
            service,
            0,
            Above {
                weight: WHOLE,
                ..Above::default()
            },
        )];
        while let Some((service, next, above)) = stack.last_mut() {
            let Some(edge) = self
                .splitters
                .get(*service)
                .and_then(|splitter| splitter.edges.get(*next))
            else {
                stack.pop();
                continue;
            };
            *next += 1;
            let below = match below(above, &edge.split) {
                Ok(below) => below,
                Err(found) => {
                    problems.extend(found);
                    continue;
                }
            };
            match &edge.next {
                Node::Splitter(nested) => stack.push((nested, 0, below)),
                Node::Resolver(id) => legs.push(leg(below, self.node_target(id), &edge.split)),
            }
            if legs.len() > MAX_LEGS || problems.len() > MAX_LEGS {
                let message = format!(
                    "the splitter of {service} has more than {MAX_LEGS} legs when flattened",
                    service = self.request.service
                );
                return Err(vec![problem(
                    Category::BadWeight,
                    &edge.split.origin,
                    message,
                )]);
            }
        }
        if problems.is_empty() {
            Ok(legs)
        } else {
            Err(problems)
        }
    }

    fn node_target(&self, id: &str) -> usize {
        self.nodes.get(id).map_or(0, |node| node.target)
    }
}

/// What the splits down to this one amount to: the product of the weights, and the header modifiers merged, where for requests
/// the inner split wins and for responses the outer.
fn below(above: &Above, split: &Split) -> Result<Above, Vec<Diagnostic>> {
    let request = HeaderEdits::compile(split.request_headers.as_ref());
    let response = HeaderEdits::compile(split.response_headers.as_ref());
    let (request, response) = match (request, response) {
        (Ok(request), Ok(response)) => (request, response),
        (request, response) => {
            return Err([request.err(), response.err()]
                .into_iter()
                .flatten()
                .flatten()
                .collect());
        }
    };
    Ok(Above {
        weight: nested_weight(above.weight, split_weight(split)),
        request: (
            HeaderEdits::merged(&above.request.0, &request),
            merged_as_written(above.request.1.as_ref(), split.request_headers.as_ref()),
        ),
        response: (
            HeaderEdits::merged(&response, &above.response.0),
            merged_as_written(split.response_headers.as_ref(), above.response.1.as_ref()),
        ),
    })
}

fn leg(above: Above, target: usize, split: &Split) -> Leg {
    Leg {
        weight: above.weight,
        target,
        request_headers: above.request.0,
        response_headers: above.response.0,
        request_modifiers: above.request.1,
        response_modifiers: above.response.1,
        origin: split.origin.clone(),
    }
}

/// A split's weight in hundredths of a percent, within 0..=10 000.
fn split_weight(split: &Split) -> u32 {
    u32::try_from(split.hundredths()).unwrap_or(0).min(WHOLE)
}

/// The weight of a split within a split, in hundredths, rounded half up.
fn nested_weight(outer: u32, inner: u32) -> u32 {
    (outer * inner + WHOLE / 2) / WHOLE
}

/// A cycle among splitters, as the services on it and the split that closes it; looked for from `first` on, if it has one.
pub(super) fn find_cycle<'a>(
    splitters: &'a BTreeMap<Arc<str>, Splitter>,
    first: &str,
) -> Option<(Vec<&'a str>, Origin)> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let first = splitters.get_key_value(first).map(|(service, _)| service);
    for start in first.into_iter().chain(splitters.keys()) {
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        let mut on_path: BTreeSet<&str> = BTreeSet::from([&**start]);
        while let Some((service, next)) = path.last_mut() {
            let edge = splitters
                .get(*service)
                .and_then(|splitter| splitter.edges.get(*next));
            let Some(edge) = edge.filter(|_| !done.contains(service)) else {
                on_path.remove(service);
                done.insert(service);
                path.pop();
                continue;
            };
            *next += 1;
            let Node::Splitter(nested) = &edge.next else {
                continue;
            };
            if !on_path.insert(nested) {
                let from = path
                    .iter()
                    .position(|(service, _)| **service == **nested)
                    .unwrap_or(0);
                let cycle = path[from..]
                    .iter()
                    .map(|(service, _)| *service)
                    .chain([&**nested])
                    .collect();
                return Some((cycle, edge.split.origin.clone()));
            }
            path.push((nested, 0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_weights_round_half_away_from_zero() {
        assert_eq!(nested_weight(6_667, 5_000), 3_334);
        assert_eq!(nested_weight(3_333, 5_000), 1_667);
        assert_eq!(nested_weight(10_000, 1), 1);
        assert_eq!(nested_weight(1, 4_999), 0);
        assert_eq!(nested_weight(1, 5_000), 1);
        assert_eq!(nested_weight(0, 10_000), 0);
        assert_eq!(nested_weight(WHOLE, WHOLE), WHOLE);
    }
}

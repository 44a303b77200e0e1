//! A consistent hash ring (ketama-like), with points in proportion to the weights.

use mesh_core::endpoint::EndpointSet;

use super::hash;

/// Points are bounded whatever the policy says, so that a configuration can not exhaust memory: Envoy's limit.
const POINTS_MAX: u64 = 8_388_608;

pub(super) struct Ring {
    /// Sorted positions and the endpoints they belong to.
    points: Vec<(u64, u32)>,
}

impl Ring {
    pub(super) fn new(set: &EndpointSet, minimum: u64, maximum: u64) -> Self {
        let total: u32 = set.endpoints.iter().map(|e| e.weight).sum();
        if total == 0 {
            return Self { points: Vec::new() };
        }
        // Points per weight, a power of two: most changes of the set then leave the others' points as they are,
        // where Envoy's exact size would move them all a little.
        let per_weight = |points: u64| (points as f64 / f64::from(total)).log2();
        let maximum = maximum.clamp(1, POINTS_MAX);
        let scale = per_weight(minimum.min(maximum))
            .ceil()
            .min(per_weight(maximum).floor())
            .exp2();
        let mut points = Vec::new();
        for (index, endpoint) in set.endpoints.iter().enumerate() {
            let count = (scale * f64::from(endpoint.weight)).ceil() as u64;
            let own = hash::bytes(endpoint.key.as_bytes());
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            points.extend((0..count).map(|nth| (hash::combine(own, nth), index)));
        }
        points.sort_unstable();
        Self { points }
    }

    /// The endpoint that owns the hash.
    pub(super) fn owner(&self, hash: u64) -> Option<usize> {
        let next = self
            .points
            .partition_point(|&(position, _)| position < hash);
        let (_, index) = self.points.get(next).or_else(|| self.points.first())?;
        Some(*index as usize)
    }
}

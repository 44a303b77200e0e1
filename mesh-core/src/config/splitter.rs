//! `service-splitter`: what share of requests goes where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::HeaderModifiers;

record! {
    /// The `service-splitter` entry (Consul service-splitter reference).
    pub struct ServiceSplitter {
        /// Name of the service.
        pub name: Arc<str> = "Name",
        /// Splits; their weights add up to 100.
        pub splits: Vec<Split> = "Splits",
        /// Free pairs.
        pub meta: BTreeMap<String, String> = "Meta",
    }

    /// One split.
    pub struct Split {
        /// Percent, 0..=100, in steps of a hundredth.
        pub weight: f64 = "Weight",
        /// Service; empty means the splitter's own.
        pub service: Arc<str> = "Service",
        /// Subset; empty means none.
        pub service_subset: Arc<str> = "ServiceSubset" | "service_subset",
        /// Empty or `default`.
        pub namespace: String = "Namespace",
        /// Empty or `default`.
        pub partition: String = "Partition",
        /// Changes to the request's headers.
        pub request_headers: Option<HeaderModifiers> = "RequestHeaders" | "request_headers",
        /// Changes to the response's headers.
        pub response_headers: Option<HeaderModifiers> = "ResponseHeaders" | "response_headers",
    }
}

impl Split {
    /// The weight in hundredths of a percent, rounded half away from zero.
    #[must_use]
    pub fn hundredths(&self) -> i64 {
        hundredths(self.weight)
    }
}

/// A percentage in hundredths, rounded half away from zero, calculated in 32-bit floats as Consul does.
#[must_use]
pub(crate) fn hundredths(percent: f64) -> i64 {
    (percent as f32 * 100.0).round() as i64
}

//! `service-splitter`: what share of requests goes where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::category::Category;
use super::check::{Checker, Rules};
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

impl Rules for ServiceSplitter {
    /// Weights are kept in hundredths.
    fn normalize(&mut self) {
        for split in &mut self.splits {
            if split.weight.abs() <= 1e6 {
                split.weight = split.hundredths() as f64 / 100.0;
            }
        }
    }

    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        to.meta(&self.meta);
        if self.splits.is_empty() {
            to.error_at(
                "Splits",
                Category::NoSplits,
                "at least one split is required",
            );
            return;
        }
        to.within("Splits", |to| {
            for (index, split) in self.splits.iter().enumerate() {
                to.within(index, |to| self.check_split(index, split, to));
            }
        });
        let in_range = self
            .splits
            .iter()
            .all(|split| (0.0..=100.0).contains(&split.weight));
        let sum: i64 = self
            .splits
            .iter()
            .map(Split::hundredths)
            .fold(0, i64::saturating_add);
        if in_range && sum != 10_000 {
            let message = format!(
                "the weights add up to {}.{:02}, not to 100",
                sum / 100,
                sum % 100
            );
            let hint = format!(
                "{} {}.{:02} in all",
                if sum < 10_000 {
                    "raise them by"
                } else {
                    "lower them by"
                },
                (sum - 10_000).abs() / 100,
                (sum - 10_000).abs() % 100
            );
            to.error_at("Splits", Category::BadWeight, message)
                .hint(hint);
        }
    }
}

impl ServiceSplitter {
    fn check_split(&self, index: usize, split: &Split, to: &mut Checker) {
        if !(0.0..=100.0).contains(&split.weight) {
            to.error_at(
                "Weight",
                Category::BadWeight,
                format!("Weight is {}, not 0 to 100", split.weight),
            );
        }
        to.enterprise_default("Namespace", &split.namespace);
        to.enterprise_default("Partition", &split.partition);
        if self.splits[..index]
            .iter()
            .any(|earlier| self.same_destination(earlier, split))
        {
            let mut name = self.destination(split).to_owned();
            if !split.service_subset.is_empty() {
                name = format!("{name}, subset {}", split.service_subset);
            }
            to.error(
                Category::DuplicateSplit,
                format!("a second split to {name}"),
            );
        }
    }

    fn destination<'s>(&'s self, split: &'s Split) -> &'s str {
        if split.service.is_empty() {
            &self.name
        } else {
            &split.service
        }
    }

    /// Splits with header modifiers are never seen as the same.
    fn same_destination(&self, one: &Split, other: &Split) -> bool {
        let plain =
            |split: &Split| split.request_headers.is_none() && split.response_headers.is_none();
        let place = |name: &str| {
            if name.is_empty() {
                "default".to_owned()
            } else {
                name.to_owned()
            }
        };
        plain(one)
            && plain(other)
            && self.destination(one) == self.destination(other)
            && one.service_subset == other.service_subset
            && place(&one.namespace) == place(&other.namespace)
            && place(&one.partition) == place(&other.partition)
    }
}

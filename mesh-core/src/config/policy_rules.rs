//! What is a valid `mesh-policy`: a value out of range is refused, never clamped.

use super::GoDuration;
use super::category::Category;
use super::check::{Checker, Rules};
use super::policy::{
    MeshPolicy, PolicyBackoff, PolicyBalancing, PolicyEjection, PolicyFaults, PolicyHedging,
    PolicyLimits, PolicyRetries, PolicySplit,
};
use super::resolver::POLICIES;
use super::router::check_retry_on;

const BAD: Category = Category::BadPolicy;

/// Most attempts that one request may cause beyond its first.
const MAX_RETRIES: u32 = 10;

impl Rules for MeshPolicy {
    fn check(&self, to: &mut Checker) {
        to.name(&self.name);
        if self.name.contains('*') && &*self.name != "*" {
            to.error_at(
                "Name",
                Category::BadName,
                "the wildcard * stands for all services and cannot be a part of a name",
            );
        }
        part(to, "Timeouts", self.timeouts.as_ref(), |timeouts, to| {
            above_zero(to, "PerTry", timeouts.per_try);
            above_zero(to, "ConnectionIdle", timeouts.connection_idle);
        });
        part(to, "Retries", self.retries.as_ref(), PolicyRetries::check);
        part(to, "Hedging", self.hedging.as_ref(), PolicyHedging::check);
        part(
            to,
            "Balancing",
            self.balancing.as_ref(),
            PolicyBalancing::check,
        );
        part(to, "Split", self.split.as_ref(), PolicySplit::check);
        part(
            to,
            "Ejection",
            self.ejection.as_ref(),
            PolicyEjection::check,
        );
        part(to, "Limits", self.limits.as_ref(), PolicyLimits::check);
        part(to, "Deadline", self.deadline.as_ref(), |deadline, to| {
            header_name(to, "Header", deadline.header.as_deref());
        });
        part(to, "Tracing", self.tracing.as_ref(), |tracing, to| {
            percent(to, "Sampling", tracing.sampling);
            above_zero(to, "KeepSlowerThan", tracing.keep_slower_than);
            to.each(
                "Exclude",
                tracing.exclude.as_deref().unwrap_or_default(),
                |to, prefix| {
                    if !prefix.starts_with('/') {
                        to.error(BAD, format!("{prefix:?} doesn't start with '/'"));
                    }
                },
            );
        });
        part(to, "AccessLog", self.access_log.as_ref(), |log, to| {
            choice(to, "Format", log.format.as_deref(), &["json", "text"]);
        });
        part(to, "Faults", self.faults.as_ref(), PolicyFaults::check);
        part(to, "Shadow", self.shadow.as_ref(), |shadow, to| {
            if shadow.intentions.is_empty() {
                to.error_at(
                    "Intentions",
                    BAD,
                    "Intentions is required: the directory of proposed intentions",
                );
            }
            percent(to, "Share", shadow.share);
        });
    }
}

fn part<T>(
    to: &mut Checker,
    field: &'static str,
    part: Option<&T>,
    check: impl FnOnce(&T, &mut Checker),
) {
    if let Some(part) = part {
        to.within(field, |to| check(part, to));
    }
}

fn above_zero(to: &mut Checker, field: &'static str, duration: Option<GoDuration>) {
    if let Some(duration) = duration.filter(|duration| duration.positive().is_none()) {
        to.error_at(field, BAD, format!("{field} is {duration}, not above 0"));
    }
}

fn not_below_zero(to: &mut Checker, field: &'static str, duration: Option<GoDuration>) {
    if let Some(duration) = duration.filter(|duration| duration.is_negative()) {
        to.error_at(field, BAD, format!("{field} is {duration}, below 0"));
    }
}

fn between(to: &mut Checker, field: &'static str, value: Option<f64>, high: f64) {
    if let Some(value) = value.filter(|value| !(0.0..=high).contains(value)) {
        to.error_at(field, BAD, format!("{field} is {value}, not 0 to {high}"));
    }
}

fn percent(to: &mut Checker, field: &'static str, value: Option<f64>) {
    between(to, field, value, 100.0);
}

fn fraction(to: &mut Checker, field: &'static str, value: Option<f64>) {
    between(to, field, value, 1.0);
}

fn at_least_one(to: &mut Checker, field: &'static str, value: Option<u32>) {
    if value == Some(0) {
        to.error_at(field, BAD, format!("{field} must be at least 1"));
    }
}

fn choice(to: &mut Checker, field: &'static str, value: Option<&str>, allowed: &[&'static str]) {
    if value == Some("") {
        to.error_at(field, BAD, format!("{field} is empty"))
            .hint(format!("one of {}", allowed.join(", ")));
    }
    to.one_of(field, BAD, value.unwrap_or(""), allowed);
}

fn header_name(to: &mut Checker, field: &'static str, name: Option<&str>) {
    if let Some(name) = name.filter(|name| name.parse::<http::HeaderName>().is_err()) {
        to.error_at(field, BAD, format!("{name:?} is not the name of a header"));
    }
}

fn required<T>(to: &mut Checker, field: &'static str, value: Option<&T>) {
    if value.is_none() {
        to.error_at(field, BAD, format!("{field} is required"));
    }
}

impl PolicyRetries {
    fn check(&self, to: &mut Checker) {
        to.within("On", |to| {
            check_retry_on(to, self.on.as_deref().unwrap_or_default());
        });
        if let Some(max) = self.max.filter(|max| *max > MAX_RETRIES) {
            to.error_at("Max", BAD, format!("Max is {max}, not 0 to {MAX_RETRIES}"));
        }
        choice(
            to,
            "Methods",
            self.methods.as_deref(),
            &["idempotent", "any", "none"],
        );
        part(to, "Budget", self.budget.as_ref(), |budget, to| {
            fraction(to, "Ratio", budget.ratio);
            above_zero(to, "Window", budget.window);
        });
        part(to, "Backoff", self.backoff.as_ref(), PolicyBackoff::check);
    }
}

impl PolicyBackoff {
    fn check(&self, to: &mut Checker) {
        above_zero(to, "Base", self.base);
        above_zero(to, "Max", self.max);
        // What is not set has its default, against which the other must hold too.
        let base = self.base.unwrap_or(GoDuration::from_millis(25));
        let max = self.max.unwrap_or(GoDuration::from_millis(250));
        if max < base {
            to.error_at("Max", BAD, format!("Max ({max}) is below Base ({base})"));
        }
    }
}

impl PolicyHedging {
    fn check(&self, to: &mut Checker) {
        if !is_percentile(&self.after) {
            match self.after.parse::<GoDuration>() {
                Ok(after) => above_zero(to, "After", Some(after)),
                Err(_) => {
                    let message =
                        format!("{:?} is neither a percentile nor a duration", self.after);
                    to.error_at("After", BAD, message)
                        .hint("such as \"p95\" or \"50ms\"");
                }
            }
        }
        fraction(to, "MaxExtra", self.max_extra);
    }
}

/// `p` and a number above 0 and below 100.
fn is_percentile(text: &str) -> bool {
    let number = text
        .strip_prefix('p')
        .filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
    number
        .and_then(|number| number.parse::<f64>().ok())
        .is_some_and(|number| number > 0.0 && number < 100.0)
}

impl PolicyBalancing {
    fn check(&self, to: &mut Checker) {
        let [a, b, c, d, e] = POLICIES;
        choice(
            to,
            "Policy",
            self.policy.as_deref(),
            &["ewma", a, b, c, d, e],
        );
        not_below_zero(to, "SlowStart", self.slow_start);
        percent(to, "PanicThreshold", self.panic_threshold);
    }
}

impl PolicySplit {
    fn check(&self, to: &mut Checker) {
        to.each("StickyBy", &self.sticky_by, |to, sticky| {
            let set = [&sticky.header, &sticky.cookie, &sticky.query_parameter];
            let set =
                set.iter().filter(|name| !name.is_empty()).count() + usize::from(sticky.source);
            if set != 1 {
                to.error(
                    BAD,
                    "exactly one of Header, Cookie, QueryParameter, Source must be set",
                );
            }
            header_name(
                to,
                "Header",
                Some(sticky.header.as_str()).filter(|name| !name.is_empty()),
            );
        });
    }
}

impl PolicyEjection {
    fn check(&self, to: &mut Checker) {
        at_least_one(to, "ConsecutiveErrors", self.consecutive_errors);
        part(to, "SuccessRate", self.success_rate.as_ref(), |rate, to| {
            at_least_one(to, "MinHosts", rate.min_hosts);
            at_least_one(to, "MinRequests", rate.min_requests);
            if let Some(factor) = rate.factor.filter(|factor| *factor <= 0.0) {
                to.error_at("Factor", BAD, format!("Factor is {factor}, not above 0"));
            }
        });
        part(
            to,
            "FailurePercent",
            self.failure_percent.as_ref(),
            |failures, to| {
                percent(to, "Threshold", failures.threshold);
            },
        );
    }
}

impl PolicyLimits {
    fn check(&self, to: &mut Checker) {
        part(to, "Adaptive", self.adaptive.as_ref(), |adaptive, to| {
            at_least_one(to, "MinInFlight", adaptive.min_in_flight);
        });
        part(to, "Inbound", self.inbound.as_ref(), |inbound, to| {
            at_least_one(to, "MaxInFlight", inbound.max_in_flight);
            part(
                to,
                "PerCaller",
                inbound.per_caller.as_ref(),
                |caller, to| {
                    required(to, "Rate", caller.rate.as_ref());
                    if let Some(rate) = caller.rate.filter(|rate| *rate <= 0.0) {
                        to.error_at("Rate", BAD, format!("Rate is {rate}, not above 0"));
                    }
                    at_least_one(to, "Burst", caller.burst);
                },
            );
        });
    }
}

impl PolicyFaults {
    fn check(&self, to: &mut Checker) {
        if self.delay.is_none() && self.abort.is_none() {
            to.error(BAD, "one of Delay, Abort is required");
        }
        part(to, "Delay", self.delay.as_ref(), |delay, to| {
            required(to, "Share", delay.share.as_ref());
            percent(to, "Share", delay.share);
            required(to, "For", delay.duration.as_ref());
            above_zero(to, "For", delay.duration);
        });
        part(to, "Abort", self.abort.as_ref(), |abort, to| {
            required(to, "Share", abort.share.as_ref());
            percent(to, "Share", abort.share);
            required(to, "Status", abort.status.as_ref());
            if let Some(status) = abort.status.filter(|status| !(200..=599).contains(status)) {
                to.error_at("Status", BAD, format!("Status is {status}, not 200 to 599"));
            }
        });
        header_name(
            to,
            "OnlyIfHeader",
            Some(self.only_if_header.as_str()).filter(|name| !name.is_empty()),
        );
    }
}

//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use mesh_core::error::BoxError;
use mesh_observe::trace::MeshIds;
use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use tower::util::{ServiceFn, service_fn};

/// Keeps every ended span.
#[derive(Clone, Debug, Default)]
pub struct Spans(Arc<Mutex<Vec<SpanData>>>);

impl Spans {
    pub fn provider() -> (SdkTracerProvider, Self) {
        let spans = Self::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(spans.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_id_generator(MeshIds)
            .build();
        (provider, spans)
    }

    pub fn all(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

pub fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes
        .iter()
        .rev()
        .find(|kv| kv.key.as_str() == key)
        .map(|kv| kv.value.to_string())
}

/// A service that answers with a status and a body.
pub fn answering(
    status: u16,
) -> ServiceFn<impl Fn(Request<()>) -> Ready<Result<Response<Full<Bytes>>, BoxError>> + Clone> {
    service_fn(move |_| {
        let response = Response::builder()
            .status(status)
            .body(Full::from("body"))
            .unwrap();
        ready(Ok(response))
    })
}

/// The same for servers, which never fail.
pub fn serving(
    status: u16,
) -> ServiceFn<impl Fn(Request<()>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> + Clone> {
    service_fn(move |_| {
        let response = Response::builder()
            .status(status)
            .body(Full::from("body"))
            .unwrap();
        ready(Ok(response))
    })
}

/// One sample of the exposition: name, labels, value.
pub type Sample = (String, BTreeMap<String, String>, f64);

/// A small parser of Prometheus' text format that knows its rules: names, escapes, one `HELP` and one `TYPE` per
/// family and before its samples, counters that end with `_total`, histograms whose buckets grow and end with `+Inf`.
pub fn parse(text: &str) -> Vec<Sample> {
    let mut helped = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut samples: Vec<Sample> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty(), "{name} has no help text");
            assert!(
                helped.insert(name.to_owned(), ()).is_none(),
                "HELP twice: {name}"
            );
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains_key(name), "TYPE without HELP: {name}");
            if kind == "counter" {
                assert!(name.ends_with("_total"), "counter without _total: {name}");
            }
            assert!(
                kinds.insert(name.to_owned(), kind.to_owned()).is_none(),
                "TYPE twice: {name}"
            );
        } else {
            assert!(!line.starts_with('#'), "unknown comment: {line}");
            let sample = sample(line);
            let family = family(&sample.0, &kinds);
            assert!(kinds.contains_key(family), "sample without TYPE: {line}");
            assert!(
                !samples
                    .iter()
                    .any(|known| known.0 == sample.0 && known.1 == sample.1),
                "sample twice: {line}"
            );
            samples.push(sample);
        }
    }
    check_histograms(&samples, &kinds);
    samples
}

fn family<'a>(name: &'a str, kinds: &BTreeMap<String, String>) -> &'a str {
    let is_histogram = |base: &&str| kinds.get(*base).is_some_and(|kind| kind == "histogram");
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(base) = name.strip_suffix(suffix).filter(is_histogram) {
            return base;
        }
    }
    name
}

fn check_histograms(samples: &[Sample], kinds: &BTreeMap<String, String>) {
    for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut last: Option<(BTreeMap<String, String>, f64, f64)> = None;
        for (_, labels, count) in samples.iter().filter(|s| s.0 == format!("{name}_bucket")) {
            let mut rest = labels.clone();
            let le = rest.remove("le").unwrap();
            let bound: f64 = if le == "+Inf" {
                f64::INFINITY
            } else {
                le.parse().unwrap()
            };
            match &last {
                Some((same, below, fewer)) if *same == rest => {
                    assert!(bound > *below && count >= fewer, "{name} {labels:?}");
                }
                Some((_, below, _)) => assert!(below.is_infinite(), "{name} lacks +Inf"),
                None => {}
            }
            last = Some((rest, bound, *count));
        }
        assert!(
            last.is_none_or(|(_, bound, _)| bound.is_infinite()),
            "{name}"
        );
    }
}

fn sample(line: &str) -> Sample {
    let is_name = |text: &str| {
        text.bytes().enumerate().all(|(at, b)| {
            b.is_ascii_alphabetic() || b == b'_' || b == b':' || (at > 0 && b.is_ascii_digit())
        })
    };
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
    assert!(!name.is_empty() && is_name(name), "bad name: {line}");
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(inside) = rest.strip_prefix('{') {
        let mut chars = inside.chars();
        loop {
            let key: String = chars.by_ref().take_while(|c| *c != '=').collect();
            assert!(is_name(&key), "bad label: {line}");
            assert_eq!(chars.next(), Some('"'), "{line}");
            let mut value = String::new();
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(match chars.next().unwrap() {
                        'n' => '\n',
                        other => other,
                    }),
                    other => value.push(other),
                }
            }
            assert!(labels.insert(key, value).is_none(), "label twice: {line}");
            match chars.next().unwrap() {
                ',' => {}
                '}' => break,
                other => panic!("unexpected {other}: {line}"),
            }
        }
        rest = chars.as_str();
    }
    let value = rest.trim().parse().unwrap();
    (name.to_owned(), labels, value)
}

/// The sum of the samples of that name whose labels hold all of `want`.
pub fn total(samples: &[Sample], name: &str, want: &[(&str, &str)]) -> f64 {
    samples
        .iter()
        .filter(|(found, labels, _)| {
            found == name
                && want
                    .iter()
                    .all(|(key, value)| labels.get(*key).is_some_and(|have| have == value))
        })
        .map(|(_, _, value)| value)
        .sum()
}

//! The headers that carry time limits and advice on retries, as pure parsers.
//!
//! Nothing here can overflow, and no limit that is read is longer than what was written: a number that does not fit
//! is refused or cut down, never wrapped.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Remaining time of a call in whole milliseconds, written by the mesh's clients.
pub const DEADLINE_MS: HeaderName = HeaderName::from_static("x-mesh-deadline-ms");
/// Time that an Envoy in front expects the request to take at most, in milliseconds.
pub const ENVOY_EXPECTED_TIMEOUT_MS: HeaderName =
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
/// Number of the attempt, from 1.
pub const ENVOY_ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
/// Marks a failure whose retries were made, or withheld by the budget, further down.
pub const RETRIES_SPENT: HeaderName = HeaderName::from_static("x-mesh-retries-spent");
/// Marks an answer of a rate limiter.
pub const ENVOY_RATELIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");
/// Marks an answer of a limit on load.
pub const ENVOY_OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
/// Time limit of a gRPC call.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Status of a gRPC call.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Reason of a gRPC status.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// A gRPC server's advice when, or whether, to try again.
pub const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// A client's statement that repeating the request does no harm.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Most digits a `grpc-timeout` may have (gRPC over HTTP/2, section Requests).
const GRPC_TIMEOUT_DIGITS: usize = 8;

/// Whether the headers are those of a gRPC request or response.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"))
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The `grpc-status` in these headers; one that is no number below 256 counts as 2, unknown.
#[must_use]
pub fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    let value = headers.get(GRPC_STATUS)?;
    let known = number(value.as_bytes()).and_then(|status| u8::try_from(status).ok());
    Some(known.unwrap_or(2))
}

/// Reads a `grpc-timeout`: 1 to 8 digits and a unit (gRPC over HTTP/2, section Requests). `None` for anything else.
#[must_use]
pub fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.len() > GRPC_TIMEOUT_DIGITS {
        return None;
    }
    let amount = number(digits)?;
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// Writes a `grpc-timeout` that is never longer than `limit`.
#[must_use]
pub fn write_grpc_timeout(limit: Duration) -> HeaderValue {
    const MOST: u128 = 10u128.pow(GRPC_TIMEOUT_DIGITS as u32) - 1;
    let nanos = limit.as_nanos();
    let (amount, unit) = [
        (1u128, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
    ]
    .into_iter()
    .map(|(size, unit)| (nanos / size, unit))
    .find(|(amount, _)| *amount <= MOST)
    .unwrap_or(((nanos / 3_600_000_000_000).min(MOST), 'H'));
    HeaderValue::try_from(format!("{amount}{unit}")).expect("digits and a letter are visible ASCII")
}

/// Reads a number of milliseconds. `None` for anything that is not only digits; more than fits is cut down.
#[must_use]
pub fn millis(value: &[u8]) -> Option<Duration> {
    number(value).map(Duration::from_millis)
}

/// Reads a `Retry-After` of seconds (RFC 9110, section 10.2.3). A date gives `None`: it needs the peer's clock.
#[must_use]
pub fn retry_after(value: &[u8]) -> Option<Duration> {
    number(value).map(Duration::from_secs)
}

/// A gRPC server's advice on retries (gRPC proposal A6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// Try again after exactly this time.
    After(Duration),
    /// Do not try again.
    Stop,
}

/// Reads a `grpc-retry-pushback-ms`. A negative or unreadable value means that there must be no retry.
#[must_use]
pub fn grpc_pushback(value: &[u8]) -> Pushback {
    match number(value).and_then(|ms| i32::try_from(ms).ok()) {
        Some(ms) => Pushback::After(Duration::from_millis(u64::from(ms.unsigned_abs()))),
        None => Pushback::Stop,
    }
}

/// Decimal digits only; saturates.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, digit| {
        digit.is_ascii_digit().then(|| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'))
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timeouts_follow_the_grammar() {
        let cases: [(&str, Option<Duration>); 12] = [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("100000000n", None),
            ("S", None),
            ("", None),
            ("-1S", None),
            ("1s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(grpc_timeout(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn pushback_is_a_delay_or_a_stop() {
        let after = |ms| Pushback::After(Duration::from_millis(ms));
        for (text, expected) in [
            ("0", after(0)),
            ("250", after(250)),
            ("2147483647", after(2_147_483_647)),
            ("2147483648", Pushback::Stop),
            ("-1", Pushback::Stop),
            ("soon", Pushback::Stop),
            ("", Pushback::Stop),
        ] {
            assert_eq!(grpc_pushback(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn only_a_grpc_content_type_is_grpc() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=x", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(text));
            assert_eq!(is_grpc(&headers), expected, "{text}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_a_parser(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = grpc_timeout(&bytes);
            let _ = millis(&bytes);
            let _ = retry_after(&bytes);
            let _ = grpc_pushback(&bytes);
        }

        #[test]
        fn numbers_never_overflow(digits in "[0-9]{1,60}") {
            prop_assert!(millis(digits.as_bytes()).is_some());
            prop_assert!(retry_after(digits.as_bytes()).is_some());
        }

        #[test]
        fn a_written_timeout_is_read_back_and_never_longer(secs in 0u64..400_000_000_000, nanos in 0u32..1_000_000_000) {
            let limit = Duration::new(secs, nanos);
            let written = write_grpc_timeout(limit);
            let read = grpc_timeout(written.as_bytes()).unwrap();
            prop_assert!(read <= limit);
            // Eight digits lose less than one part in a million, or are at the largest value there is.
            let most = Duration::from_secs(99_999_999 * 3600);
            prop_assert!(read == most || limit - read <= limit / 100_000 + Duration::from_nanos(1));
        }
    }
}

//! `x-request-id`: a random UUID whose version digit tells why the request is traced, as Envoy's does.

use http::HeaderValue;

use super::decide::Reason;
use super::hex;

pub(super) const REQUEST_ID: &str = "x-request-id";

/// Place of the version digit in the text of a UUID, from 0.
const REASON_AT: usize = 14;

/// A new identifier, a version 4 UUID (RFC 9562) but for the digit of `reason`.
#[must_use]
pub fn request_id(bits: u128, reason: Reason) -> HeaderValue {
    let mut digits = [0; 32];
    hex::write(bits, &mut digits);
    digits[12] = reason.digit();
    // The two bits of the variant.
    digits[16] = b"89ab"[(bits >> 60 & 3) as usize];
    let mut text = [b'-'; 36];
    for (from, to, at) in [
        (0, 8, 0),
        (8, 12, 9),
        (12, 16, 14),
        (16, 20, 19),
        (20, 32, 24),
    ] {
        text[at..at + to - from].copy_from_slice(&digits[from..to]);
    }
    HeaderValue::from_bytes(&text).expect("digits and dashes are a header value")
}

/// The reason in an identifier; `None` when it does not look like a UUID.
#[must_use]
pub fn trace_reason(id: &HeaderValue) -> Option<Reason> {
    let id = id.as_bytes();
    let is_uuid = id.len() == 36
        && id.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    is_uuid.then(|| Reason::from_digit(id[REASON_AT]))
}

/// The identifier with another reason; unchanged when it does not look like a UUID.
#[must_use]
pub fn with_reason(id: &HeaderValue, reason: Reason) -> HeaderValue {
    if trace_reason(id).is_none_or(|present| present == reason) {
        return id.clone();
    }
    let mut text = id.as_bytes().to_vec();
    text[REASON_AT] = reason.digit();
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| id.clone())
}

//! W3C Trace Context, level 2: `traceparent` and `tracestate`.

use bytes::{BufMut, BytesMut};
use http::header::{GetAll, HeaderValue};

use super::context::{Decision, TraceContext};
use super::hex;

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;
const MEMBERS: usize = 32;

pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().take_while(|b| is_ows(b)).count();
    let value = &value[start..];
    let end = value.iter().rev().take_while(|b| is_ows(b)).count();
    &value[..value.len() - end]
}

/// Reads a `traceparent` header value (section 3.2). `None` when it is invalid.
///
/// Versions above 00 are read as far as 00 defines them, provided that what follows begins with a dash; version ff and
/// identifiers of zeros are invalid, uppercase digits too.
#[must_use]
pub fn parse_traceparent(value: &[u8]) -> Option<TraceContext> {
    let value = trim(value);
    let (head, rest) = value.split_at_checked(55)?;
    let version = hex::parse(&head[..2])?;
    if version == 0xff || (version == 0 && !rest.is_empty()) {
        return None;
    }
    if rest.first().is_some_and(|next| *next != b'-') {
        return None;
    }
    if [head[2], head[35], head[52]] != [b'-'; 3] {
        return None;
    }
    let trace_id = hex::parse(&head[3..35]).filter(|id| *id != 0)?;
    let span_id = hex::id64(&head[36..52])?;
    let flags = hex::parse(&head[53..55])? as u8;
    Some(TraceContext {
        trace_id,
        span_id,
        parent_id: None,
        decision: if flags & SAMPLED != 0 {
            Decision::Accept
        } else {
            Decision::Deny
        },
        random: flags & RANDOM != 0,
        narrow: false,
    })
}

/// The 55 bytes of a version 00 `traceparent`.
pub(super) fn write_traceparent(context: &TraceContext, out: &mut [u8; 55]) {
    out[..3].copy_from_slice(b"00-");
    hex::write(context.trace_id, &mut out[3..35]);
    out[35] = b'-';
    hex::write(u128::from(context.span_id), &mut out[36..52]);
    out[52] = b'-';
    let sampled = u8::from(context.decision.is_sampled()) * SAMPLED;
    let random = u8::from(context.random) * RANDOM;
    hex::write(u128::from(sampled | random), &mut out[53..]);
}

/// Joins the `tracestate` headers of a request (section 3.3). `None` when there is none, it is empty, or any part of
/// it is invalid: a bad key or value, a key twice, more than 32 members. Members are passed on as they are; white
/// space around them and empty members are left out.
#[must_use]
pub fn tracestate(values: GetAll<'_, HeaderValue>) -> Option<HeaderValue> {
    let mut keys: [&[u8]; MEMBERS] = [&[]; MEMBERS];
    let mut members = 0;
    let mut joined = BytesMut::new();
    for member in values
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
    {
        let member = trim(member);
        if member.is_empty() {
            continue;
        }
        let equals = member.iter().position(|b| *b == b'=')?;
        let (key, value) = (&member[..equals], &member[equals + 1..]);
        if members == MEMBERS || !is_key(key) || !is_value(value) || keys[..members].contains(&key)
        {
            return None;
        }
        keys[members] = key;
        if members > 0 {
            joined.put_u8(b',');
        }
        members += 1;
        joined.put_slice(member);
    }
    if members == 0 {
        return None;
    }
    HeaderValue::from_maybe_shared(joined.freeze()).ok()
}

/// `lcalpha / DIGIT` first, then up to 255 of those, `_-*/`; or a tenant of 241 and a system of 14 joined by `@`.
fn is_key(key: &[u8]) -> bool {
    let starts = |part: &[u8], digits: bool| {
        part.first()
            .is_some_and(|b| b.is_ascii_lowercase() || (digits && b.is_ascii_digit()))
    };
    let inner = |part: &[u8]| {
        part.iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    match key.iter().position(|b| *b == b'@') {
        None => key.len() <= 256 && starts(key, true) && inner(key),
        Some(at) => {
            let (tenant, system) = (&key[..at], &key[at + 1..]);
            tenant.len() <= 241
                && system.len() <= 14
                && starts(tenant, true)
                && inner(tenant)
                && starts(system, false)
                && inner(system)
        }
    }
}

/// Up to 256 printable characters but comma and equals; the last is no space, which trimming has seen to.
fn is_value(value: &[u8]) -> bool {
    (1..=256).contains(&value.len())
        && value
            .iter()
            .all(|b| matches!(b, 0x20..=0x7e) && *b != b',' && *b != b'=')
}

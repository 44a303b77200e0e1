//! Readers and writers of trace headers: the rules of W3C Trace Context level 2 and of B3 Propagation.
#![allow(clippy::unwrap_used, missing_docs)]

use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_observe::trace::{
    Decision, Extracted, Formats, Injection, Reason, Signals, TraceContext, decide, extract,
    parse_single, parse_traceparent, request_id, trace_reason, tracestate, with_reason,
};
use proptest::prelude::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn state(values: &[&str]) -> Option<String> {
    let pairs: Vec<_> = values.iter().map(|value| ("tracestate", *value)).collect();
    tracestate(headers(&pairs).get_all("tracestate"))
        .map(|state| state.to_str().unwrap().to_owned())
}

#[test]
fn traceparent_is_read_as_the_standard_says() {
    let valid = |text: &str| parse_traceparent(text.as_bytes()).is_some();
    let form = |version: &str, trace: &str, span: &str, rest: &str| {
        format!("{version}-{trace}-{span}-{rest}")
    };
    for accepted in [
        form("00", TRACE, SPAN, "00"),
        form("00", TRACE, SPAN, "ff"),
        form("cc", TRACE, SPAN, "01"),
        form("cc", TRACE, SPAN, "01-what-the-future-will-be-like"),
        form("01", TRACE, SPAN, "01-"),
        format!(" \t{}\t ", form("00", TRACE, SPAN, "01")),
        form(
            "00",
            "00000000000000000000000000000001",
            "0000000000000001",
            "01",
        ),
    ] {
        assert!(valid(&accepted), "{accepted}");
    }
    let upper = TRACE.to_uppercase();
    for refused in [
        form("ff", TRACE, SPAN, "01"),
        form("00", TRACE, SPAN, "01-"),
        form("00", TRACE, SPAN, "01."),
        form("00", TRACE, SPAN, "01-more"),
        form("cc", TRACE, SPAN, "01.what"),
        form("cc", TRACE, SPAN, "011"),
        form("0", TRACE, SPAN, "01"),
        form("000", TRACE, SPAN, "01"),
        form(".0", TRACE, SPAN, "01"),
        form("0.", TRACE, SPAN, "01"),
        form("0G", TRACE, SPAN, "01"),
        form("CC", TRACE, SPAN, "01"),
        form("00", &upper, SPAN, "01"),
        form("00", &"0".repeat(32), SPAN, "01"),
        form("00", TRACE, &"0".repeat(16), "01"),
        form("00", &TRACE[1..], SPAN, "01"),
        form("00", &format!("{TRACE}0"), SPAN, "01"),
        form("00", &format!("+{}", &TRACE[1..]), SPAN, "01"),
        form("00", TRACE, &SPAN[1..], "01"),
        form("00", TRACE, &format!("{SPAN}0"), "01"),
        form("00", TRACE, SPAN, "1"),
        form("00", TRACE, SPAN, "001"),
        form("00", TRACE, SPAN, ".0"),
        form("00", TRACE, SPAN, "0."),
        "00-1-1-01".to_owned(),
        String::new(),
        "é".repeat(30),
    ] {
        assert!(!valid(&refused), "{refused}");
    }
}

#[test]
fn only_the_flags_that_are_defined_count() {
    let read =
        |flags: &str| parse_traceparent(format!("00-{TRACE}-{SPAN}-{flags}").as_bytes()).unwrap();
    assert_eq!(read("00").decision, Decision::Deny);
    assert_eq!(
        (read("01").decision, read("01").random),
        (Decision::Accept, false)
    );
    assert_eq!(
        (read("02").decision, read("02").random),
        (Decision::Deny, true)
    );
    assert_eq!(
        (read("ff").decision, read("ff").random),
        (Decision::Accept, true)
    );
}

#[test]
fn tracestate_headers_are_joined_in_order() {
    let joined = state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]);
    assert_eq!(joined.as_deref(), Some("foo=1,bar=2,rojo=1,congo=2,baz=3"));
    assert_eq!(
        state(&["foo=1 \t , \t bar=2, \t baz=3"]).as_deref(),
        Some("foo=1,bar=2,baz=3")
    );
    assert_eq!(state(&["foo=1", ""]).as_deref(), Some("foo=1"));
    assert_eq!(state(&["", "foo=1"]).as_deref(), Some("foo=1"));
    assert_eq!(state(&["foo=1,,bar=2,"]).as_deref(), Some("foo=1,bar=2"));
    assert_eq!(state(&["\t foo=1 \t"]).as_deref(), Some("foo=1"));
    assert_eq!(state(&["foo= 1 2"]).as_deref(), Some("foo= 1 2"));
    assert_eq!(state(&[""]), None);
    assert_eq!(state(&[]), None);
}

#[test]
fn all_legal_characters_of_tracestate_pass() {
    let value: String = (0x20u8..=0x7e)
        .filter(|b| !b",=".contains(b))
        .map(char::from)
        .collect();
    for key in [
        "abcdefghijklmnopqrstuvwxyz0123456789_-*/",
        "0a",
        "a0_-*/@a-z0-9_-*/",
    ] {
        let member = format!("{key}={value}");
        assert_eq!(state(&[&member]).as_deref(), Some(member.as_str()));
    }
}

#[test]
fn one_bad_member_discards_the_whole_state() {
    let long = |length: usize| "z".repeat(length);
    for bad in [
        "foo =1".to_owned(),
        "FOO=1".to_owned(),
        "foo.bar=1".to_owned(),
        "_foo=1".to_owned(),
        "foo@=1".to_owned(),
        "@foo=1".to_owned(),
        "foo@@bar=1".to_owned(),
        "foo@bar@baz=1".to_owned(),
        "foo@1bar=1".to_owned(),
        "foo".to_owned(),
        "=1".to_owned(),
        "foo=".to_owned(),
        "foo=bar=baz".to_owned(),
        "foo=b\tr".to_owned(),
        "ok=2".to_owned(),
        format!("{}=1", long(257)),
        format!("{}@v=1", long(242)),
        format!("t@{}=1", long(15)),
        format!("a={}", long(257)),
    ] {
        assert_eq!(state(&["ok=1", &bad]), None, "{bad}");
        assert_eq!(state(&[&format!("ok=1,{bad}")]), None, "{bad}");
    }
    for good in [
        format!("{}=1", long(256)),
        format!("{}@{}=1", long(241), long(14)),
        format!("a={}", long(256)),
    ] {
        assert!(state(&["ok=1", &good]).is_some(), "{good}");
    }
}

#[test]
fn a_state_has_at_most_32_members() {
    let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>();
    let many = members(33);
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(state(&many[..32]).unwrap().split(',').count(), 32);
    assert_eq!(state(&many), None);
    assert_eq!(state(&[&many.join(",")]), None);
}

#[test]
fn two_parents_are_none() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let twice = headers(&[("traceparent", &parent), ("traceparent", &parent)]);
    assert_eq!(extract(&twice), Extracted::default());
}

#[test]
fn a_single_b3_header_is_read_as_its_specification_says() {
    let read = |text: &str| parse_single(text.as_bytes());
    let decision = |text: &str| read(text).map(|extracted| extracted.decision);
    assert_eq!(decision("0"), Some(Decision::Deny));
    assert_eq!(decision("1"), Some(Decision::Accept));
    assert_eq!(decision("d"), Some(Decision::Debug));
    assert_eq!(decision(&format!("{TRACE}-{SPAN}")), Some(Decision::Defer));
    assert_eq!(
        decision(&format!("{TRACE}-{SPAN}-d")),
        Some(Decision::Debug)
    );
    let full = read(&format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90")).unwrap();
    assert_eq!(full.context.unwrap().parent_id, Some(0x05e3_ac9a_4f6e_3b90));
    assert!(
        read(&format!("{}-{SPAN}-1", &TRACE[16..]))
            .unwrap()
            .context
            .unwrap()
            .narrow
    );
    for bad in [
        "",
        "2",
        "-",
        "true",
        TRACE,
        &format!("{TRACE}-{SPAN}-"),
        &format!("{TRACE}-{SPAN}-x"),
        &format!("{TRACE}-{SPAN}-1-"),
        &format!("{TRACE}-{SPAN}-1-{SPAN}-"),
        &format!("{TRACE}-{SPAN}-1-{SPAN}0"),
        &format!("{}-{SPAN}-1", "0".repeat(32)),
        &format!("{}-{SPAN}-1", &TRACE[1..]),
        &format!("{TRACE}-{}-1", "0".repeat(16)),
        &format!("{}-{SPAN}-1", TRACE.to_uppercase()),
    ] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn b3_headers_are_read_with_their_old_spellings() {
    let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    let read = |more: &[(&str, &str)]| extract(&headers(&[&ids[..], more].concat()));
    assert_eq!(read(&[]).decision, Decision::Defer);
    assert_eq!(read(&[("x-b3-sampled", "1")]).decision, Decision::Accept);
    assert_eq!(read(&[("x-b3-sampled", "true")]).decision, Decision::Accept);
    assert_eq!(read(&[("x-b3-sampled", "false")]).decision, Decision::Deny);
    assert_eq!(read(&[("x-b3-flags", "1")]).decision, Decision::Debug);
    assert_eq!(read(&[("x-b3-flags", "0")]).decision, Decision::Defer);
    assert_eq!(read(&[("x-b3-parentspanid", "zz")]).context, None);
    let alone = extract(&headers(&[("x-b3-sampled", "0")]));
    assert_eq!((alone.context, alone.decision), (None, Decision::Deny));
    let half = extract(&headers(&[("x-b3-traceid", TRACE), ("x-b3-sampled", "1")]));
    assert_eq!((half.context, half.decision), (None, Decision::Accept));
}

#[test]
fn w3c_wins_over_b3_and_b3_over_nothing() {
    let parent = format!("00-{TRACE}-{SPAN}-00");
    let single = "463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-1";
    let multi = [("x-b3-traceid", "1234567890abcdef"), ("x-b3-spanid", SPAN)];
    let trace = |pairs: &[(&str, &str)]| {
        let all = headers(&[pairs, &multi[..]].concat());
        extract(&all).context.unwrap().trace_id
    };
    let w3c = u128::from_str_radix(TRACE, 16).unwrap();
    assert_eq!(trace(&[("traceparent", &parent), ("b3", single)]), w3c);
    let b3 = 0x463a_c35c_9f64_13ad_4848_5a39_53bb_6124;
    assert_eq!(trace(&[("traceparent", "00-bad"), ("b3", single)]), b3);
    assert_eq!(trace(&[("b3", "bad")]), 0x1234_5678_90ab_cdef);
}

#[test]
fn formats_that_are_not_written_are_removed() {
    let context = TraceContext {
        trace_id: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c,
        span_id: 0xb7ad_6b71_6920_3331,
        parent_id: Some(1),
        decision: Decision::Accept,
        random: true,
        narrow: false,
    };
    let none = Formats {
        w3c: false,
        b3_multi: false,
        b3_single: false,
    };
    let mut all = HeaderMap::new();
    let state = Some(HeaderValue::from_static("a=1"));
    let injection = Injection::new(context, state);
    injection.write(
        &mut all,
        Formats {
            w3c: true,
            b3_multi: true,
            b3_single: true,
        },
    );
    assert_eq!(all["traceparent"], format!("00-{TRACE}-{SPAN}-03").as_str());
    assert_eq!(
        all["b3"],
        format!("{TRACE}-{SPAN}-1-0000000000000001").as_str()
    );
    assert_eq!(all["x-b3-parentspanid"], "0000000000000001");
    assert_eq!(all.len(), 7);
    injection.write(&mut all, none);
    assert!(all.is_empty());
}

#[test]
fn the_reason_is_decided_in_order() {
    let signals = Signals::default();
    let forced = Signals {
        client_trace_id: true,
        force_trace: true,
        request_id: Reason::Sampled,
        context: Decision::Deny,
    };
    assert_eq!(decide(&forced, 0.0, 0.9), Reason::ClientForced);
    let forced = Signals {
        client_trace_id: false,
        ..forced
    };
    assert_eq!(decide(&forced, 0.0, 0.9), Reason::ServiceForced);
    let earlier = Signals {
        force_trace: false,
        request_id: Reason::ClientForced,
        ..forced
    };
    assert_eq!(decide(&earlier, 0.0, 0.9), Reason::ClientForced);
    let context = |context| Signals { context, ..signals };
    assert_eq!(
        decide(&context(Decision::Accept), 0.0, 0.9),
        Reason::Sampled
    );
    assert_eq!(
        decide(&context(Decision::Deny), 100.0, 0.0),
        Reason::NotTraced
    );
    assert_eq!(decide(&signals, 0.0, 0.0), Reason::NotTraced);
    assert_eq!(decide(&signals, 100.0, 0.999_999), Reason::Sampled);
    assert_eq!(decide(&signals, 0.5, 0.004_9), Reason::Sampled);
    assert_eq!(decide(&signals, 0.5, 0.005_1), Reason::NotTraced);
}

#[test]
fn request_identifiers_carry_the_reason_in_their_14th_digit() {
    for (reason, digit) in [
        (Reason::NotTraced, '4'),
        (Reason::Sampled, '9'),
        (Reason::ServiceForced, 'a'),
        (Reason::ClientForced, 'b'),
    ] {
        let id = request_id(u128::MAX / 3, reason);
        let text = id.to_str().unwrap();
        assert_eq!(text.chars().nth(14), Some(digit), "{text}");
        assert!(
            matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
            "{text}"
        );
        assert_eq!(trace_reason(&id), Some(reason));
        let plain = HeaderValue::from_static("6ba7b810-9dad-41d1-80b4-00c04fd430c8");
        assert_eq!(trace_reason(&with_reason(&plain, reason)), Some(reason));
    }
    let foreign = HeaderValue::from_static("not-a-uuid");
    assert_eq!(with_reason(&foreign, Reason::Sampled), foreign);
    assert_eq!(trace_reason(&foreign), None);
}

fn context() -> impl Strategy<Value = TraceContext> {
    let decision = prop_oneof![
        Just(Decision::Deny),
        Just(Decision::Accept),
        Just(Decision::Debug),
        Just(Decision::Defer),
    ];
    (
        1u128..,
        1u64..,
        proptest::option::of(1u64..),
        decision,
        any::<bool>(),
    )
        .prop_map(
            |(trace_id, span_id, parent_id, decision, narrow)| TraceContext {
                trace_id: if narrow {
                    trace_id & u128::from(u64::MAX) | 1
                } else {
                    trace_id
                },
                span_id,
                parent_id,
                decision,
                random: false,
                narrow,
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(context in context()) {
        let only = |w3c, b3_multi, b3_single| {
            let mut headers = HeaderMap::new();
            let formats = Formats { w3c, b3_multi, b3_single };
            Injection::new(context, None).write(&mut headers, formats);
            extract(&headers).context.unwrap()
        };
        prop_assert_eq!(only(false, true, false), context);
        let single = only(false, false, true);
        // Without a decision there is no place for a parent.
        let parent_id = context.parent_id.filter(|_| context.decision != Decision::Defer);
        prop_assert_eq!(single, TraceContext { parent_id, ..context });
        let w3c = only(true, false, false);
        prop_assert_eq!(w3c.trace_id, context.trace_id);
        prop_assert_eq!(w3c.span_id, context.span_id);
        prop_assert_eq!(w3c.decision.is_sampled(), context.decision.is_sampled());
    }

    #[test]
    fn no_bytes_break_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let parent = parse_traceparent(&bytes);
        prop_assert!(parent.is_none_or(|c| c.trace_id != 0 && c.span_id != 0));
        let single = parse_single(&bytes).and_then(|extracted| extracted.context);
        prop_assert!(single.is_none_or(|c| c.trace_id != 0 && c.span_id != 0));
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            let mut headers = HeaderMap::new();
            headers.append("tracestate", value.clone());
            let _ = trace_reason(&value);
            if let Some(joined) = tracestate(headers.get_all("tracestate")) {
                headers.insert("tracestate", joined.clone());
                prop_assert_eq!(tracestate(headers.get_all("tracestate")), Some(joined));
            }
        }
    }

    #[test]
    fn near_misses_agree_with_a_plain_reading(text in "(00|01|ff|0G)-[0-9a-f]{31,33}-[0-9a-fA-F]{16}-[0-9a-f]{2}(-x|x)?") {
        let parts: Vec<&str> = text.splitn(5, '-').collect();
        let hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let plain = hex(parts[0])
            && parts[0] != "ff"
            && parts[1].len() == 32
            && parts[1].bytes().any(|b| b != b'0')
            && hex(parts[2])
            && parts[2].bytes().any(|b| b != b'0')
            && parts[3].len() == 2
            && (parts[0] != "00" || parts.len() == 4);
        prop_assert_eq!(parse_traceparent(text.as_bytes()).is_some(), plain, "{}", text);
    }

    #[test]
    fn states_never_grow_beyond_32_members(values in proptest::collection::vec("([a-z]{1,3}=[a-z]{1,3},?){0,9}", 0..6)) {
        let pairs: Vec<_> = values.iter().map(String::as_str).collect();
        if let Some(joined) = state(&pairs) {
            prop_assert!(joined.split(',').count() <= 32);
        }
    }
}

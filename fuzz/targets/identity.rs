//! Any text as a SPIFFE id and as a forwarded certificate header: no panic; what is accepted prints back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::identity::{ConsulId, SpiffeId, leaf_identity, xfcc};

fuzz_target!(|data: &[u8]| {
    let accepted = leaf_identity([data].into_iter());
    let Ok(text) = std::str::from_utf8(data) else {
        assert!(accepted.is_err(), "an identity that is no text");
        return;
    };
    if let Ok(id) = SpiffeId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    let _ = ConsulId::parse(text);
    let _ = (xfcc::first(text), xfcc::forwarded_uri(text));
});

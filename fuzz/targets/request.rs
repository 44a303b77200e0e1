//! Any text as a request target: normalising never panics and leaves no dot segment between its slashes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::normalize::{self, Normalization, Normalized};

fuzz_target!(|text: &str| {
    let settings = Normalization::default();
    if let Normalized::Changed(once) = normalize::path(&settings, text) {
        let path = normalize::without_query(&once);
        assert!(path.split('/').all(|segment| segment != ".." && segment != "."), "{text:?} -> {once:?}");
    }
});

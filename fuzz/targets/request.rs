//! Any text as a request target: normalising never panics, and doing it twice is doing it once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::normalize::{self, Normalization, Normalized};

fuzz_target!(|text: &str| {
    let settings = Normalization::default();
    if let Normalized::Changed(once) = normalize::path(&settings, text) {
        assert!(matches!(normalize::path(&settings, &once), Normalized::Unchanged), "{text:?} -> {once:?}");
    }
});

//! Any text as a subset filter, and as a Go duration: no panic, in bounded time; a duration prints and parses back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::catalog::Instance;
use mesh_core::config::GoDuration;
use mesh_core::filter::Filter;

fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        if let Ok(bound) = filter.bind() {
            let _ = bound.matches(&Instance::default(), &[]);
        }
    }
    if let Ok(duration) = text.parse::<GoDuration>() {
        assert_eq!(duration.to_string().parse::<GoDuration>().ok(), Some(duration));
    }
});

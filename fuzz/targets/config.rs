//! Any bytes as a configuration file, and what they print to once more: no panic, in bounded time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::config::{self, Source};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in ["a.hcl", "a.json", "mesh.hcl"] {
        let loaded = config::load(vec![Source::new(name, text)]);
        let _ = config::render(&loaded.diagnostics, true);
        for entry in loaded.entries.iter() {
            let json = entry.to_json().to_string();
            let _ = config::load(vec![Source::new("again.json", json)]);
        }
    }
});

//! Any bytes as a configuration file: no panic, and what is accepted prints to JSON that is accepted again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_core::config::{self, Source};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for name in ["a.hcl", "a.json", "mesh.hcl"] {
        let loaded = config::load(vec![Source::new(name, text)]);
        let _ = config::render(&loaded.diagnostics, true);
        if loaded.diagnostics.iter().any(config::Diagnostic::is_error) {
            continue;
        }
        for entry in loaded.entries.iter() {
            let json = entry.to_json().to_string();
            let again = config::load(vec![Source::new("again.json", json.clone())]);
            assert!(!again.diagnostics.iter().any(config::Diagnostic::is_error), "refused its own print: {json}");
            assert_eq!(again.entries.get(&entry.key()).map(|entry| entry.to_json().to_string()), Some(json));
        }
    }
});

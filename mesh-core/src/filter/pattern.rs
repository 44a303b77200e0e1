//! Regular expressions of filters.

use regex::bytes::{Regex, RegexBuilder};

/// The compiled form of one pattern may take this many bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles a pattern that is searched for anywhere. `\d`, `\w`, `\s` and `\b` are ASCII, as in RE2.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let build = |unicode: bool| {
        RegexBuilder::new(pattern)
            .unicode(unicode)
            .size_limit(SIZE_LIMIT)
            .dfa_size_limit(SIZE_LIMIT)
            .build()
    };
    let ascii = pattern.is_ascii();
    let compiled = build(!ascii).or_else(|error| build(ascii).map_err(|_| error));
    compiled.map_err(|error| error.to_string())
}

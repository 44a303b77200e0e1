//! Looking at a directory without a mesh: what the live source would make of it, and everything that is wrong with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::dir::{self, no_settings};
use crate::config::{self, Diagnostic, EntryKey, Kind, Source};
use crate::identity::TrustDomain;
use crate::snapshot::{Input, World, ordered};

/// Stands for the trust domain of a directory that never had one; [`Mesh::open`](crate::snapshot::Mesh::open) makes a
/// random one and keeps it.
pub const UNKNOWN_TRUST_DOMAIN: &str = "00000000-0000-4000-8000-000000000000.consul";

/// What a directory says.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What would come into force; none if anything is wrong.
    pub world: Option<Arc<World>>,
    /// Everything that is wrong or worth knowing, by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// Number of files that were read.
    pub files: usize,
}

/// Reads and compiles a directory exactly as the live source does, but writes nothing.
///
/// Unlike the live source, which may stop at the first stage that fails, this tells errors of all stages at once.
#[must_use]
pub fn check(directory: &Path) -> Checked {
    match dir::read(directory) {
        Ok(files) => check_files(files, |settings| {
            dir::known_trust_domain(directory, settings)
                .map_err(|error| dir::no_trust_domain(directory, settings, &error))
        }),
        Err(error) => {
            let hint = "give an existing directory whose files may be read and are UTF-8";
            Checked {
                world: None,
                diagnostics: vec![dir::unreadable(&error).with_hint(hint)],
                files: 0,
            }
        }
    }
}

/// As [`check`], of files in memory.
#[must_use]
pub fn check_files(
    files: Vec<Source>,
    trust_domain: impl FnOnce(&config::Settings) -> Result<Option<TrustDomain>, Diagnostic>,
) -> Checked {
    let count = files.len();
    let loaded = config::load(files);
    let mut diagnostics: Vec<Diagnostic> = no_settings(&loaded).into_iter().collect();
    diagnostics.extend(loaded.diagnostics);
    let broken = broken(&diagnostics);
    let settings = loaded.settings.unwrap_or_default();
    let known = trust_domain(&settings).unwrap_or_else(|problem| {
        diagnostics.push(problem);
        None
    });
    let Some(trust_domain) = known.or_else(|| TrustDomain::new(UNKNOWN_TRUST_DOMAIN).ok()) else {
        return Checked {
            world: None,
            diagnostics,
            files: count,
        };
    };
    let input = Input {
        entries: loaded.entries,
        services: loaded.services,
        settings,
        trust_domain,
    };
    let (world, errors) = World::attempt(1, input, None, &broken);
    diagnostics.extend(errors);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    diagnostics.extend(world.warnings.iter().cloned());
    Checked {
        world: (!failed).then(|| Arc::new(world)),
        diagnostics: ordered(diagnostics),
        files: count,
    }
}

/// Which entries could not be read, as far as their texts tell: every kind with every name in them. One too many only
/// keeps an error for the next check.
fn broken(diagnostics: &[Diagnostic]) -> BTreeSet<EntryKey> {
    let wrong = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error());
    let sources = wrong.filter_map(|diagnostic| diagnostic.origin.source());
    sources.flat_map(|source| keys_in(&source.text)).collect()
}

fn keys_in(text: &str) -> Vec<EntryKey> {
    let values = |key: &str| {
        let found = PAIRS.captures_iter(text);
        let found = found.filter(|pair| pair[1].eq_ignore_ascii_case(key));
        found.map(|pair| pair[2].to_owned()).collect::<Vec<_>>()
    };
    let kinds: Vec<Kind> = values("kind")
        .iter()
        .filter_map(|kind| Kind::parse(kind))
        .collect();
    let names = values("name");
    // Entries that need not say their name.
    let nameless = kinds.iter().filter_map(|kind| match kind {
        Kind::ProxyDefaults => Some(EntryKey::new(*kind, "global")),
        Kind::Mesh => Some(EntryKey::new(*kind, "mesh")),
        _ => None,
    });
    let meant = if kinds.is_empty() { Kind::ALL } else { &kinds };
    let keys = meant
        .iter()
        .flat_map(|kind| names.iter().map(|name| EntryKey::new(*kind, name.as_str())));
    keys.chain(nameless).collect()
}

/// `Kind = "…"` and `"Name": "…"`, in HCL or JSON, wherever they stand.
static PAIRS: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::unwrap_used, reason = "the pattern is a constant and tested")]
    let pattern =
        Regex::new(r#"(?-u:\b)(?i-u:(kind|name))"?[ \t\r\n]*[=:][ \t]*"([^"\n]*)""#).unwrap();
    pattern
});

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)]) -> Checked {
        let files = files.iter().map(|(path, text)| Source::new(*path, *text));
        check_files(files.collect(), |_| Ok(None))
    }

    const MESH: (&str, &str) = ("mesh.hcl", "default_intention_policy = \"deny\"");
    const HTTP: (&str, &str) = (
        "proxy-defaults.hcl",
        "Kind = \"proxy-defaults\"\nConfig { protocol = \"http\" }",
    );
    const SPLITTER: (&str, &str) = (
        "splitter.hcl",
        "Kind = \"service-splitter\"\nName = \"web\"\nSplits = [{ Weight = 100, ServiceSubset = \"v1\" }]",
    );

    fn categories(checked: &Checked) -> Vec<&'static str> {
        let errors = checked.diagnostics.iter().filter(|d| d.is_error());
        errors.map(|d| d.category.as_str()).collect()
    }

    #[test]
    fn errors_of_all_stages_are_told_at_once() {
        let router = (
            "router.hcl",
            "Kind = \"service-router\"\nName = \"api\"\nRoutes = [{ Match { HTTP { PathPrefix = \"x\" } } }]",
        );
        let checked = check(&[MESH, HTTP, SPLITTER, router]);
        assert!(checked.world.is_none());
        assert_eq!(categories(&checked), ["bad-match", "missing-subset"]);
        assert_eq!(
            categories(&check(&[HTTP, SPLITTER])),
            ["bad-settings", "missing-subset"]
        );
    }

    #[test]
    fn what_follows_from_another_error_is_not_told() {
        for resolver in [
            "Kind = \"service-resolver\"\nName = \"web\"\nSubsets { v1 { Filte = \"x\" } }",
            "Kind = \"service-resolver\"\nName = \"web\"\nSubsets { v1 { Filter = } }",
            "Kind = \"service-resolvr\"\nName = \"web\"\nSubsets { v1 { } }",
            "{\"Kind\": \"service-resolver\", \"Name\": \"web\", \"Subsets\": {\"v1\": {\"Filter\": 1 2}}}",
        ] {
            let checked = check(&[MESH, HTTP, SPLITTER, ("resolver.hcl", resolver)]);
            assert_eq!(categories(&checked).len(), 1, "{resolver}");
        }
        let defaults = (
            "proxy-defaults.hcl",
            "Kind = \"proxy-defaults\"\nConfig { protocol = }",
        );
        assert_eq!(categories(&check(&[MESH, defaults, SPLITTER])), ["syntax"]);
    }

    #[test]
    fn a_good_directory_gives_a_world() {
        let resolver = (
            "resolver.hcl",
            "Kind = \"service-resolver\"\nName = \"web\"\nSubsets { v1 { } }",
        );
        let checked = check(&[MESH, HTTP, SPLITTER, resolver]);
        let world = checked.world.unwrap();
        assert_eq!(world.trust_domain.as_str(), UNKNOWN_TRUST_DOMAIN);
        assert_eq!((checked.files, world.chains.len()), (4, 1));
    }
}

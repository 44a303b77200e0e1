//! What is allowed in intentions but likely not meant.

use std::collections::BTreeMap;

use super::{Decision, DefaultPolicy};
use crate::config::{Category, Diagnostic, EntrySet, IntentionHttp, ServiceIntentions};
use crate::normalize::{EscapedSlashes, Normalization};

/// Warnings and notes about all intentions together:
///
/// * token requirements while the default policy is to allow (Consul's own rules would not enforce them; here they are);
/// * rules about paths while escaped or repeated slashes reach the application as they are;
/// * destinations whose names differ only in case, which Consul takes for one and this crate for two.
pub fn lint(
    entries: &EntrySet,
    default: DefaultPolicy,
    normalization: &Normalization,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut names: BTreeMap<String, &ServiceIntentions> = BTreeMap::new();
    let slashes_pass =
        !normalization.merge_slashes || normalization.escaped_slashes == EscapedSlashes::Keep;
    for entry in entries.all_intentions() {
        if let Some(other) = names.insert(entry.name.to_lowercase(), entry) {
            let message = format!(
                "destinations {:?} and {:?} differ only in case",
                other.name, entry.name
            );
            let warning = Diagnostic::warning(Category::BadName, entry.origin.clone(), message);
            found.push(warning.with_hint("Consul takes them for one"));
        }
        if default == Decision::Allow && requires_tokens(entry) {
            let message = format!(
                "tokens are required for {:?}, but the default policy is to allow",
                entry.name
            );
            let warning = Diagnostic::warning(Category::BadJwt, entry.origin.clone(), message);
            found.push(warning.with_hint(
                "requests that no intention matches need no token; set the default to deny",
            ));
        }
        if (slashes_pass || normalization.disable_path_normalization) && judges_paths(entry) {
            let message = format!(
                "rules about paths of {:?} see slashes as they were sent",
                entry.name
            );
            let hint = "set MergeSlashes and PathWithEscapedSlashesAction in the mesh entry";
            let note = Diagnostic::note(Category::BadNormalization, entry.origin.clone(), message);
            found.push(note.with_hint(hint));
        }
    }
    found
}

fn requires_tokens(entry: &ServiceIntentions) -> bool {
    let permissions = entry.sources.iter().flat_map(|source| &source.permissions);
    entry.jwt.is_some()
        || permissions
            .into_iter()
            .any(|permission| permission.jwt.is_some())
}

fn judges_paths(entry: &ServiceIntentions) -> bool {
    let permissions = entry.sources.iter().flat_map(|source| &source.permissions);
    let has_path = |http: &IntentionHttp| {
        let prefix = !matches!(http.path_prefix.as_str(), "" | "/");
        prefix || !http.path_exact.is_empty() || !http.path_regex.is_empty()
    };
    permissions
        .filter_map(|permission| permission.http.as_ref())
        .any(has_path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Entry, IntentionJwt, IntentionSource, Permission};

    fn entry(name: &str, path_prefix: &str, jwt: bool) -> Entry {
        let http = IntentionHttp {
            path_prefix: path_prefix.into(),
            ..IntentionHttp::default()
        };
        let permission = Permission {
            action: "allow".into(),
            http: Some(http),
            ..Permission::default()
        };
        let source = IntentionSource {
            name: "web".into(),
            permissions: vec![permission],
            ..IntentionSource::default()
        };
        Entry::from(ServiceIntentions {
            name: name.into(),
            jwt: jwt.then(IntentionJwt::default),
            sources: vec![source],
            ..ServiceIntentions::default()
        })
    }

    fn categories(
        entries: Vec<Entry>,
        default: Decision,
        normalization: Normalization,
    ) -> Vec<Category> {
        let found = lint(&entries.into_iter().collect(), default, &normalization);
        found
            .into_iter()
            .map(|diagnostic| diagnostic.category)
            .collect()
    }

    #[test]
    fn only_what_is_likely_not_meant_is_reported() {
        let strict = Normalization {
            merge_slashes: true,
            escaped_slashes: EscapedSlashes::Reject,
            ..Normalization::default()
        };
        let loose = Normalization::default();
        assert_eq!(
            categories(vec![entry("api", "/", true)], Decision::Deny, loose),
            []
        );
        assert_eq!(
            categories(vec![entry("api", "/a", true)], Decision::Deny, strict),
            []
        );
        let path = categories(vec![entry("api", "/a", false)], Decision::Allow, loose);
        assert_eq!(path, [Category::BadNormalization]);
        let token = categories(vec![entry("api", "/a", true)], Decision::Allow, strict);
        assert_eq!(token, [Category::BadJwt]);
        let twins = vec![entry("api", "/", false), entry("API", "/", false)];
        assert_eq!(
            categories(twins, Decision::Allow, strict),
            [Category::BadName]
        );
    }
}

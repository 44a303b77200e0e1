//! "Did you mean": what to write in place of an unknown key.

use super::decode::Field;
use super::path::squeeze;

/// A hint for an unknown key of a record, if there is any to give.
pub(crate) fn for_key(record: &str, fields: &[Field], key: &str) -> Option<String> {
    if let Some(hint) = special(record, key) {
        return Some(hint.to_owned());
    }
    if let Some(field) = fields
        .iter()
        .find(|field| squeeze(field.name).eq(squeeze(key)))
    {
        let alias = if field.alias.is_empty() {
            "; it has no snake-case form"
        } else {
            ""
        };
        return Some(format!("write `{}`{alias}", field.name));
    }
    let names = fields.iter().map(|field| field.name);
    nearest(key, names).map(|name| format!("did you mean `{name}`?"))
}

/// Keys that other places have.
fn special(record: &str, key: &str) -> Option<&'static str> {
    let squeezed: String = squeeze(key).collect();
    Some(match (record, squeezed.as_str()) {
        ("RouteHeader", "contains") => {
            "only intentions have `Contains`; a router's header can use `Regex = \".*text.*\"`"
        }
        ("RouteHeader", "ignorecase") => {
            "only intentions have `IgnoreCase`; a router's header can use `Regex = \"(?i)text\"`"
        }
        ("QueryMatch", "prefix" | "suffix" | "contains" | "invert") => {
            "a query parameter has `Present`, `Exact` and `Regex`; use `Regex`"
        }
        ("HttpMatch", "queryparams" | "query" | "queryparameter") => "write `QueryParam`",
        ("HttpMatch" | "IntentionHttp", "headers") => "write `Header`",
        ("HttpMatch" | "IntentionHttp", "method") => "write `Methods`",
        ("Failover", "datacenter") => "write `Datacenters`, a list, or `Targets`",
        ("ProxyDefaults", "defaultprotocol") => "write `Config { protocol = \"http\" }`",
        (_, "kind") => "`Kind` is spelt `Kind` or `kind`",
        (_, "partition") => "admin partitions are a feature of Consul Enterprise",
        _ => return None,
    })
}

/// The name nearest to a key, if it is near enough to be meant.
pub(crate) fn nearest<'n>(key: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let key: Vec<char> = squeeze(key).take(64).collect();
    let allowed = if key.len() < 4 {
        1
    } else {
        (key.len() / 3).min(3)
    };
    names
        .map(|name| (distance(&key, &squeeze(name).collect::<Vec<_>>()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Insertions, deletions, substitutions and swaps of neighbours from one text to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut next = vec![i + 1; to.len() + 1];
        for (j, b) in to.iter().enumerate() {
            let substituted = row[j] + usize::from(a != b);
            next[j + 1] = substituted.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [Field; 3] = [
        Field {
            name: "PrefixRewrite",
            alias: "prefix_rewrite",
            ty: "String",
            doc: "",
        },
        Field {
            name: "MaxRequestHeadersKB",
            alias: "",
            ty: "String",
            doc: "",
        },
        Field {
            name: "Name",
            alias: "",
            ty: "String",
            doc: "",
        },
    ];

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        let hint = for_key("RouteDestination", &FIELDS, "PrefixRewirte");
        assert_eq!(hint.as_deref(), Some("did you mean `PrefixRewrite`?"));
        let hint = for_key("RouteDestination", &FIELDS, "prefix-rewrite");
        assert_eq!(hint.as_deref(), Some("write `PrefixRewrite`"));
        assert_eq!(for_key("RouteDestination", &FIELDS, "Whatever"), None);
    }

    #[test]
    fn a_field_without_alias_says_so() {
        let hint = for_key("ServiceDefaults", &FIELDS, "max_request_headers_kb");
        assert_eq!(
            hint.as_deref(),
            Some("write `MaxRequestHeadersKB`; it has no snake-case form")
        );
    }

    #[test]
    fn fields_of_other_places_are_explained() {
        let hint = for_key("RouteHeader", &FIELDS, "ignore_case").unwrap();
        assert!(hint.contains("only intentions"), "{hint}");
    }

    #[test]
    fn distance_counts_edits() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
    }
}

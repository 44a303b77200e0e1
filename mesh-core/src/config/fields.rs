//! All fields of all kinds, from the tables that the reader itself works by: none can be forgotten.
//!
//! ```
//! use mesh_core::config::fields;
//!
//! let fields = fields::all();
//! let weight = fields.iter().find(|field| field.path == "service-splitter.Splits.Weight").unwrap();
//! assert_eq!(weight.holds, "number");
//! ```

use std::collections::HashMap;

use super::decode::Field;
use super::{
    Kind, ingress, intentions, jwt_provider, mesh, policy, proxy_defaults, resolver, router,
    service, service_defaults, settings, shared, splitter,
};

/// Modules with records.
const TABLES: [&[(&str, &[Field])]; 13] = [
    ingress::RECORDS,
    intentions::RECORDS,
    jwt_provider::RECORDS,
    mesh::RECORDS,
    policy::RECORDS,
    proxy_defaults::RECORDS,
    resolver::RECORDS,
    router::RECORDS,
    service::RECORDS,
    service_defaults::RECORDS,
    settings::RECORDS,
    shared::RECORDS,
    splitter::RECORDS,
];

/// One field of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Kind and names down to the field, such as `service-resolver.Subsets.*.Filter`; `*` stands for the keys of a map.
    /// Service definitions begin with `service`, the settings of the process with `mesh.hcl`.
    pub path: String,
    /// Another name of the same field; empty when there is none. Names are read in any case.
    pub alias: &'static str,
    /// What it holds, in words.
    pub holds: String,
    /// Whether it only groups the fields below it.
    pub is_block: bool,
    /// What it means.
    pub meaning: String,
}

/// All fields, by kind and in the order of Consul's documentation.
#[must_use]
pub fn all() -> Vec<FieldInfo> {
    let records: HashMap<&str, &[Field]> = TABLES
        .iter()
        .flat_map(|table| table.iter().copied())
        .collect();
    let kinds = Kind::ALL.iter().map(|kind| (kind.as_str(), kind.record()));
    let others = [("service", "ServiceDefinition"), ("mesh.hcl", "Settings")];
    let mut found = Vec::new();
    for (path, record) in kinds.chain(others) {
        walk(&records, path, record, &mut found);
    }
    found
}

fn walk(records: &HashMap<&str, &[Field]>, path: &str, record: &str, found: &mut Vec<FieldInfo>) {
    for field in records.get(record).copied().unwrap_or_default() {
        let ty: String = field.ty.chars().filter(|c| !c.is_whitespace()).collect();
        let shape = Shape::of(&ty);
        let is_block = records.contains_key(shape.inner);
        let path = format!("{path}.{}", field.name);
        found.push(FieldInfo {
            alias: field.alias,
            holds: shape.words(is_block),
            is_block,
            meaning: field.doc.trim().to_owned(),
            path: path.clone(),
        });
        if is_block {
            let below = if shape.map { format!("{path}.*") } else { path };
            walk(records, &below, shape.inner, found);
        }
    }
}

/// A type without what is around it.
struct Shape<'a> {
    inner: &'a str,
    list: bool,
    map: bool,
}

impl<'a> Shape<'a> {
    fn of(ty: &'a str) -> Self {
        let mut shape = Self {
            inner: ty,
            list: false,
            map: false,
        };
        loop {
            let within = |outer: &str| shape.inner.strip_prefix(outer)?.strip_suffix('>');
            if let Some(inner) = within("Option<") {
                shape.inner = inner;
            } else if let Some(inner) = within("Vec<") {
                (shape.inner, shape.list) = (inner, true);
            } else if let Some((_, inner)) =
                within("BTreeMap<").and_then(|pair| pair.split_once(','))
            {
                (shape.inner, shape.map) = (inner, true);
            } else {
                return shape;
            }
        }
    }

    fn words(&self, is_block: bool) -> String {
        let inner = match self.inner {
            "String" | "Arc<str>" => "text",
            "bool" => "flag",
            "i64" | "u32" | "u64" => "integer",
            "f64" => "number",
            "GoDuration" => "duration",
            "serde_json::Map<String,serde_json::Value>" => "free keys",
            "Ignored" => "anything",
            _ if is_block => "block",
            other => other,
        };
        match (self.map, self.list) {
            (false, false) => inner.to_owned(),
            (false, true) => format!("list of {inner}s"),
            (true, false) => format!("map of {inner}s"),
            (true, true) => format!("map of lists of {inner}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_word_and_every_record_is_reached() {
        let fields = all();
        for field in &fields {
            let known = [
                "text",
                "flag",
                "integer",
                "number",
                "duration",
                "free keys",
                "anything",
                "block",
            ];
            let last = field
                .holds
                .trim_end_matches('s')
                .rsplit("of ")
                .next()
                .unwrap();
            assert!(
                known.contains(&last) || known.contains(&field.holds.as_str()),
                "{field:?}"
            );
            assert!(!field.meaning.is_empty(), "{field:?}");
        }
        let mut paths: Vec<_> = fields.iter().map(|field| &field.path).collect();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), fields.len());
        let records: usize = TABLES.iter().map(|table| table.len()).sum();
        assert!(
            records > 60 && fields.len() > 450,
            "{records} {}",
            fields.len()
        );
    }

    #[test]
    fn shared_records_appear_wherever_they_are_used() {
        let fields = all();
        for path in [
            "service-router.Routes.Destination.RequestHeaders.Add",
            "service-splitter.Splits.RequestHeaders.Add",
            "ingress-gateway.Listeners.Services.RequestHeaders.Add",
            "service-resolver.Subsets.*.Filter",
            "mesh.TLS.Incoming.TLSMinVersion",
            "service.connect.sidecar_service.proxy.upstreams.destination_name",
            "mesh.hcl.certificates.files.cert",
        ] {
            assert!(fields.iter().any(|field| field.path == path), "{path}");
        }
    }
}

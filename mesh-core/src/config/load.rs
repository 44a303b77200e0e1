//! Reading a directory's texts: what each one is, what is in it, and everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agent::is_agent_key;
use super::read::{at_start, entry, locate, parse, read, top};
use super::value::{Data, Member, Value};
use super::{
    Category, Diagnostic, Entry, EntryKey, EntrySet, Kind, Origin, ServiceDefinition, Settings,
    Source,
};

/// What a set of texts says.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// Config entries that are right by themselves.
    pub entries: EntrySet,
    /// Service definitions that are right by themselves, in the order of the texts.
    pub services: Vec<ServiceDefinition>,
    /// The settings of the process, when there are any.
    pub settings: Option<Settings>,
    /// Everything that is wrong or worth knowing, by text and position.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether anything is wrong, so that the whole set is to be refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Reads texts of config entries, service definitions and settings. The order of the texts never matters for what they
/// mean. A text whose first character after white space is `{` is JSON, any other HCL.
#[must_use]
pub fn load(mut files: Vec<Source>) -> Loaded {
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut loader = Loader::default();
    for file in files {
        loader.file(&Arc::new(file));
    }
    loader.across();
    let mut loaded = loader.loaded;
    let place = |diagnostic: &Diagnostic| {
        (
            diagnostic.origin.path().to_owned(),
            diagnostic.origin.span().start,
        )
    };
    loaded.diagnostics.sort_by_cached_key(place);
    loaded
}

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    /// First place of every entry.
    seen: BTreeMap<EntryKey, Origin>,
    /// First place of every service identifier.
    instances: BTreeMap<Arc<str>, Origin>,
    settings: Option<Origin>,
}

impl Loader {
    fn file(&mut self, source: &Arc<Source>) {
        let value = match parse(source) {
            Ok(value) => value,
            Err(diagnostic) => return self.loaded.diagnostics.push(diagnostic),
        };
        let has = |key: &str| {
            value
                .members()
                .unwrap_or_default()
                .iter()
                .any(|member| member.key.eq_ignore_ascii_case(key))
        };
        if has("kind") {
            self.entry(source, &value);
        } else if is_settings(&source.path) {
            self.settings(source, &value);
        } else if has("service") || has("services") {
            self.services(source, &value);
        } else {
            self.other(source, &value);
        }
    }

    fn entry(&mut self, source: &Arc<Source>, value: &Value<'_>) {
        let (entry, found) = entry(source, value);
        self.loaded.diagnostics.extend(found);
        let Some(entry) = entry else { return };
        let key = entry.key();
        let place = top(value, "Name")
            .or_else(|| top(value, "name"))
            .map(|member| member.value.span);
        let origin = Origin::new(
            Arc::clone(source),
            place.unwrap_or(at_start(source, value).span()),
        );
        match self.seen.get(&key) {
            Some(first) => self.loaded.diagnostics.push(duplicate(
                format!("{key} is defined twice"),
                origin,
                first,
            )),
            None => {
                self.seen.insert(key, origin);
                self.loaded.entries.insert(entry);
            }
        }
    }

    fn settings(&mut self, source: &Arc<Source>, value: &Value<'_>) {
        let origin = at_start(source, value);
        if let Some(first) = &self.settings {
            let message = "a directory has one file of settings".to_owned();
            return self
                .loaded
                .diagnostics
                .push(duplicate(message, origin, first));
        }
        self.settings = Some(origin);
        let diagnostics = &mut self.loaded.diagnostics;
        self.loaded.settings =
            read::<Settings>(source, value, &[], |record| &record.origin, diagnostics);
    }

    fn services(&mut self, source: &Arc<Source>, value: &Value<'_>) {
        for member in value.members().unwrap_or_default() {
            if !matches!(member.key.to_lowercase().as_str(), "service" | "services") {
                self.beside_services(source, member);
                continue;
            }
            let items = match &member.value.data {
                Data::List(items) => items.as_slice(),
                _ => std::slice::from_ref(&member.value),
            };
            for item in items {
                self.service(source, item);
            }
        }
    }

    fn service(&mut self, source: &Arc<Source>, value: &Value<'_>) {
        let diagnostics = &mut self.loaded.diagnostics;
        let read =
            read::<ServiceDefinition>(source, value, &[], |record| &record.origin, diagnostics);
        let Some(service) = read else { return };
        let place = value.members().unwrap_or_default().iter().find(|member| {
            let wanted = if service.id == service.name {
                "name"
            } else {
                "id"
            };
            member.key.eq_ignore_ascii_case(wanted)
        });
        let origin = Origin::new(
            Arc::clone(source),
            place.map_or(value.span, |member| member.value.span),
        );
        match self.instances.get(&service.id) {
            Some(first) => {
                let message = format!("service {:?} is defined twice", service.id);
                let twice = duplicate(message, origin, first)
                    .with_hint("give each instance an `id` of its own");
                self.loaded.diagnostics.push(twice);
            }
            None => {
                self.instances.insert(service.id.clone(), origin);
                self.loaded.services.push(service);
            }
        }
    }

    fn beside_services(&mut self, source: &Arc<Source>, member: &Member<'_>) {
        let origin = Origin::new(Arc::clone(source), member.key_span);
        let diagnostic = if is_agent_key(&member.key) {
            let message = format!(
                "`{}` configures a Consul agent and is not read here",
                member.key
            );
            Diagnostic::note(Category::AgentConfiguration, origin, message)
        } else {
            let message = format!("unknown key `{}` beside a service definition", member.key);
            Diagnostic::error(Category::UnknownKey, origin, message)
        };
        self.loaded
            .diagnostics
            .push(diagnostic.with_field(member.key.clone()));
    }

    /// A text without a kind and without services.
    fn other(&mut self, source: &Arc<Source>, value: &Value<'_>) {
        let members = value.members().unwrap_or_default();
        let diagnostic =
            if !members.is_empty() && members.iter().all(|member| is_agent_key(&member.key)) {
                let message = "configuration of a Consul agent, which is not read here";
                Diagnostic::note(
                    Category::AgentConfiguration,
                    at_start(source, value),
                    message,
                )
            } else {
                let message = "neither a config entry (no Kind) nor a service definition";
                let error = Diagnostic::error(Category::BadKind, at_start(source, value), message);
                let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                error.with_hint(format!(
                    "write `Kind = \"…\"` with one of {}",
                    kinds.join(", ")
                ))
            };
        self.loaded.diagnostics.push(diagnostic);
    }

    /// What can only be said of all texts together.
    fn across(&mut self) {
        let mut noted = BTreeSet::new();
        self.loaded.diagnostics.retain(|diagnostic| {
            let once = diagnostic.category == Category::NoEffect && !diagnostic.is_error();
            !once
                || noted.insert((
                    diagnostic.severity,
                    diagnostic.message.clone(),
                    last_field(diagnostic),
                ))
        });
        self.permissive();
    }

    /// `MutualTLSMode = "permissive"` needs the mesh entry's consent.
    fn permissive(&mut self) {
        let allowed = self
            .loaded
            .entries
            .mesh()
            .is_some_and(|mesh| mesh.allow_enabling_permissive_mutual_tls);
        if allowed {
            return;
        }
        let permissive = self.loaded.entries.iter().filter(|entry| match entry {
            Entry::ServiceDefaults(entry) => entry.mutual_tls_mode == "permissive",
            Entry::ProxyDefaults(entry) => entry.mutual_tls_mode == "permissive",
            _ => false,
        });
        let refused = permissive.map(|entry| {
            let origin = locate(entry.origin(), "MutualTLSMode");
            let message = "cannot set MutualTLSMode=permissive because \
                           AllowEnablingPermissiveMutualTLS=false in the mesh config entry";
            Diagnostic::error(Category::BadMutualTls, origin, message)
                .with_field("MutualTLSMode")
                .with_hint(
                    "the `mesh` entry allows it with `AllowEnablingPermissiveMutualTLS = true`",
                )
        });
        let refused: Vec<Diagnostic> = refused.collect();
        self.loaded.diagnostics.extend(refused);
    }
}

/// Notes without effect are given once per key: the last step of their path.
fn last_field(diagnostic: &Diagnostic) -> Option<String> {
    let field = diagnostic.field.as_deref()?;
    Some(field.rsplit('.').next().unwrap_or(field).to_owned())
}

fn duplicate(message: String, origin: Origin, first: &Origin) -> Diagnostic {
    Diagnostic::error(Category::DuplicateEntry, origin, message)
        .with_related(first.clone(), "first defined here")
}

/// Whether a file of this path holds the settings of the process.
pub(crate) fn is_settings(path: &str) -> bool {
    matches!(
        path.rsplit(['/', '\\']).next(),
        Some("mesh.hcl" | "mesh.json")
    )
}

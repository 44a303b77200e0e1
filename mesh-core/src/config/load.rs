//! Reading a directory's texts: what each one is, what is in it, and everything that is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{Checker, Rules};
use super::decode::{Decode, Decoder};
use super::diagnostic::{Category, Diagnostic};
use super::path::squeeze;
use super::value::{Data, Member, Value};
use super::{
    Entry, EntryKey, EntrySet, IngressGateway, JwtProvider, Kind, MeshEntry, MeshPolicy, Origin,
    ProxyDefaults, ServiceDefaults, ServiceDefinition, ServiceIntentions, ServiceResolver,
    ServiceRouter, ServiceSplitter, Settings, Source, Span, hcl, json, suggest,
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
pub fn load(files: Vec<Source>) -> Loaded {
    let mut loader = Loader::default();
    for file in files {
        let file = Arc::new(file);
        let first = loader.loaded.diagnostics.len();
        loader.file(&file);
        loader.loaded.diagnostics[first..].sort_by_key(|diagnostic| diagnostic.origin.span().start);
    }
    loader.across();
    loader.loaded
}

/// Reads one config entry, from a file or from Consul's API. Besides the entry, all that is worth knowing about it.
///
/// # Errors
/// Everything that is wrong with it; the first is what Consul would report.
pub fn read_entry(source: Source) -> Result<(Entry, Vec<Diagnostic>), Vec<Diagnostic>> {
    let source = Arc::new(source);
    let value = parse(&source).map_err(|error| vec![error])?;
    let (entry, diagnostics) = entry(&source, &value);
    match entry {
        Some(entry) => Ok((entry, diagnostics)),
        None => Err(diagnostics),
    }
}

/// Checks an entry that was made in memory, as if it had been read.
#[must_use]
pub fn validate(entry: &Entry) -> Vec<Diagnostic> {
    let mut checker = Checker::default();
    entry.rules().check(&mut checker);
    let problems = checker.finish().into_iter();
    problems
        .map(|problem| problem.diagnostic(entry.origin(), None))
        .collect()
}

/// Reads a text into values.
fn parse(source: &Arc<Source>) -> Result<Value<'_>, Diagnostic> {
    let text = source.text.as_str();
    let parsed = if text.trim_start().starts_with('{') {
        json::parse(text)
    } else {
        hcl::parse(text)
    };
    parsed.map_err(|error| {
        let origin = Origin::new(Arc::clone(source), error.span);
        let mut diagnostic = Diagnostic::error(Category::Syntax, origin, error.message);
        diagnostic.hint = error.hint.map(str::to_owned);
        diagnostic
    })
}

/// Keys of an entry's outermost object that are no fields: the kind, and what Consul's API adds.
const TOLERATED: &[&str] = &["Kind", "CreateIndex", "ModifyIndex", "Hash"];

fn top<'v, 'a>(value: &'v Value<'a>, key: &str) -> Option<&'v Member<'a>> {
    value.members()?.iter().find(|member| member.key == key)
}

fn at_start(source: &Arc<Source>, value: &Value<'_>) -> Origin {
    let span = value
        .members()
        .and_then(<[_]>::first)
        .map_or(Span::default(), |member| member.key_span);
    Origin::new(Arc::clone(source), span)
}

/// Decodes the value of a whole text or of a block in it, normalises and checks it. `None` when anything is wrong.
fn read<T: Decode + Rules>(
    source: &Arc<Source>,
    value: &Value<'_>,
    tolerated: &'static [&'static str],
    origin: impl Fn(&T) -> &Origin,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let mut decoder = Decoder::new(source, tolerated);
    let mut record = T::decode(value, &mut decoder);
    let found = decoder.finish();
    let fits = !found.iter().any(Diagnostic::is_error);
    diagnostics.extend(found);
    if !fits {
        return None;
    }
    record.normalize();
    let mut checker = Checker::default();
    record.check(&mut checker);
    let place = origin(&record).clone();
    let found = checker
        .finish()
        .into_iter()
        .map(|problem| problem.diagnostic(&place, Some(value)));
    let mut right = true;
    for diagnostic in found {
        right &= !diagnostic.is_error();
        diagnostics.push(diagnostic);
    }
    record.settle();
    right.then_some(record)
}

fn kind(source: &Arc<Source>, value: &Value<'_>) -> Result<Kind, Diagnostic> {
    let Some(member) = top(value, "Kind").or_else(|| top(value, "kind")) else {
        let mut missing = Diagnostic::error(
            Category::BadKind,
            at_start(source, value),
            "the entry has no Kind",
        );
        let other = value
            .members()
            .unwrap_or_default()
            .iter()
            .find(|member| squeeze(&member.key).eq("kind".chars()));
        if let Some(other) = other {
            missing.origin = Origin::new(Arc::clone(source), other.key_span);
            missing.hint = Some("`Kind` is spelt `Kind` or `kind`".to_owned());
        }
        return Err(missing);
    };
    let value = member.value.single();
    let origin = Origin::new(Arc::clone(source), value.span);
    let bad = |message: String| {
        Diagnostic::error(Category::BadKind, origin.clone(), message).with_field("Kind")
    };
    let Data::Text(text) = &value.data else {
        return Err(bad(format!(
            "Kind must be a string, not {}",
            value.data.describe()
        )));
    };
    Kind::parse(text).ok_or_else(|| unknown_kind(text, &bad))
}

fn unknown_kind(text: &str, bad: &dyn Fn(String) -> Diagnostic) -> Diagnostic {
    const ELSEWHERE: [&str; 10] = [
        "api-gateway",
        "bound-api-gateway",
        "control-plane-request-limit",
        "exported-services",
        "file-system-certificate",
        "http-route",
        "inline-certificate",
        "rate-limit-ip",
        "tcp-route",
        "terminating-gateway",
    ];
    if text == "sameness-group" {
        let mut refused = bad("sameness groups are a feature of Consul Enterprise".to_owned());
        refused.category = Category::EnterpriseOnly;
        return refused;
    }
    if ELSEWHERE.contains(&text) {
        return bad(format!(
            "entries of kind {text:?} are not supported in process"
        ));
    }
    let unknown = bad(format!("unknown kind {text:?}"));
    match suggest::nearest(text, Kind::ALL.iter().map(|kind| kind.as_str())) {
        Some(near) => unknown.with_hint(format!("did you mean {near:?}?")),
        None => unknown,
    }
}

fn entry(source: &Arc<Source>, value: &Value<'_>) -> (Option<Entry>, Vec<Diagnostic>) {
    let mut found = Vec::new();
    let kind = match kind(source, value) {
        Ok(kind) => kind,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    macro_rules! read_as {
        ($ty:ty) => {
            read::<$ty>(
                source,
                value,
                TOLERATED,
                |record| &record.origin,
                &mut found,
            )
            .map(Entry::from)
        };
    }
    let entry = match kind {
        Kind::ServiceDefaults => read_as!(ServiceDefaults),
        Kind::ProxyDefaults => read_as!(ProxyDefaults),
        Kind::ServiceRouter => read_as!(ServiceRouter),
        Kind::ServiceSplitter => read_as!(ServiceSplitter),
        Kind::ServiceResolver => read_as!(ServiceResolver),
        Kind::ServiceIntentions => read_as!(ServiceIntentions),
        Kind::IngressGateway => read_as!(IngressGateway),
        Kind::JwtProvider => read_as!(JwtProvider),
        Kind::Mesh => read_as!(MeshEntry),
        Kind::MeshPolicy => read_as!(MeshPolicy),
    };
    (entry, found)
}

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    /// First place of every entry, also of those that are wrong.
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
        let mut noted = std::collections::BTreeSet::new();
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
            let origin = self.seen.get(&entry.key()).cloned().unwrap_or_default();
            let message = "MutualTLSMode = \"permissive\" is not allowed in this mesh";
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
fn is_settings(path: &str) -> bool {
    matches!(
        path.rsplit(['/', '\\']).next(),
        Some("mesh.hcl" | "mesh.json")
    )
}

/// Well-known keys of a Consul agent's configuration.
fn is_agent_key(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "acl",
        "addresses",
        "advertise_addr",
        "advertise_addr_wan",
        "alt_domain",
        "audit",
        "auto_config",
        "auto_encrypt",
        "auto_reload_config",
        "autopilot",
        "bind_addr",
        "bootstrap",
        "bootstrap_expect",
        "ca_file",
        "cache",
        "cert_file",
        "check",
        "check_update_interval",
        "checks",
        "client_addr",
        "cloud",
        "config_entries",
        "connect",
        "data_dir",
        "datacenter",
        "default_intention_policy",
        "default_query_time",
        "disable_anonymous_signature",
        "disable_host_node_id",
        "disable_keyring_file",
        "disable_remote_exec",
        "disable_update_check",
        "discard_check_output",
        "dns_config",
        "domain",
        "enable_central_service_config",
        "enable_debug",
        "enable_local_script_checks",
        "enable_script_checks",
        "enable_syslog",
        "encrypt",
        "encrypt_verify_incoming",
        "encrypt_verify_outgoing",
        "experiments",
        "gossip_lan",
        "gossip_wan",
        "http_config",
        "key_file",
        "leave_on_terminate",
        "license_path",
        "limits",
        "locality",
        "log_file",
        "log_json",
        "log_level",
        "log_rotate_bytes",
        "log_rotate_duration",
        "log_rotate_max_files",
        "max_query_time",
        "node_id",
        "node_meta",
        "node_name",
        "partition",
        "peering",
        "performance",
        "pid_file",
        "ports",
        "primary_datacenter",
        "primary_gateways",
        "protocol",
        "raft_logstore",
        "raft_protocol",
        "read_replica",
        "reconnect_timeout",
        "recursors",
        "rejoin_after_leave",
        "reporting",
        "request_limits",
        "retry_interval",
        "retry_join",
        "retry_join_wan",
        "retry_max",
        "rpc",
        "segment",
        "segments",
        "serf_lan",
        "serf_wan",
        "server",
        "server_name",
        "session_ttl_min",
        "skip_leave_on_interrupt",
        "start_join",
        "syslog_facility",
        "telemetry",
        "tls",
        "tls_cipher_suites",
        "tls_min_version",
        "translate_wan_addrs",
        "ui",
        "ui_config",
        "ui_dir",
        "unix_sockets",
        "use_streaming_backend",
        "verify_incoming",
        "verify_outgoing",
        "verify_server_hostname",
        "watches",
        "xds",
    ];
    KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
}

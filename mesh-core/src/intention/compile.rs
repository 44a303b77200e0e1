//! Entries to table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::header::HeaderName;

use super::criteria::{Condition, HeaderRule, Name, PathRule, Permission};
use super::jwt::{Claim, Provider, Requirement};
use super::{Decision, DefaultPolicy, Effect, Peer, Rule, RuleInfo, Sources, Table};
use crate::config::{
    Action, Category, Diagnostic, EntrySet, IntentionHeader, IntentionHttp, IntentionJwt,
    IntentionSource, Origin, ServiceIntentions,
};
use crate::identity::TrustDomain;
use crate::pattern::whole;

const ANY: &str = "*";

/// A peered cluster whose roots are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCluster {
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// The partition that its services have in their identity; empty or `default` for none.
    pub exported_partition: String,
}

/// What entries do not say about a destination.
#[derive(Clone, Debug)]
pub struct Context {
    /// The own trust domain.
    pub trust_domain: TrustDomain,
    /// The policy where nothing matches.
    pub default: DefaultPolicy,
    /// Whether the destination speaks `http`, `http2` or `grpc`.
    pub http: bool,
    /// Peered clusters by name. Sources of a peer that is not among them are dropped.
    pub peers: BTreeMap<Arc<str>, PeerCluster>,
}

impl Table {
    /// Compiles what concerns one destination: the entry of its name and that of `*`.
    ///
    /// A provider of tokens that has no entry makes its requirement impossible to satisfy; see [`Table::problems`].
    ///
    /// # Errors
    ///
    /// All parts that cannot be compiled: patterns, and actions or criteria that validation should have refused.
    pub fn compile(
        destination: &str,
        entries: &EntrySet,
        context: &Context,
    ) -> Result<Table, Vec<Diagnostic>> {
        let mut compiler = Compiler {
            entries,
            fatal: Vec::new(),
            problems: Vec::new(),
        };
        let mut by_peer: BTreeMap<Arc<str>, Sources> = BTreeMap::new();
        let names: &[&str] = if destination == ANY {
            &[ANY]
        } else {
            &[destination, ANY]
        };
        for name in names {
            let Some(entry) = entries.intentions(name) else {
                continue;
            };
            for (index, source) in entry.sources.iter().enumerate() {
                if source.peer.is_empty() || context.peers.contains_key(&source.peer) {
                    let rule = compiler.rule(entry, index, source);
                    by_peer
                        .entry(Arc::clone(&source.peer))
                        .or_default()
                        .add(source, rule);
                }
            }
        }
        if !compiler.fatal.is_empty() {
            return Err(compiler.fatal);
        }
        let local = by_peer.remove("").unwrap_or_default();
        Ok(Table {
            destination: Arc::from(destination),
            default: context.default,
            http: context.http,
            trust_domain: context.trust_domain.clone(),
            local,
            peers: peers(by_peer, context),
            problems: compiler.problems,
        })
    }
}

fn peers(by_peer: BTreeMap<Arc<str>, Sources>, context: &Context) -> HashMap<Arc<str>, Vec<Peer>> {
    let mut peers: HashMap<Arc<str>, Vec<Peer>> = HashMap::new();
    for (name, sources) in by_peer {
        if let Some(cluster) = context.peers.get(&name) {
            let partition = Some(cluster.exported_partition.as_str())
                .filter(|name| !matches!(*name, "" | "default"));
            let of_trust_domain = peers
                .entry(Arc::from(cluster.trust_domain.as_str()))
                .or_default();
            of_trust_domain.push(Peer {
                partition: partition.map(Arc::from),
                sources,
            });
        }
    }
    peers
}

impl Sources {
    /// Entries are added by falling precedence of their destination, so that a rule counts only where none did before:
    /// an exact destination's `*` hides every rule of the wildcard destination.
    fn add(&mut self, source: &IntentionSource, rule: Rule) {
        let hidden = self.any.as_ref().is_some_and(|any| {
            any.info.precedence > rule.info.precedence && any.info.entry != rule.info.entry
        });
        if hidden {
            return;
        }
        if &*source.name == ANY {
            self.any.get_or_insert(rule);
        } else {
            self.exact.entry(Arc::clone(&source.name)).or_insert(rule);
        }
    }
}

struct Compiler<'a> {
    entries: &'a EntrySet,
    fatal: Vec<Diagnostic>,
    problems: Vec<Diagnostic>,
}

/// A field and the record it is in.
struct At<'a> {
    origin: &'a Origin,
    field: String,
}

impl Compiler<'_> {
    fn fail(&mut self, category: Category, at: &At<'_>, field: &str, message: impl Into<String>) {
        let problem = Diagnostic::error(category, at.origin.clone(), message);
        self.fatal
            .push(problem.with_field(format!("{}{field}", at.field)));
    }

    fn rule(&mut self, entry: &ServiceIntentions, index: usize, source: &IntentionSource) -> Rule {
        let at = At {
            origin: &source.origin,
            field: format!("Sources[{index}]"),
        };
        let effect = if source.permissions.is_empty() {
            Effect::Action(self.action(&at, source.decision()))
        } else {
            let permissions = source
                .permissions
                .iter()
                .enumerate()
                .map(|(index, permission)| {
                    let at = At {
                        origin: &permission.origin,
                        field: format!("{}.Permissions[{index}]", at.field),
                    };
                    self.permission(&at, permission)
                });
            Effect::Permissions(permissions.collect())
        };
        let precedence = match (&*entry.name == ANY, &*source.name == ANY) {
            (false, false) => 9,
            (false, true) => 8,
            (true, false) => 6,
            (true, true) => 5,
        };
        let places = source
            .permissions
            .iter()
            .map(|permission| place(&permission.origin));
        Rule {
            jwt: entry.jwt.as_ref().map(|jwt| self.jwt("JWT", jwt)),
            info: Arc::new(RuleInfo {
                entry: Arc::clone(&entry.name),
                source: Arc::clone(&source.name),
                peer: (!source.peer.is_empty()).then(|| Arc::clone(&source.peer)),
                precedence,
                origin: source.origin.clone(),
                place: place(&source.origin),
                permission_places: places.collect(),
            }),
            effect,
        }
    }

    fn action(&mut self, at: &At<'_>, action: Option<Action>) -> Decision {
        match action {
            Some(Action::Allow) => Decision::Allow,
            Some(Action::Deny) => Decision::Deny,
            None => {
                self.fail(
                    Category::BadAction,
                    at,
                    ".Action",
                    "must be set to 'allow' or 'deny'",
                );
                Decision::Deny
            }
        }
    }

    fn permission(&mut self, at: &At<'_>, permission: &crate::config::Permission) -> Permission {
        let action = self.action(at, permission.decision());
        let nothing = IntentionHttp::default();
        let http = permission.http.as_ref().unwrap_or(&nothing);
        if permission.http.is_none() {
            self.fail(Category::BadPermission, at, ".HTTP", "is required");
        }
        let headers = http.header.iter().enumerate();
        let headers = headers
            .map(|(index, header)| self.header(at, index, header))
            .collect();
        let field = format!("{}.JWT", at.field);
        Permission {
            action,
            path: self.path(at, http),
            methods: http
                .methods
                .iter()
                .map(|method| method.to_ascii_uppercase())
                .collect(),
            headers,
            jwt: permission.jwt.as_ref().map(|jwt| self.jwt(&field, jwt)),
        }
    }

    fn path(&mut self, at: &At<'_>, http: &IntentionHttp) -> PathRule {
        match (&*http.path_exact, &*http.path_prefix, &*http.path_regex) {
            ("", "", "") => PathRule::Any,
            (exact, "", "") => PathRule::Exact(exact.to_owned()),
            ("", prefix, "") => PathRule::Prefix(prefix.to_owned()),
            ("", "", regex) => match whole(regex) {
                Ok(regex) => PathRule::Regex(regex),
                Err(message) => {
                    self.fail(Category::BadPermission, at, ".HTTP.PathRegex", message);
                    PathRule::Any
                }
            },
            _ => {
                let message =
                    "should only contain at most one of PathExact, PathPrefix, or PathRegex";
                self.fail(Category::BadPermission, at, ".HTTP", message);
                PathRule::Any
            }
        }
    }

    fn header(&mut self, at: &At<'_>, index: usize, header: &IntentionHeader) -> HeaderRule {
        let name = if header.name.eq_ignore_ascii_case("host") {
            Name::Host
        } else {
            HeaderName::from_bytes(header.name.as_bytes()).map_or(Name::Impossible, Name::Header)
        };
        let given: [(&str, fn(String) -> Condition); 4] = [
            (&header.exact, Condition::Exact),
            (&header.prefix, Condition::Prefix),
            (&header.suffix, Condition::Suffix),
            (&header.contains, Condition::Contains),
        ];
        let mut conditions: Vec<Condition> = Vec::new();
        conditions.extend(header.present.then_some(Condition::Present));
        let texts = given.into_iter().filter(|(text, _)| !text.is_empty());
        conditions.extend(texts.map(|(text, make)| make(text.to_owned())));
        if !header.regex.is_empty() {
            match whole(&header.regex) {
                Ok(regex) => conditions.push(Condition::Regex(regex)),
                Err(message) => return self.bad_header(at, index, ".Regex", &message),
            }
        }
        let (Some(condition), true) = (conditions.pop(), conditions.is_empty()) else {
            let message =
                "should only contain one of Present, Exact, Prefix, Suffix, Contains, or Regex";
            return self.bad_header(at, index, "", message);
        };
        HeaderRule {
            name,
            condition,
            invert: header.invert,
            ignore_case: header.ignore_case,
        }
    }

    fn bad_header(&mut self, at: &At<'_>, index: usize, field: &str, message: &str) -> HeaderRule {
        self.fail(
            Category::BadPermission,
            at,
            &format!(".HTTP.Header[{index}]{field}"),
            message,
        );
        HeaderRule {
            name: Name::Impossible,
            condition: Condition::Present,
            invert: false,
            ignore_case: false,
        }
    }

    fn jwt(&mut self, field: &str, jwt: &IntentionJwt) -> Requirement {
        let providers = jwt.providers.iter().enumerate().map(|(index, provider)| {
            let entry = self.entries.jwt_provider(&provider.name);
            if entry.is_none() {
                let message = format!("there is no jwt-provider {:?}", provider.name);
                let problem = Diagnostic::warning(
                    Category::BadJwt,
                    provider.origin.clone(),
                    message,
                )
                .with_field(format!("{field}.Providers[{index}].Name"))
                .with_hint(
                    "add the entry; until then the requirement cannot be satisfied through it",
                );
                self.problems.push(problem);
            }
            let issuer = entry
                .map(|entry| entry.issuer.clone())
                .filter(|issuer| !issuer.is_empty());
            let claims = provider.verify_claims.iter().map(|claim| Claim {
                path: claim.path.clone(),
                value: claim.value.clone(),
            });
            Provider {
                name: Arc::clone(&provider.name),
                issuer,
                claims: claims.collect(),
            }
        });
        Requirement {
            providers: providers.collect(),
        }
    }
}

fn place(origin: &Origin) -> Box<str> {
    match origin.source() {
        None => Box::default(),
        Some(_) => format!("{}:{}", origin.path(), origin.line()).into(),
    }
}

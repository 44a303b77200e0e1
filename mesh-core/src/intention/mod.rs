//! Compile and evaluate intentions.
//!
//! [`Table::compile`] turns the `service-intentions` entries that concern one destination into a [`Table`];
//! [`evaluate`] judges one connection or request by it. The rules are those of Consul's service-intentions reference:
//!
//! * The source rule with the highest precedence among those that match the caller decides alone. Destination is compared
//!   before source, so `* => api` beats `web => *`.
//! * A rule with permissions goes through them in order; the first whose criteria hold decides. If none does, the default
//!   policy decides, and no other rule.
//!
//! The cost of a judgement does not grow with the number of intentions: exact names are looked up in a hash map.

mod compile;
mod criteria;
mod jwt;
mod lint;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::HeaderMap;

use crate::config::Diagnostic;
use crate::identity::{SpiffeId, TrustDomain, xfcc};

pub use compile::{Context, PeerCluster};
pub use lint::lint;
pub use verdict::{By, Decision, Permitted, RuleInfo, Verdict};

/// The policy where no intention matches. It has to be [`Decision::Deny`] unless configured otherwise.
pub type DefaultPolicy = Decision;

/// The claims of verified tokens by the name of the provider that verified them.
pub type Claims = BTreeMap<String, serde_json::Value>;

/// What of a request intentions look at.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// Method, as received.
    pub method: &'a str,
    /// Path after normalisation; a query is ignored.
    pub path: &'a str,
    /// Authority: the `Host` header or HTTP/2's `:authority`. Empty if there is none.
    pub authority: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// The `x-forwarded-client-cert` header as it came in, before anything was appended or removed.
    pub xfcc: Option<&'a str>,
    /// Claims of the tokens that came with the request and verified.
    pub claims: Option<&'a Claims>,
}

/// The compiled intentions of one destination.
#[derive(Clone, Debug)]
pub struct Table {
    destination: Arc<str>,
    default: DefaultPolicy,
    http: bool,
    trust_domain: TrustDomain,
    local: Sources,
    /// By trust domain; two peers may share one and differ in their partition.
    peers: HashMap<Arc<str>, Vec<Peer>>,
    problems: Vec<Diagnostic>,
}

/// The rules for callers of one cluster. Of two rules for one name only the one that decides is kept.
#[derive(Clone, Debug, Default)]
struct Sources {
    exact: HashMap<Arc<str>, Rule>,
    any: Option<Rule>,
}

#[derive(Clone, Debug)]
struct Peer {
    /// The partition that callers have in their identity; `None` for the default one.
    partition: Option<Arc<str>>,
    sources: Sources,
}

#[derive(Clone, Debug)]
struct Rule {
    info: Arc<RuleInfo>,
    jwt: Option<jwt::Requirement>,
    effect: Effect,
}

#[derive(Clone, Debug)]
enum Effect {
    Action(Decision),
    Permissions(Arc<[criteria::Permission]>),
}

impl Table {
    /// A table that refuses everybody: for a destination whose intentions were never good.
    pub fn deny_all(destination: &str, trust_domain: TrustDomain) -> Table {
        Table {
            destination: Arc::from(destination),
            default: Decision::Deny,
            http: false,
            trust_domain,
            local: Sources::default(),
            peers: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// The destination.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// Whether the destination speaks HTTP. Then even plain actions are enforced per request, never per connection.
    pub fn is_http(&self) -> bool {
        self.http
    }

    /// The policy where nothing matches.
    pub fn default_policy(&self) -> DefaultPolicy {
        self.default
    }

    /// What could be compiled but cannot do what it says, such as a token of an unknown provider. Nothing of it lets
    /// anybody in. A publisher that holds an older table without problems keeps that one.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    fn find(&self, caller: &SpiffeId, request: Option<&RequestFacts<'_>>) -> Option<&Rule> {
        if !self.http {
            let who = Who::read(caller.as_str())?;
            return self.best(&who);
        }
        match Who::read(caller.as_str()) {
            Some(who) => self.local_rule(&who),
            None if self.is_own_gateway(caller) => {
                let forwarded = request?.xfcc.and_then(xfcc::forwarded_uri)?;
                self.peer_rule(&Who::read(forwarded)?)
            }
            None => None,
        }
    }

    fn best(&self, who: &Who<'_>) -> Option<&Rule> {
        match (self.local_rule(who), self.peer_rule(who)) {
            (Some(local), Some(peer)) if peer.info.precedence > local.info.precedence => Some(peer),
            (local, peer) => local.or(peer),
        }
    }

    fn local_rule(&self, who: &Who<'_>) -> Option<&Rule> {
        let own = who.trust_domain == self.trust_domain.as_str() && who.partition.is_none();
        own.then(|| self.local.rule(who.service)).flatten()
    }

    fn peer_rule(&self, who: &Who<'_>) -> Option<&Rule> {
        let peers = self.peers.get(who.trust_domain)?;
        let matching = peers
            .iter()
            .filter(|peer| peer.partition.as_deref() == who.partition);
        let rules = matching.filter_map(|peer| peer.sources.rule(who.service));
        rules.reduce(|best, rule| {
            if rule.info.precedence > best.info.precedence {
                rule
            } else {
                best
            }
        })
    }

    fn is_own_gateway(&self, caller: &SpiffeId) -> bool {
        let datacenter = caller.path().strip_prefix("/gateway/mesh/dc/");
        caller.is_in(&self.trust_domain)
            && datacenter.is_some_and(|dc| !dc.is_empty() && !dc.contains('/'))
    }
}

impl Sources {
    fn rule(&self, service: &str) -> Option<&Rule> {
        self.exact.get(service).or(self.any.as_ref())
    }
}

/// A service's identity as rules see it: the text of the URI, not decoded.
struct Who<'a> {
    trust_domain: &'a str,
    partition: Option<&'a str>,
    service: &'a str,
}

impl<'a> Who<'a> {
    /// `None` for anything but a service in the default namespace.
    fn read(uri: &'a str) -> Option<Who<'a>> {
        let (trust_domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
        let (partition, path) = match path.strip_prefix("ap/") {
            Some(rest) => {
                let (partition, rest) = rest.split_once('/')?;
                (Some(partition), rest)
            }
            None => (None, path),
        };
        let (datacenter, rest) = path.strip_prefix("ns/default/dc/")?.split_once('/')?;
        let service = rest.strip_prefix("svc/")?;
        let good = !datacenter.is_empty() && !service.is_empty() && !service.contains('/');
        good.then_some(Who {
            trust_domain,
            partition,
            service,
        })
    }
}

/// Judges a caller, and its request if the destination speaks HTTP.
///
/// `caller` is the identity of the TLS peer and has to be verified. Without a request, or where the destination does
/// not speak HTTP, the rules for connections apply: a source with permissions is denied, tokens are ignored. A destination
/// that speaks HTTP is not to be judged at connection time.
pub fn evaluate(table: &Table, caller: &SpiffeId, request: Option<&RequestFacts<'_>>) -> Verdict {
    let request = request.filter(|_| table.http);
    let Some(rule) = table.find(caller, request) else {
        return Verdict {
            decision: table.default,
            by: By::Default,
        };
    };
    let (decision, permitted, jwt_unsatisfied) = match request {
        None => rule.judge_connection(),
        Some(request) => rule.judge_request(request, table.default),
    };
    Verdict {
        decision,
        by: By::Rule {
            rule: Arc::clone(&rule.info),
            permitted,
            jwt_unsatisfied,
        },
    }
}

impl Rule {
    fn judge_connection(&self) -> (Decision, Permitted, bool) {
        match &self.effect {
            Effect::Action(action) => (*action, Permitted::Plain, false),
            Effect::Permissions(_) => (Decision::Deny, Permitted::NotJudged, false),
        }
    }

    fn judge_request(
        &self,
        request: &RequestFacts<'_>,
        default: DefaultPolicy,
    ) -> (Decision, Permitted, bool) {
        if self
            .jwt
            .as_ref()
            .is_some_and(|jwt| !jwt.holds(request.claims))
        {
            let permitted = match &self.effect {
                Effect::Action(_) => Permitted::Plain,
                Effect::Permissions(_) => Permitted::NotJudged,
            };
            return (Decision::Deny, permitted, true);
        }
        let permissions = match &self.effect {
            Effect::Action(action) => return (*action, Permitted::Plain, false),
            Effect::Permissions(permissions) => permissions,
        };
        let Some(index) = permissions
            .iter()
            .position(|permission| permission.applies(request))
        else {
            return (default, Permitted::NoneMatched, false);
        };
        let permission = &permissions[index];
        let satisfied = permission
            .jwt
            .as_ref()
            .is_none_or(|jwt| jwt.holds(request.claims));
        match permission.action {
            Decision::Allow if !satisfied => (Decision::Deny, Permitted::By(index), true),
            action => (action, Permitted::By(index), false),
        }
    }
}

//! Vectors of intentions: who may call whom, and which entries are accepted.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Mismatch, list, same, text};
use crate::config::{Diagnostic, Entry, EntrySet, JwtProvider, Source, read_entry};
use crate::identity::{TrustDomain, leaf_identity};
use crate::intention::{
    By, Claims, Context, Decision, PeerCluster, Permitted, RequestFacts, Table, Verdict, evaluate,
};
use crate::normalize::{self, HeaderFate, Normalization, Normalized};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is judged; with the path that was looked at, if it has one.
    Verdict(Verdict, Option<String>),
    /// It is refused before, with this status.
    Reject(u16),
    /// The caller is sent to another path.
    Redirect(String),
}

impl Outcome {
    /// As the vectors name it: `allow`, `deny`, `reject` or `redirect`.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        match self {
            Self::Verdict(verdict, _) => verdict.decision.as_str(),
            Self::Reject(_) => "reject",
            Self::Redirect(_) => "redirect",
        }
    }

    /// The status that the caller sees, if the application answers 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Verdict(verdict, _) if verdict.is_allowed() => 200,
            Self::Verdict(..) => 403,
            Self::Reject(status) => *status,
            Self::Redirect(_) => 307,
        }
    }
}

/// Judges a request and compares decision, status, deciding rule and path.
///
/// # Errors
/// The first difference.
pub fn judge(environment: &Value, case: &Value) -> Result<(), Mismatch> {
    let outcome = outcome(environment, case)?;
    let expect = &case["expect"];
    let said = match &outcome {
        Outcome::Verdict(verdict, _) => format!("{} ({verdict})", outcome.decision()),
        other => other.decision().to_owned(),
    };
    if expect["decision"] != outcome.decision() {
        return Err(Mismatch::new(text(expect, "decision"), said));
    }
    if let Some(wanted) = expect.get("http_status") {
        same("status", wanted, &outcome.status().into())?;
    }
    let path = match &outcome {
        Outcome::Verdict(verdict, path) => {
            if let Some(wanted) = expect.get("matched") {
                matched(wanted, verdict)?;
            }
            path.as_deref()
        }
        Outcome::Redirect(path) => Some(path.as_str()),
        Outcome::Reject(_) => None,
    };
    match expect["path_after_normalization"].as_str() {
        Some(wanted) => same_path(wanted, path),
        None => Ok(()),
    }
}

fn same_path(wanted: &str, got: Option<&str>) -> Result<(), Mismatch> {
    let got = got.map(|got| match wanted.contains('?') {
        true => got,
        false => normalize::without_query(got),
    });
    same("path", &wanted.into(), &got.into())
}

/// Compares what decided.
fn matched(wanted: &Value, verdict: &Verdict) -> Result<(), Mismatch> {
    let By::Rule {
        rule,
        permitted,
        jwt_unsatisfied,
    } = &verdict.by
    else {
        return same("matched", wanted, &"default".into());
    };
    let mut got = json!({
        "entry": *rule.entry, "source": *rule.source, "precedence": rule.precedence,
    });
    if let Some(peer) = &rule.peer {
        got["peer"] = (**peer).into();
    }
    if *jwt_unsatisfied {
        got["jwt"] = "unsatisfied".into();
    }
    match permitted {
        Permitted::By(index) => got["permission"] = (*index).into(),
        Permitted::NoneMatched => got["permission"] = Value::Null,
        // Permissions that nobody looked at may be told or not.
        Permitted::NotJudged if wanted.get("permission") == Some(&Value::Null) => {
            got["permission"] = Value::Null;
        }
        Permitted::NotJudged | Permitted::Plain => {}
    }
    same("matched", wanted, &got)
}

/// Reads the case and judges its request.
///
/// # Errors
/// What cannot be read.
pub fn outcome(environment: &Value, case: &Value) -> Result<Outcome, Mismatch> {
    let (entries, request) = (entries(case)?, &case["request"]);
    let context = context(environment, case)?;
    let refused = |problems: Vec<Diagnostic>| Mismatch::unclear(first(&problems));
    let table = Table::compile(&text(request, "destination"), &entries, &context);
    let table = table.map_err(refused)?;
    let caller = text(&request["source"], "spiffe_id");
    let caller = leaf_identity(std::iter::once(caller.as_bytes())).map_err(Mismatch::unclear)?;
    if !context.http {
        let verdict = evaluate(&table, &caller.id, None);
        return Ok(Outcome::Verdict(verdict, None));
    }
    let settings = Normalization::of(entries.mesh().map(|mesh| &**mesh));
    let Some((headers, authority)) = headers(&settings, request) else {
        return Ok(Outcome::Reject(400));
    };
    let method = request["method"].as_str().unwrap_or("GET");
    let parsed = method.parse::<http::Method>().map_err(Mismatch::unclear)?;
    let raw = request["path"].as_str().unwrap_or("/");
    let path = match normalize::target(&settings, &parsed, raw) {
        Normalized::Unchanged => raw.to_owned(),
        Normalized::Changed(path) => path,
        Normalized::Reject(status) => return Ok(Outcome::Reject(status)),
        Normalized::Redirect(path) => return Ok(Outcome::Redirect(path)),
    };
    let claims: Option<Claims> = match request.get("jwt") {
        Some(Value::Object(claims)) => Some(claims.clone().into_iter().collect()),
        _ => None,
    };
    let facts = RequestFacts {
        method,
        path: &path,
        authority: &authority,
        headers: &headers,
        xfcc: request["xfcc"].as_str(),
        claims: claims.as_ref(),
    };
    let verdict = evaluate(&table, &caller.id, Some(&facts));
    Ok(Outcome::Verdict(verdict, Some(path)))
}

/// Reads an entry as from Consul's API, whether or not it names its kind.
///
/// # Errors
/// All that is wrong with it.
pub fn read(kind: &str, value: &Value) -> Result<Entry, Vec<Diagnostic>> {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut()
        && !["Kind", "kind"].iter().any(|key| object.contains_key(*key))
    {
        object.insert("Kind".to_owned(), kind.into());
    }
    read_entry(Source::new("vector.json", value.to_string())).map(|(entry, _)| entry)
}

fn first(problems: &[Diagnostic]) -> String {
    problems
        .first()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The case's entries, providers of tokens and `mesh` entry.
///
/// # Errors
/// What cannot be read.
pub fn entries(case: &Value) -> Result<EntrySet, Mismatch> {
    let read = |kind: &str, value: &Value| {
        read(kind, value).map_err(|problems| Mismatch::unclear(first(&problems)))
    };
    let intentions = list(case, "entries", |value| read("service-intentions", value))?;
    let mut entries: EntrySet = intentions.into_iter().collect();
    // Only these two fields matter; keys are not needed where tokens are already verified.
    for provider in case["jwt_providers"].as_array().into_iter().flatten() {
        let provider = JwtProvider {
            name: text(provider, "Name").into(),
            issuer: text(provider, "Issuer"),
            ..JwtProvider::default()
        };
        entries.insert(provider.into());
    }
    if case["mesh"].is_object() {
        entries.insert(read("mesh", &case["mesh"])?);
    }
    Ok(entries)
}

/// What is known about the destination and the neighbourhood.
///
/// # Errors
/// What cannot be read.
pub fn context(environment: &Value, case: &Value) -> Result<Context, Mismatch> {
    let domain =
        |value: &Value| TrustDomain::new(&text(value, "trust_domain")).map_err(Mismatch::unclear);
    let peers = list(environment, "peers", |peer| {
        let cluster = PeerCluster {
            trust_domain: domain(peer)?,
            exported_partition: text(peer, "exported_partition"),
        };
        Ok((Arc::from(text(peer, "name")), cluster))
    })?;
    let default = match case["default_policy"].as_str() {
        Some("allow") => Decision::Allow,
        Some("deny") => Decision::Deny,
        _ => return Err(Mismatch::unclear("no `default_policy`")),
    };
    let protocol = case["request"]["protocol"].as_str();
    Ok(Context {
        trust_domain: domain(environment)?,
        default,
        http: matches!(protocol, Some("http" | "http2" | "grpc")),
        peers: peers.into_iter().collect(),
    })
}

/// Headers after the rule about underscores, and the authority; `None` if the request is refused.
fn headers(settings: &Normalization, request: &Value) -> Option<(HeaderMap, String)> {
    let mut headers = HeaderMap::new();
    let mut authority = text(request, "authority");
    for pair in request["headers"].as_array().into_iter().flatten() {
        let (name, value) = (
            pair[0].as_str().unwrap_or_default(),
            pair[1].as_str().unwrap_or_default(),
        );
        match normalize::header(settings, name) {
            HeaderFate::Reject => return None,
            HeaderFate::Drop => {}
            HeaderFate::Keep if name.eq_ignore_ascii_case("host") || name == ":authority" => {
                value.clone_into(&mut authority);
            }
            HeaderFate::Keep => {
                // What is no header is no request either.
                let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
                headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
            }
        }
    }
    Some((headers, authority))
}

/// Reads an intention entry, which is accepted or refused with Consul's wording.
///
/// # Errors
/// The difference.
pub fn judge_entry(case: &Value) -> Result<(), Mismatch> {
    let expect = &case["expect"];
    let wording = text(expect, "consul_message_contains");
    let read = read("service-intentions", &case["entry"]);
    match (expect["valid"].as_bool(), read) {
        (Some(true), Ok(_)) => Ok(()),
        (Some(false), Err(problems)) => {
            let said =
                |problem: &Diagnostic| problem.is_error() && problem.message.contains(&wording);
            if problems.iter().any(said) {
                return Ok(());
            }
            Err(Mismatch::new(
                format_args!("refused with {wording:?}"),
                format_args!("refused with {:?}", first(&problems)),
            ))
        }
        (Some(true), Err(problems)) => Err(Mismatch::new(
            "a valid entry",
            format_args!("refused with {:?}", first(&problems)),
        )),
        (Some(false), Ok(_)) => Err(Mismatch::new(
            format_args!("refused with {wording:?}"),
            "a valid entry",
        )),
        (None, _) => Err(Mismatch::unclear("no `expect.valid`")),
    }
}

//! `mesh explain`: where one request would go, step by step, and which line decides each.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use mesh_core::chain::RequestHead;
use mesh_core::chain::rewrite::rewrite_path;
use mesh_core::identity::SpiffeId;
use mesh_core::intention::{RequestFacts, Table, Verdict, evaluate};
use mesh_core::normalize::{self, Normalization, Normalized};
use mesh_core::snapshot::{Chain, Route, Snapshot, World};
use mesh_core::source::dir;

use super::args::{Args, Flag, option, switch};
use super::tree::Tree;
use super::{Answer, Misuse, check, colour, show};

pub(crate) const FLAGS: &[Flag] = &[
    option("--from", ""),
    option("--to", ""),
    option("--header", "-H"),
    switch("--color", "--colour"),
    switch("--no-color", ""),
    switch("--help", "-h"),
];

const HELP: &str = "\
mesh explain DIR --from CALLER --to SERVICE [METHOD] PATH [-H 'name: value']...

Where one request of CALLER to SERVICE would go. PATH may have a query; METHOD is GET
unless given. The steps are those of a live request:

  1  the caller tries the routes of SERVICE in order; each criterion that fails is named
  2  the shares of the route that was taken
  3  the targets and their instances; health is not known here, so that all count
  4  the other side normalises the path before anything looks at it
  5  the intentions of the service that is reached

Quote a PATH with a `?`: the shell has its own idea of it.
";

pub(crate) fn run(args: &Args) -> Result<Answer, Misuse> {
    if args.has("--help") {
        return Ok(Answer::new(HELP, true));
    }
    let (directory, method, path) = match args.words.as_slice() {
        [directory, path] => (directory, "GET", path),
        [directory, method, path] => (directory, method.as_str(), path),
        _ => return Err(
            "explain needs a directory and a path: `mesh explain DIR --from A --to B GET /path`"
                .into(),
        ),
    };
    let needed = |name: &str| {
        args.value(name)
            .ok_or_else(|| Misuse(format!("explain needs `{name} SERVICE`")))
    };
    let (from, to) = (needed("--from")?, needed("--to")?);
    if !path.starts_with('/') && path != "*" {
        return Err(format!("a path starts with `/`, `{path}` does not").into());
    }
    let method: Method = method
        .parse()
        .map_err(|_| Misuse(format!("`{method}` is no HTTP method")))?;
    let headers = headers(args)?;
    let checked = dir::check(Path::new(directory));
    let Some(world) = &checked.world else {
        return Ok(check::refusal(directory, &checked, args));
    };
    let snapshot = Snapshot::of(world, from);
    let case = Case {
        world,
        chain: show::chain_of(&snapshot, to)?,
        from,
        method,
        path,
        headers,
    };
    Ok(Answer::new(case.explain().render(colour(args)), true))
}

fn headers(args: &Args) -> Result<HeaderMap, Misuse> {
    let mut headers = HeaderMap::new();
    for pair in args.values("--header") {
        let bad = || Misuse(format!("a header is written `name: value`, not `{pair}`"));
        let (name, value) = pair.split_once(':').ok_or_else(bad)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| bad())?;
        headers.append(
            name,
            HeaderValue::from_str(value.trim()).map_err(|_| bad())?,
        );
    }
    Ok(headers)
}

/// One request.
struct Case<'a> {
    world: &'a Arc<World>,
    chain: &'a Chain,
    from: &'a str,
    method: Method,
    path: &'a str,
    headers: HeaderMap,
}

impl Case<'_> {
    fn explain(&self) -> Tree {
        let mut root = Tree::new(format!(
            "{} calls {}: {} {}",
            self.from, self.chain.service, self.method, self.path
        ));
        if !self.world.catalog.services.contains_key(self.from) {
            root.push(Tree::new(format!(
                "note: nothing is registered as {}",
                self.from
            )));
        }
        if !self.chain.protocol.is_http_like() {
            let line = format!(
                "note: {} speaks {}: method, path and headers are not looked at",
                self.chain.service, self.chain.compiled.protocol
            );
            root.push(Tree::new(line));
        }
        let (routes, taken) = self.routes();
        root.push(routes);
        let Some(route) = taken else {
            return root;
        };
        root.push(self.shares(route));
        root.push(self.targets(route));
        let (path, how) = self.rewritten(route);
        let services: BTreeSet<&Arc<str>> = reached(route)
            .map(|target| &target.spec().service)
            .collect();
        for service in services {
            for step in self.callee(service, &path, &how) {
                root.push(step);
            }
        }
        root
    }

    fn head(&self) -> RequestHead<'_> {
        RequestHead::new(self.method.as_str(), self.path, "", "http", &self.headers)
    }

    /// Tries the routes up to the one that is taken.
    fn routes(&self) -> (Tree, Option<&Route>) {
        let mut tree = Tree::new("1 the caller tries the routes in order");
        for route in &self.chain.routes {
            let Some(compiled) = self.chain.compiled.routes.get(route.index) else {
                continue;
            };
            let steps = compiled.matcher.explain(&self.head());
            let matches =
                steps.iter().all(|step| step.holds) || !self.chain.protocol.is_http_like();
            let verdict = if matches { "taken" } else { "not taken" };
            let mut line = Tree::new(format!(
                "{verdict}: {}",
                show::route_title(self.chain, route)
            ))
            .at(&show::route_place(self.chain, route));
            for step in steps {
                let mark = if step.holds { "holds" } else { "fails" };
                line.push(Tree::new(format!("{mark}: {}", step.criterion)));
            }
            tree.push(line);
            if matches {
                return (tree, Some(route));
            }
        }
        (tree, None)
    }

    fn shares(&self, route: &Route) -> Tree {
        let mut tree = Tree::new("2 the shares of this route");
        let compiled = self.chain.compiled.routes.get(route.index);
        let legs = compiled.map_or(&[][..], |route| route.legs.as_slice());
        for (leg, written) in route.legs.iter().zip(legs) {
            let Some(target) = leg.levels.first() else {
                continue;
            };
            let spec = target.spec();
            let subset = if spec.subset.is_empty() {
                format!("all instances of {}", spec.service)
            } else {
                format!("subset {} of {}", spec.subset, spec.service)
            };
            let share = show::share(leg.weight, route.total_weight);
            tree.push(Tree::new(format!("{share} to {subset}")).at(&written.origin));
        }
        tree
    }

    fn targets(&self, route: &Route) -> Tree {
        let mut tree = Tree::new("3 the instances, whatever their health");
        for leg in route.legs.iter().filter(|leg| leg.weight > 0) {
            for (level, target) in leg.levels.iter().enumerate() {
                let spec = target.spec();
                let when = if level == 0 {
                    ""
                } else {
                    ", if none before can be used"
                };
                let filter = if spec.filter.is_empty() {
                    String::new()
                } else {
                    format!(": {}", spec.filter)
                };
                let steps = ["Subsets", &spec.subset, "Filter"];
                let resolver = self.world.entries.resolver(&spec.service);
                let origin = resolver
                    .filter(|_| !spec.subset.is_empty())
                    .map(|resolver| mesh_core::config::place_of(&resolver.origin, &steps));
                let mut line =
                    Tree::new(format!("{}{when}{filter}", spec.id)).at(&origin.unwrap_or_default());
                let instances = show::instances(self.world, spec);
                if instances.is_empty() {
                    line.push(Tree::new("no instance is registered"));
                }
                for (instance, selected) in instances {
                    line.push(instance.marked(if selected {
                        "selected: "
                    } else {
                        "not selected: "
                    }));
                }
                tree.push(line);
            }
        }
        tree
    }

    /// The path as it leaves the caller.
    fn rewritten(&self, route: &Route) -> (String, Option<Tree>) {
        let compiled = self.chain.compiled.routes.get(route.index);
        let rewrite = compiled.and_then(|route| {
            let rewrite = route.settings.prefix_rewrite.as_ref()?;
            Some((route.matcher.matched_path()?, rewrite))
        });
        let Some((matched, rewrite)) = rewrite else {
            return (self.path.to_owned(), None);
        };
        let path = rewrite_path(matched, rewrite, self.path);
        let line = Tree::new(format!("the caller sends {path}, as the route rewrites"));
        (path, Some(line.at(&show::route_place(self.chain, route))))
    }

    /// What happens at the service that is reached.
    fn callee(&self, service: &Arc<str>, path: &str, how: &Option<Tree>) -> Vec<Tree> {
        let own;
        let table: &Table = match self.world.intentions.get(service) {
            Some(table) => table,
            None => {
                own = self
                    .world
                    .table(service)
                    .unwrap_or_else(|_| Table::deny_all(service, self.world.trust_domain.clone()));
                &own
            }
        };
        let caller = SpiffeId::service(&self.world.trust_domain, &self.world.datacenter, self.from);
        if !table.is_http() {
            return vec![self.judged(service, &evaluate(table, &caller, None))];
        }
        let mesh = self.world.entries.mesh();
        let settings = Normalization::of(mesh.map(|mesh| &**mesh));
        let mut step = Tree::new(format!("4 {service} normalises the path"));
        if let Some(how) = how {
            step.push(how.clone());
        }
        let said = |text: String| {
            let line = Tree::new(text);
            match mesh {
                Some(mesh) => line.at(&mesh.origin),
                None => line.from("default"),
            }
        };
        let seen = match normalize::target(&settings, &self.method, path) {
            Normalized::Unchanged => path.to_owned(),
            Normalized::Changed(seen) => seen,
            Normalized::Reject(status) => {
                return vec![step.with(said(format!("refused with {status}: {path}")))];
            }
            Normalized::Redirect(to) => {
                return vec![step.with(said(format!("sent to {to} with 307")))];
            }
        };
        let line = if seen == path {
            format!("{seen}, as it was sent")
        } else {
            format!("{seen}, sent as {path}")
        };
        let facts = RequestFacts {
            method: self.method.as_str(),
            path: &seen,
            authority: service,
            headers: &self.headers,
            xfcc: None,
            claims: None,
        };
        let verdict = evaluate(table, &caller, Some(&facts));
        vec![step.with(said(line)), self.judged(service, &verdict)]
    }

    fn judged(&self, service: &str, verdict: &Verdict) -> Tree {
        let tree = Tree::new(format!("5 the intentions of {service}"));
        let place = match verdict.place() {
            "" => super::tree::place(&mesh_core::config::place_of(
                &self.world.settings.origin,
                &["default_intention_policy"],
            )),
            place => place.to_owned(),
        };
        let text = verdict.to_string();
        // The place stands in its own column.
        let text = text.replacen(&format!(" at {place}"), "", 1);
        tree.with(Tree::new(text).from(place))
    }
}

/// The targets that requests of a route reach at first.
fn reached(route: &Route) -> impl Iterator<Item = &Arc<mesh_core::snapshot::Target>> {
    let legs = route.legs.iter().filter(|leg| leg.weight > 0);
    legs.filter_map(|leg| leg.levels.first())
}

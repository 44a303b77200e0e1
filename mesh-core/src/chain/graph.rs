//! The graph that routers, splitters and resolvers make, and the walk that builds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::compile::service_protocol;
use super::flatten::{SplitEdge, Splitter};
use super::problem::hinted;
use super::target::Destination;
use super::{CompileRequest, NodeKind, ResolverNode, TargetSpec, is_hash_based};
use crate::config::{
    Category, Diagnostic, EntryKey, EntrySet, Kind, Origin, ProxyDefaults, ServiceDefaults,
    ServiceResolver, ServiceRouter, ServiceSplitter, is_l7,
};

/// A node of the graph that the entries make.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The splitter of this service.
    Splitter(Arc<str>),
    /// The resolver node of this target identifier.
    Resolver(Arc<str>),
}

impl Node {
    pub(super) fn kind(&self) -> NodeKind {
        match self {
            Self::Splitter(_) => NodeKind::Splitter,
            Self::Resolver(_) => NodeKind::Resolver,
        }
    }
}

/// The state of a compile: what was looked at, and the graph so far.
pub(super) struct Walk<'a> {
    pub(super) entries: &'a EntrySet,
    pub(super) request: &'a CompileRequest,
    pub(super) reads: BTreeSet<EntryKey>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) customized: bool,
    pub(super) destinations: HashMap<Arc<str>, Destination>,
    pub(super) targets: Vec<TargetSpec>,
    pub(super) index: HashMap<Arc<str>, usize>,
    pub(super) nodes: BTreeMap<Arc<str>, ResolverNode>,
    pub(super) splitters: BTreeMap<Arc<str>, Splitter>,
    /// The protocol of all services so far, and the first of them.
    pub(super) protocol: Option<(String, Arc<str>)>,
    /// Whether a router or splitter took part.
    pub(super) uses_l7: bool,
}

/// A splitter that is being followed.
struct Frame {
    service: Arc<str>,
    entry: Arc<ServiceSplitter>,
    next: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(entries: &'a EntrySet, request: &'a CompileRequest) -> Self {
        Self {
            entries,
            request,
            reads: BTreeSet::new(),
            warnings: Vec::new(),
            customized: false,
            destinations: HashMap::new(),
            targets: Vec::new(),
            index: HashMap::new(),
            nodes: BTreeMap::new(),
            splitters: BTreeMap::new(),
            protocol: None,
            uses_l7: false,
        }
    }
}

impl Walk<'_> {
    pub(super) fn splitter_or_resolver(
        &mut self,
        service: &Arc<str>,
        named_at: &Origin,
    ) -> Result<Node, Diagnostic> {
        if let Some(entry) = self.splitter(service) {
            self.follow_splitter(service, entry, named_at)?;
            return Ok(Node::Splitter(Arc::clone(service)));
        }
        let to = self.destination(service, "");
        self.resolver_node(to, named_at).map(Node::Resolver)
    }

    /// Follows a splitter and those it leads to, depth first. A stack of frames, so that no depth of nesting can exhaust ours.
    fn follow_splitter(
        &mut self,
        service: &Arc<str>,
        entry: Arc<ServiceSplitter>,
        named_at: &Origin,
    ) -> Result<(), Diagnostic> {
        let mut stack = Vec::new();
        self.enter_splitter(&mut stack, service, entry, named_at)?;
        while let Some(frame) = stack.last_mut() {
            let (own, entry) = (Arc::clone(&frame.service), Arc::clone(&frame.entry));
            let Some(split) = entry.splits.get(frame.next) else {
                stack.pop();
                continue;
            };
            frame.next += 1;
            let service = if split.service.is_empty() {
                &own
            } else {
                &split.service
            };
            let nested = if *service != own && split.service_subset.is_empty() {
                self.splitter(service)
            } else {
                None
            };
            let next = if let Some(nested) = nested {
                self.enter_splitter(&mut stack, service, nested, &split.origin)?;
                Node::Splitter(Arc::clone(service))
            } else {
                let to = self.destination(service, &split.service_subset);
                Node::Resolver(self.resolver_node(to, &split.origin)?)
            };
            self.add_edge(
                &own,
                SplitEdge {
                    split: split.clone(),
                    next,
                },
            );
        }
        Ok(())
    }

    fn enter_splitter(
        &mut self,
        stack: &mut Vec<Frame>,
        service: &Arc<str>,
        entry: Arc<ServiceSplitter>,
        named_at: &Origin,
    ) -> Result<(), Diagnostic> {
        self.uses_l7 = true;
        self.record_protocol(service, named_at)?;
        if !self.splitters.contains_key(service) {
            let splitter = Splitter {
                origin: entry.origin.clone(),
                ..Splitter::default()
            };
            self.splitters.insert(Arc::clone(service), splitter);
            stack.push(Frame {
                service: Arc::clone(service),
                entry,
                next: 0,
            });
        }
        Ok(())
    }

    /// Adds a split to a splitter, which borrows the hash balancing of the first resolver that has one.
    fn add_edge(&mut self, service: &Arc<str>, edge: SplitEdge) {
        let lent = match &edge.next {
            Node::Resolver(id) => self
                .nodes
                .get(id)
                .and_then(|node| node.load_balancer.as_ref()),
            Node::Splitter(_) => None,
        };
        let lent = lent.filter(|balancer| is_hash_based(balancer));
        if let Some(splitter) = self.splitters.get_mut(service) {
            splitter.hash_load_balancer =
                splitter.hash_load_balancer.take().or_else(|| lent.cloned());
            splitter.edges.push(edge);
        }
    }

    /// Notes a service's protocol, which must be that of all services before it.
    pub(super) fn record_protocol(
        &mut self,
        service: &Arc<str>,
        named_at: &Origin,
    ) -> Result<(), Diagnostic> {
        self.service_defaults(service);
        let protocol = service_protocol(self.entries, service);
        match &self.protocol {
            None => self.protocol = Some((protocol, Arc::clone(service))),
            Some((first, of)) if *first != protocol => {
                let message = format!(
                    "{service} speaks {protocol}, but {of} speaks {first}: a chain has one protocol"
                );
                let hint = format!("set `Protocol = \"{first}\"` in service-defaults {service}");
                return Err(hinted(Category::ProtocolMismatch, named_at, message, hint));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Whether an override hides routers and splitters.
    fn ignores_l7(&self) -> bool {
        let protocol = &self.request.overrides.protocol;
        !protocol.is_empty() && !is_l7(protocol)
    }

    fn read(&mut self, kind: Kind, name: &str) {
        self.reads.insert(EntryKey::new(kind, name));
    }

    pub(super) fn router(&mut self, service: &str) -> Option<Arc<ServiceRouter>> {
        if self.ignores_l7() {
            return None;
        }
        self.read(Kind::ServiceRouter, service);
        self.entries.router(service).cloned()
    }

    fn splitter(&mut self, service: &str) -> Option<Arc<ServiceSplitter>> {
        if self.ignores_l7() {
            return None;
        }
        self.read(Kind::ServiceSplitter, service);
        self.entries.splitter(service).cloned()
    }

    pub(super) fn resolver(&mut self, service: &str) -> Option<Arc<ServiceResolver>> {
        self.read(Kind::ServiceResolver, service);
        self.entries.resolver(service).cloned()
    }

    pub(super) fn service_defaults(&mut self, service: &str) -> Option<Arc<ServiceDefaults>> {
        self.read(Kind::ServiceDefaults, service);
        self.proxy_defaults();
        self.entries.service_defaults(service).cloned()
    }

    pub(super) fn proxy_defaults(&mut self) -> Option<Arc<ProxyDefaults>> {
        self.read(Kind::ProxyDefaults, "global");
        self.entries.proxy_defaults().cloned()
    }
}

//! The kinds together: any entry, its key, and a set of entries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::canon::Canon as _;
use super::check::Rules;
use super::{
    IngressGateway, JwtProvider, MeshEntry, MeshPolicy, Origin, ProxyDefaults, ServiceDefaults,
    ServiceIntentions, ServiceResolver, ServiceRouter, ServiceSplitter,
};

/// Name under which the `mesh` entry is kept; it has none of its own.
const MESH: &str = "mesh";

macro_rules! kinds {
    ($( $variant:ident($ty:ident) = $text:literal in $field:ident, $doc:literal; )*) => {
        /// Kind of a config entry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $( #[doc = $doc] $variant, )*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The value of `Kind` in an entry.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }

            /// Name of its outermost record.
            pub(super) const fn record(self) -> &'static str {
                match self { $( Self::$variant => stringify!($ty), )* }
            }
        }

        /// A config entry of any kind; cheap to clone.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Entry {
            $( #[doc = $doc] $variant(Arc<$ty>), )*
        }

        impl Entry {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $( Self::$variant(_) => Kind::$variant, )* }
            }

            /// Where it was read from.
            #[must_use]
            pub fn origin(&self) -> &Origin {
                match self { $( Self::$variant(entry) => &entry.origin, )* }
            }

            /// What holds for entries of its kind.
            pub(crate) fn rules_mut(&mut self) -> &mut dyn Rules {
                match self { $( Self::$variant(entry) => Arc::<$ty>::make_mut(entry), )* }
            }

            fn canon(&self) -> Json {
                match self { $( Self::$variant(entry) => entry.to_json(), )* }
            }
        }

        $(
            impl From<$ty> for Entry {
                fn from(entry: $ty) -> Self {
                    Self::$variant(Arc::new(entry))
                }
            }

            impl From<Arc<$ty>> for Entry {
                fn from(entry: Arc<$ty>) -> Self {
                    Self::$variant(entry)
                }
            }
        )*

        /// A set of entries, at most one per kind and name. Clones share the entries.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct EntrySet {
            $( $field: BTreeMap<Arc<str>, Arc<$ty>>, )*
        }

        impl EntrySet {
            /// Adds an entry, in place of one of the same kind and name, which is returned.
            pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
                let name = entry.key().name;
                match entry {
                    $( Entry::$variant(entry) => self.$field.insert(name, entry).map(Entry::$variant), )*
                }
            }

            /// Removes an entry.
            pub fn remove(&mut self, key: &EntryKey) -> Option<Entry> {
                match key.kind {
                    $( Kind::$variant => self.$field.remove(&key.name).map(Entry::$variant), )*
                }
            }

            /// The entry of a kind and name.
            #[must_use]
            pub fn get(&self, key: &EntryKey) -> Option<Entry> {
                match key.kind {
                    $( Kind::$variant => self.$field.get(&key.name).cloned().map(Entry::$variant), )*
                }
            }

            /// All entries by kind and name.
            pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
                std::iter::empty()$( .chain(self.$field.values().cloned().map(Entry::$variant)) )*
            }

            /// Number of entries.
            #[must_use]
            pub fn len(&self) -> usize {
                0 $( + self.$field.len() )*
            }
        }
    };
}

kinds! {
    ServiceDefaults(ServiceDefaults) = "service-defaults" in service_defaults, "What holds for a service.";
    ProxyDefaults(ProxyDefaults) = "proxy-defaults" in proxy_defaults, "What holds for every service.";
    ServiceRouter(ServiceRouter) = "service-router" in routers, "Which request goes where.";
    ServiceSplitter(ServiceSplitter) = "service-splitter" in splitters, "What share of requests goes where.";
    ServiceResolver(ServiceResolver) = "service-resolver" in resolvers, "Which instances stand behind a name.";
    ServiceIntentions(ServiceIntentions) = "service-intentions" in intentions, "Who may call a service.";
    IngressGateway(IngressGateway) = "ingress-gateway" in ingress_gateways, "What comes in from outside.";
    JwtProvider(JwtProvider) = "jwt-provider" in jwt_providers, "Whose tokens are believed.";
    Mesh(MeshEntry) = "mesh" in mesh, "What holds for the whole mesh.";
    MeshPolicy(MeshPolicy) = "mesh-policy" in policies, "What Consul's entries lack, per destination.";
}

impl Kind {
    /// The kind of that name, compared case-sensitively.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kind and name: what an entry is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// Kind of the entry.
    pub kind: Kind,
    /// Name of the entry; `global` for proxy-defaults, `mesh` for the mesh entry.
    pub name: Arc<str>,
}

impl EntryKey {
    /// The key of a kind and name.
    pub fn new(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }
}

impl fmt::Display for EntryKey {
    /// `kind/name`, as Consul's API writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Entry {
    /// Its name; `mesh` for the mesh entry.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ServiceDefaults(entry) => &entry.name,
            Self::ProxyDefaults(entry) => &entry.name,
            Self::ServiceRouter(entry) => &entry.name,
            Self::ServiceSplitter(entry) => &entry.name,
            Self::ServiceResolver(entry) => &entry.name,
            Self::ServiceIntentions(entry) => &entry.name,
            Self::IngressGateway(entry) => &entry.name,
            Self::JwtProvider(entry) => &entry.name,
            Self::Mesh(_) => MESH,
            Self::MeshPolicy(entry) => &entry.name,
        }
    }

    /// The entry as Consul's API writes it: `Kind`, its fields with zero values left out, durations as Go strings.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut json = self.canon();
        if let Json::Object(object) = &mut json {
            object.insert("Kind".to_owned(), self.kind().as_str().into());
        }
        json
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> EntryKey {
        EntryKey::new(self.kind(), self.name())
    }
}

impl EntrySet {
    /// A set without entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The service-defaults of a service.
    #[must_use]
    pub fn service_defaults(&self, service: &str) -> Option<&Arc<ServiceDefaults>> {
        self.service_defaults.get(service)
    }

    /// The proxy-defaults.
    #[must_use]
    pub fn proxy_defaults(&self) -> Option<&Arc<ProxyDefaults>> {
        self.proxy_defaults.values().next()
    }

    /// The router of a service.
    #[must_use]
    pub fn router(&self, service: &str) -> Option<&Arc<ServiceRouter>> {
        self.routers.get(service)
    }

    /// The splitter of a service.
    #[must_use]
    pub fn splitter(&self, service: &str) -> Option<&Arc<ServiceSplitter>> {
        self.splitters.get(service)
    }

    /// The resolver of a service.
    #[must_use]
    pub fn resolver(&self, service: &str) -> Option<&Arc<ServiceResolver>> {
        self.resolvers.get(service)
    }

    /// The intentions whose destination has exactly this name (`*` is a name of its own).
    #[must_use]
    pub fn intentions(&self, destination: &str) -> Option<&Arc<ServiceIntentions>> {
        self.intentions.get(destination)
    }

    /// All intentions by destination.
    pub fn all_intentions(&self) -> impl Iterator<Item = &Arc<ServiceIntentions>> + '_ {
        self.intentions.values()
    }

    /// An ingress gateway.
    #[must_use]
    pub fn ingress_gateway(&self, name: &str) -> Option<&Arc<IngressGateway>> {
        self.ingress_gateways.get(name)
    }

    /// All ingress gateways by name.
    pub fn ingress_gateways(&self) -> impl Iterator<Item = &Arc<IngressGateway>> + '_ {
        self.ingress_gateways.values()
    }

    /// A provider of tokens.
    #[must_use]
    pub fn jwt_provider(&self, name: &str) -> Option<&Arc<JwtProvider>> {
        self.jwt_providers.get(name)
    }

    /// All providers of tokens by name.
    pub fn jwt_providers(&self) -> impl Iterator<Item = &Arc<JwtProvider>> + '_ {
        self.jwt_providers.values()
    }

    /// The mesh entry.
    #[must_use]
    pub fn mesh(&self) -> Option<&Arc<MeshEntry>> {
        self.mesh.values().next()
    }

    /// The policy of exactly this name (`*` is a name of its own).
    #[must_use]
    pub fn policy(&self, service: &str) -> Option<&Arc<MeshPolicy>> {
        self.policies.get(service)
    }

    /// Names of all services that have a router, splitter, resolver or service-defaults entry, in order.
    #[must_use]
    pub fn service_names(&self) -> BTreeSet<Arc<str>> {
        let names = self.service_defaults.keys().chain(self.routers.keys());
        names
            .chain(self.splitters.keys())
            .chain(self.resolvers.keys())
            .cloned()
            .collect()
    }
}

impl FromIterator<Entry> for EntrySet {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut set = Self::new();
        for entry in entries {
            set.insert(entry);
        }
        set
    }
}

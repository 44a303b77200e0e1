//! Services, their instances and their health as known.
//!
//! Plain data, the same whether it was read from files or from a Consul agent.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest weight an instance can have; larger ones count as this.
pub const MAX_WEIGHT: u32 = 128;

/// Where a node or an instance stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Locality {
    /// Region, for example `eu-west-1`.
    pub region: String,
    /// Zone within the region.
    pub zone: String,
}

/// A machine, or whatever runs an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// UUID of the node.
    pub id: String,
    /// Name of the node.
    pub name: String,
    /// Address, used where an instance has none of its own.
    pub address: String,
    /// Datacenter of the node.
    pub datacenter: String,
    /// Admin partition; empty in the community edition.
    pub partition: String,
    /// Peered cluster that the node was imported from; empty if local.
    pub peer: String,
    /// Arbitrary pairs.
    pub meta: BTreeMap<String, String>,
    /// Addresses by name, such as `lan` and `wan`.
    pub tagged_addresses: BTreeMap<String, String>,
    /// Where it stands.
    pub locality: Option<Locality>,
}

/// An address under which an instance is known by a name such as `wan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaggedAddress {
    /// Host name or IP address.
    pub address: String,
    /// Port.
    pub port: u16,
}

/// Shares of the load by health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// While all checks pass.
    pub passing: u32,
    /// While the worst check is a warning.
    pub warning: u32,
}

impl Default for Weights {
    /// One and one.
    fn default() -> Weights {
        Weights {
            passing: 1,
            warning: 1,
        }
    }
}

/// An upstream in a proxy's registration. Known for the sake of subset filters only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyUpstream {
    /// `service` or `prepared_query`.
    pub destination_type: String,
    /// Namespace of the destination.
    pub destination_namespace: String,
    /// Partition of the destination.
    pub destination_partition: String,
    /// Peer of the destination.
    pub destination_peer: String,
    /// Name of the destination.
    pub destination_name: String,
    /// Datacenter of the destination.
    pub datacenter: String,
    /// Address the proxy listens on.
    pub local_bind_address: String,
    /// Port the proxy listens on.
    pub local_bind_port: u16,
    /// Unix socket the proxy listens on.
    pub local_bind_socket_path: String,
    /// Mode of that socket.
    pub local_bind_socket_mode: String,
    /// Mesh gateway mode.
    pub mesh_gateway_mode: String,
}

/// A path that a proxy exposes without TLS. Known for the sake of subset filters only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExposedPath {
    /// Port of the listener.
    pub listener_port: u16,
    /// The path.
    pub path: String,
    /// Port of the application.
    pub local_path_port: u16,
    /// `http` or `http2`.
    pub protocol: String,
    /// Whether it comes from a check.
    pub parsed_from_check: bool,
}

/// What the registration of a sidecar proxy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyInfo {
    /// The service that the proxy stands for.
    pub destination_service_name: String,
    /// The instance that the proxy stands for.
    pub destination_service_id: String,
    /// Where the application listens.
    pub local_service_address: String,
    /// Where the application listens.
    pub local_service_port: u16,
    /// Unix socket where the application listens.
    pub local_service_socket_path: String,
    /// `""`, `direct` or `transparent`.
    pub mode: String,
    /// Mesh gateway mode.
    pub mesh_gateway_mode: String,
    /// Mutual TLS mode.
    pub mutual_tls_mode: String,
    /// Port of the transparent outbound listener.
    pub outbound_listener_port: u16,
    /// Whether the transparent proxy's own address may be dialled.
    pub dialed_directly: bool,
    /// Whether checks are exposed.
    pub expose_checks: bool,
    /// Paths exposed.
    pub expose_paths: Vec<ExposedPath>,
    /// Upstreams.
    pub upstreams: Vec<ProxyUpstream>,
}

/// One running copy of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Id, unique on its node.
    pub id: Arc<str>,
    /// Name of the service.
    pub service: Arc<str>,
    /// Address; empty means the node's.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Tags.
    pub tags: Vec<String>,
    /// Arbitrary pairs.
    pub meta: BTreeMap<String, String>,
    /// Kind; empty for an ordinary service, `connect-proxy` for a sidecar.
    pub kind: String,
    /// Shares of the load.
    pub weights: Weights,
    /// Addresses by name, such as `lan` and `wan`.
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Whether the service speaks the mesh's mutual TLS itself.
    pub connect_native: bool,
    /// Whether others than the agent may change the tags.
    pub enable_tag_override: bool,
    /// Unix socket, instead of an address and port.
    pub socket_path: String,
    /// Peered cluster that the instance was imported from; empty if local.
    pub peer_name: String,
    /// What a sidecar's registration says; all empty for other instances.
    pub proxy: ProxyInfo,
    /// The node.
    pub node: Arc<Node>,
    /// Where it stands.
    pub locality: Option<Locality>,
}

/// How a check stands. The order is by badness: the greatest is the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckStatus {
    /// In order.
    #[default]
    Passing,
    /// In order, though something is amiss.
    Warning,
    /// Out of order, or in maintenance.
    Critical,
}

impl CheckStatus {
    /// Consul's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckStatus::Passing => "passing",
            CheckStatus::Warning => "warning",
            CheckStatus::Critical => "critical",
        }
    }

    /// Reads Consul's word; `maintenance` is critical. `None` for any other.
    pub fn from_name(name: &str) -> Option<CheckStatus> {
        match name {
            "passing" => Some(CheckStatus::Passing),
            "warning" => Some(CheckStatus::Warning),
            "critical" | "maintenance" => Some(CheckStatus::Critical),
            _ => None,
        }
    }
}

/// A check of a node or of an instance with its newest result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRecord {
    /// Id, unique on its node.
    pub check_id: String,
    /// Name.
    pub name: String,
    /// Name of the node.
    pub node: String,
    /// Newest result.
    pub status: CheckStatus,
    /// Remarks of whoever registered it.
    pub notes: String,
    /// Output of the newest run.
    pub output: String,
    /// Id of the instance; empty for a check of the node.
    pub service_id: String,
    /// Name of the service; empty for a check of the node.
    pub service_name: String,
    /// Tags of the service.
    pub service_tags: Vec<String>,
    /// What it does: `http`, `tcp`, `grpc`, `ttl`, …
    pub kind: String,
    /// Time between two runs, as registered.
    pub interval: String,
    /// Time limit of one run, as registered.
    pub timeout: String,
    /// Port of the listener that exposes the check, 0 for none.
    pub exposed_port: u16,
    /// Peered cluster that the check was imported from; empty if local.
    pub peer_name: String,
}

/// All instances by the name of their service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Instances by service.
    pub services: BTreeMap<Arc<str>, Vec<Arc<Instance>>>,
}

impl Catalog {
    /// Adds an instance, or replaces the one with the same id on the same node.
    pub fn insert(&mut self, instance: Arc<Instance>) {
        let instances = self
            .services
            .entry(Arc::clone(&instance.service))
            .or_default();
        let same = |other: &Arc<Instance>| {
            other.id == instance.id && other.node.name == instance.node.name
        };
        match instances.iter().position(same) {
            Some(at) => instances[at] = instance,
            None => instances.push(instance),
        }
    }

    /// The instances of a service in all datacenters; none for an unknown one.
    pub fn instances(&self, service: &str) -> &[Arc<Instance>] {
        self.services.get(service).map_or(&[], Vec::as_slice)
    }

    /// The instances of a service in one datacenter.
    pub fn instances_in<'a>(
        &'a self,
        service: &str,
        datacenter: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Instance>> + 'a {
        let of_service = self.instances(service).iter();
        of_service.filter(move |instance| instance.node.datacenter == datacenter)
    }

    /// An instance by service and id.
    pub fn instance(&self, service: &str, id: &str) -> Option<&Arc<Instance>> {
        self.instances(service)
            .iter()
            .find(|instance| &*instance.id == id)
    }
}

/// The state of an instance: its worst check, those of its node included; passing if there are none.
pub fn instance_state<'a>(checks: impl IntoIterator<Item = &'a CheckRecord>) -> CheckStatus {
    checks
        .into_iter()
        .map(|check| check.status)
        .max()
        .unwrap_or_default()
}

/// The weight of an instance in this state: 0 takes it out, more than [`MAX_WEIGHT`] counts as that.
pub fn effective_weight(weights: Weights, state: CheckStatus) -> u32 {
    match state {
        CheckStatus::Passing => weights.passing.min(MAX_WEIGHT),
        CheckStatus::Warning => weights.warning.min(MAX_WEIGHT),
        CheckStatus::Critical => 0,
    }
}

/// Where to dial an instance from this datacenter.
///
/// In the own datacenter the address of the instance, else of its node. In another one the first that is set of: the
/// instance's `wan` address, its address, the node's `wan` address, the node's address.
pub fn address_for(own_datacenter: &str, instance: &Instance) -> (String, u16) {
    let node = &instance.node;
    let remote = node.datacenter != own_datacenter;
    if remote {
        let wan = instance.tagged_addresses.get("wan");
        if let Some(wan) = wan.filter(|wan| !wan.address.is_empty()) {
            return (wan.address.clone(), wan.port);
        }
    }
    if !instance.address.is_empty() {
        return (instance.address.clone(), instance.port);
    }
    let wan = node
        .tagged_addresses
        .get("wan")
        .filter(|wan| remote && !wan.is_empty());
    (wan.unwrap_or(&node.address).clone(), instance.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: CheckStatus) -> CheckRecord {
        CheckRecord {
            status,
            ..CheckRecord::default()
        }
    }

    #[test]
    fn the_worst_check_decides_and_none_means_passing() {
        assert_eq!(instance_state([]), CheckStatus::Passing);
        let checks = [check(CheckStatus::Warning), check(CheckStatus::Passing)];
        assert_eq!(instance_state(&checks), CheckStatus::Warning);
        let checks = [check(CheckStatus::Critical), check(CheckStatus::Warning)];
        assert_eq!(instance_state(&checks), CheckStatus::Critical);
        assert_eq!(
            CheckStatus::from_name("maintenance"),
            Some(CheckStatus::Critical)
        );
        assert_eq!(CheckStatus::from_name("Passing"), None);
    }

    #[test]
    fn weights_are_cut_at_128_and_critical_is_out() {
        let weights = Weights {
            passing: 500,
            warning: 0,
        };
        assert_eq!(effective_weight(weights, CheckStatus::Passing), 128);
        assert_eq!(effective_weight(weights, CheckStatus::Warning), 0);
        assert_eq!(
            effective_weight(Weights::default(), CheckStatus::Warning),
            1
        );
        assert_eq!(
            effective_weight(Weights::default(), CheckStatus::Critical),
            0
        );
    }

    #[test]
    fn another_datacenter_is_dialled_by_its_wan_address() {
        let mut node = Node {
            address: "node".into(),
            datacenter: "dc1".into(),
            ..Node::default()
        };
        let mut instance = Instance {
            port: 80,
            node: Arc::new(node.clone()),
            ..Instance::default()
        };
        assert_eq!(address_for("dc1", &instance), ("node".into(), 80));
        assert_eq!(address_for("dc2", &instance), ("node".into(), 80));
        node.tagged_addresses
            .insert("wan".into(), "node-wan".into());
        instance.node = Arc::new(node);
        assert_eq!(address_for("dc1", &instance), ("node".into(), 80));
        assert_eq!(address_for("dc2", &instance), ("node-wan".into(), 80));
        instance.address = "own".into();
        assert_eq!(address_for("dc2", &instance), ("own".into(), 80));
        let wan = TaggedAddress {
            address: "wan".into(),
            port: 81,
        };
        instance.tagged_addresses.insert("wan".into(), wan);
        assert_eq!(address_for("dc1", &instance), ("own".into(), 80));
        assert_eq!(address_for("dc2", &instance), ("wan".into(), 81));
    }

    #[test]
    fn an_instance_replaces_the_one_with_its_id_on_its_node() {
        let mut catalog = Catalog::default();
        let instance = |id: &str, port| {
            Arc::new(Instance {
                id: id.into(),
                service: "web".into(),
                port,
                ..Instance::default()
            })
        };
        catalog.insert(instance("a", 1));
        catalog.insert(instance("b", 2));
        catalog.insert(instance("a", 3));
        assert_eq!(catalog.instances("web").len(), 2);
        assert_eq!(catalog.instance("web", "a").unwrap().port, 3);
        assert_eq!(catalog.instances_in("web", "").count(), 2);
        assert!(catalog.instances("other").is_empty());
    }
}

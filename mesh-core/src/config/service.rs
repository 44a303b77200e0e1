//! Service definitions, as registered with a Consul agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{GoDuration, Ignored};

record! {
    /// A service definition (Consul services reference).
    pub struct ServiceDefinition {
        /// Name of the service.
        pub name: Arc<str> = "name",
        /// Identifier of the instance; the name is filled in.
        pub id: Arc<str> = "id",
        /// Empty for a service, else the kind of a gateway.
        pub kind: String = "kind",
        /// Address; empty means that of the node.
        pub address: String = "address",
        /// Port; 0 means none.
        pub port: i64 = "port",
        /// Unix socket in place of address and port.
        pub socket_path: String = "socket_path" | "SocketPath",
        /// Tags.
        pub tags: Vec<String> = "tags",
        /// Free pairs; subsets filter on them.
        pub meta: BTreeMap<String, String> = "meta",
        /// Other addresses by name.
        pub tagged_addresses: BTreeMap<String, TaggedAddress> = "tagged_addresses" | "TaggedAddresses",
        /// Shares of traffic.
        pub weights: Option<ServiceWeights> = "weights",
        /// Whether others may change the tags.
        pub enable_tag_override: bool = "enable_tag_override" | "EnableTagOverride",
        /// Credential of the registration; not used here.
        pub token: String = "token",
        /// One check.
        pub check: Option<CheckDefinition> = "check",
        /// Checks.
        pub checks: Vec<CheckDefinition> = "checks",
        /// Mesh membership.
        pub connect: Option<ServiceConnect> = "connect",
        /// Parameters of a gateway.
        pub proxy: Option<ServiceProxy> = "proxy",
        /// Where it runs.
        pub locality: Option<Locality> = "locality",
    }

    /// An address under a name.
    pub struct TaggedAddress {
        /// Address.
        pub address: String = "address",
        /// Port.
        pub port: i64 = "port",
    }

    /// Shares of traffic by health.
    pub struct ServiceWeights {
        /// While checks pass; 1.
        pub passing: Option<i64> = "passing",
        /// While a check warns; 1.
        pub warning: Option<i64> = "warning",
    }

    /// Where an instance runs.
    pub struct Locality {
        /// Region.
        pub region: String = "region",
        /// Zone.
        pub zone: String = "zone",
    }

    /// A check of a service (Consul health check reference).
    pub struct CheckDefinition {
        /// Identifier.
        pub id: String = "id" | "check_id",
        /// Name.
        pub name: String = "name",
        /// Free text.
        pub notes: String = "notes",
        /// Initial state; empty means critical.
        pub status: String = "status",
        /// HTTP: address to ask.
        pub http: String = "http",
        /// HTTP: method; empty means GET.
        pub method: String = "method",
        /// HTTP: headers.
        pub header: BTreeMap<String, Vec<String>> = "header",
        /// HTTP: body.
        pub body: String = "body",
        /// HTTP: do not follow redirects.
        pub disable_redirects: bool = "disable_redirects" | "DisableRedirects",
        /// TLS: do not check the certificate.
        pub tls_skip_verify: bool = "tls_skip_verify" | "TLSSkipVerify",
        /// TLS: name to ask for.
        pub tls_server_name: String = "tls_server_name" | "TLSServerName",
        /// TCP: address to connect to.
        pub tcp: String = "tcp",
        /// TCP: speak TLS.
        pub tcp_use_tls: bool = "tcp_use_tls" | "TcpUseTLS",
        /// UDP: address to ask.
        pub udp: String = "udp",
        /// gRPC: `host:port[/service]`.
        pub grpc: String = "grpc",
        /// gRPC: speak TLS.
        pub grpc_use_tls: bool = "grpc_use_tls" | "GrpcUseTLS",
        /// HTTP/2 ping: address.
        pub h2ping: String = "h2ping",
        /// HTTP/2 ping: speak TLS; absent means yes.
        pub h2ping_use_tls: Option<bool> = "h2ping_use_tls" | "H2pingUseTLS",
        /// Script: command and arguments.
        pub args: Vec<String> = "args" | "script_args",
        /// Docker: container.
        pub docker_container_id: String = "docker_container_id" | "DockerContainerID",
        /// Docker: shell.
        pub shell: String = "shell",
        /// Reported by the application at least this often.
        pub ttl: GoDuration = "ttl",
        /// Name of a service of the operating system.
        pub os_service: String = "os_service" | "OsService",
        /// Another service whose state is taken.
        pub alias_service: String = "alias_service" | "AliasService",
        /// Node of that service.
        pub alias_node: String = "alias_node" | "AliasNode",
        /// Time between probes.
        pub interval: GoDuration = "interval",
        /// Time for a probe; zero means 10 s.
        pub timeout: GoDuration = "timeout",
        /// Bytes of output kept.
        pub output_max_size: i64 = "output_max_size" | "OutputMaxSize",
        /// Successes in a row that make it pass; 0 and 1 mean one.
        pub success_before_passing: u32 = "success_before_passing" | "SuccessBeforePassing",
        /// Failures in a row that make it warn; absent means as for critical.
        pub failures_before_warning: Option<u32> = "failures_before_warning" | "FailuresBeforeWarning",
        /// Failures in a row that make it critical; 0 and 1 mean one.
        pub failures_before_critical: u32 = "failures_before_critical" | "FailuresBeforeCritical",
        /// Remove the service when critical this long; zero means never.
        pub deregister_critical_service_after: GoDuration = "deregister_critical_service_after" | "DeregisterCriticalServiceAfter",
    }

    /// Mesh membership.
    pub struct ServiceConnect {
        /// Whether the service speaks the mesh's TLS itself.
        pub native: bool = "native",
        /// A sidecar; only its proxy's upstreams and config matter.
        pub sidecar_service: Option<SidecarService> = "sidecar_service" | "SidecarService",
    }

    /// A sidecar; only its proxy has an effect.
    pub struct SidecarService {
        /// Its proxy.
        pub proxy: Option<ServiceProxy> = "proxy",
        /// Its port; there is none in process.
        pub port: Ignored = "port",
        /// Its name.
        pub name: Ignored = "name",
        /// Its identifier.
        pub id: Ignored = "id",
        /// Its address.
        pub address: Ignored = "address",
        /// Its tags.
        pub tags: Ignored = "tags",
        /// Its pairs.
        pub meta: Ignored = "meta",
        /// Its weights.
        pub weights: Ignored = "weights",
        /// Its check.
        pub check: Ignored = "check",
        /// Its checks.
        pub checks: Ignored = "checks",
        /// Whether others may change its tags.
        pub enable_tag_override: Ignored = "enable_tag_override" | "EnableTagOverride",
        /// Its addresses.
        pub tagged_addresses: Ignored = "tagged_addresses" | "TaggedAddresses",
        /// Credential of its registration.
        pub token: Ignored = "token",
        /// Where it runs.
        pub locality: Ignored = "locality",
    }

    /// Parameters of a proxy.
    pub struct ServiceProxy {
        /// Free keys, over those of proxy-defaults.
        pub config: serde_json::Map<String, serde_json::Value> = "config",
        /// Services called through local ports.
        pub upstreams: Vec<ServiceUpstream> = "upstreams",
        /// Address of the application; empty means 127.0.0.1.
        pub local_service_address: String = "local_service_address" | "LocalServiceAddress",
        /// Port of the application; 0 means the service's.
        pub local_service_port: i64 = "local_service_port" | "LocalServicePort",
        /// Empty, `direct` or `transparent`.
        pub mode: String = "mode",
        /// Unix socket of the application.
        pub local_service_socket_path: String = "local_service_socket_path" | "LocalServiceSocketPath",
        /// The service it stands for, which is the one that it is a part of.
        pub destination_service_name: Ignored = "destination_service_name" | "DestinationServiceName",
        /// The instance it stands for.
        pub destination_service_id: Ignored = "destination_service_id" | "DestinationServiceID",
        /// Gateways to other datacenters.
        pub mesh_gateway: Ignored = "mesh_gateway" | "MeshGateway",
        /// Transparent proxying.
        pub transparent_proxy: Ignored = "transparent_proxy" | "TransparentProxy",
        /// Plaintext paths.
        pub expose: Ignored = "expose",
        /// Access logs.
        pub access_logs: Ignored = "access_logs" | "AccessLogs",
        /// Extensions of Envoy.
        pub envoy_extensions: Ignored = "envoy_extensions" | "EnvoyExtensions",
    }

    /// A service called through a local port.
    pub struct ServiceUpstream {
        /// Name of the service.
        pub destination_name: Arc<str> = "destination_name" | "DestinationName",
        /// Peer it is in.
        pub destination_peer: Arc<str> = "destination_peer" | "DestinationPeer",
        /// Empty or `service`.
        pub destination_type: String = "destination_type" | "DestinationType",
        /// Its datacenter; empty means the own.
        pub datacenter: Arc<str> = "datacenter",
        /// Local address; empty means 127.0.0.1.
        pub local_bind_address: String = "local_bind_address" | "LocalBindAddress",
        /// Local port.
        pub local_bind_port: i64 = "local_bind_port" | "LocalBindPort",
        /// Local socket in place of address and port.
        pub local_bind_socket_path: String = "local_bind_socket_path" | "LocalBindSocketPath",
        /// Mode of that socket.
        pub local_bind_socket_mode: String = "local_bind_socket_mode" | "LocalBindSocketMode",
        /// Gateways to other datacenters.
        pub mesh_gateway: Ignored = "mesh_gateway" | "MeshGateway",
        /// Free keys.
        pub config: serde_json::Map<String, serde_json::Value> = "config",
    }
}

impl ServiceDefinition {
    /// All checks, given as `check` and as `checks`.
    pub fn all_checks(&self) -> impl Iterator<Item = &CheckDefinition> + '_ {
        self.check.iter().chain(&self.checks)
    }

    /// The proxy's parameters: a gateway's own, else those of the sidecar.
    #[must_use]
    pub fn effective_proxy(&self) -> Option<&ServiceProxy> {
        let sidecar = || {
            self.connect
                .as_ref()?
                .sidecar_service
                .as_ref()?
                .proxy
                .as_ref()
        };
        self.proxy.as_ref().or_else(sidecar)
    }

    /// Services called through local ports.
    #[must_use]
    pub fn upstreams(&self) -> &[ServiceUpstream] {
        self.effective_proxy().map_or(&[], |proxy| &proxy.upstreams)
    }

    /// Whether the service is in the mesh: natively, by a sidecar, or as a gateway.
    #[must_use]
    pub fn in_mesh(&self) -> bool {
        let connect = self.connect.as_ref();
        !self.kind.is_empty()
            || connect.is_some_and(|connect| connect.native || connect.sidecar_service.is_some())
    }
}

//! The data of a filter: its type, fixed, and the values of one instance.

use std::collections::BTreeMap;

use crate::catalog::{
    CheckRecord, ExposedPath, Instance, Node, ProxyInfo, ProxyUpstream, TaggedAddress,
};

/// The type of what a selector selects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Text,
    Integer,
    Boolean,
    TextMap,
    TextList,
    Object(&'static [(&'static str, Type)]),
    ObjectMap(&'static [(&'static str, Type)]),
    ObjectList(&'static [(&'static str, Type)]),
}

use Type::{Boolean, Integer, Object, ObjectList, ObjectMap, Text, TextList, TextMap};

const TAGGED_ADDRESS: &[(&str, Type)] = &[("Address", Text), ("Port", Integer)];
const WEIGHTS: &[(&str, Type)] = &[("Passing", Integer), ("Warning", Integer)];
const CONNECT: &[(&str, Type)] = &[("Native", Boolean)];
const MESH_GATEWAY: &[(&str, Type)] = &[("Mode", Text)];
const TRANSPARENT: &[(&str, Type)] = &[
    ("OutboundListenerPort", Integer),
    ("DialedDirectly", Boolean),
];
const EXPOSED_PATH: &[(&str, Type)] = &[
    ("ListenerPort", Integer),
    ("Path", Text),
    ("LocalPathPort", Integer),
    ("Protocol", Text),
    ("ParsedFromCheck", Boolean),
];
const EXPOSE: &[(&str, Type)] = &[("Checks", Boolean), ("Paths", ObjectList(EXPOSED_PATH))];
const UPSTREAM: &[(&str, Type)] = &[
    ("DestinationType", Text),
    ("DestinationNamespace", Text),
    ("DestinationPartition", Text),
    ("DestinationPeer", Text),
    ("DestinationName", Text),
    ("Datacenter", Text),
    ("LocalBindAddress", Text),
    ("LocalBindPort", Integer),
    ("LocalBindSocketPath", Text),
    ("LocalBindSocketMode", Text),
    ("MeshGateway", Object(MESH_GATEWAY)),
];
const PROXY: &[(&str, Type)] = &[
    ("DestinationServiceName", Text),
    ("DestinationServiceID", Text),
    ("LocalServiceAddress", Text),
    ("LocalServicePort", Integer),
    ("LocalServiceSocketPath", Text),
    ("Mode", Text),
    ("MutualTLSMode", Text),
    ("MeshGateway", Object(MESH_GATEWAY)),
    ("TransparentProxy", Object(TRANSPARENT)),
    ("Expose", Object(EXPOSE)),
    ("Upstreams", ObjectList(UPSTREAM)),
];
const SERVICE: &[(&str, Type)] = &[
    ("ID", Text),
    ("Service", Text),
    ("Address", Text),
    ("Kind", Text),
    ("SocketPath", Text),
    ("PeerName", Text),
    ("Port", Integer),
    ("Tags", TextList),
    ("Meta", TextMap),
    ("EnableTagOverride", Boolean),
    ("Connect", Object(CONNECT)),
    ("Weights", Object(WEIGHTS)),
    ("TaggedAddresses", ObjectMap(TAGGED_ADDRESS)),
    ("Proxy", Object(PROXY)),
];
const NODE: &[(&str, Type)] = &[
    ("ID", Text),
    ("Node", Text),
    ("Address", Text),
    ("Datacenter", Text),
    ("Partition", Text),
    ("PeerName", Text),
    ("Meta", TextMap),
    ("TaggedAddresses", TextMap),
];
const CHECK: &[(&str, Type)] = &[
    ("CheckID", Text),
    ("Name", Text),
    ("Node", Text),
    ("Status", Text),
    ("Notes", Text),
    ("Output", Text),
    ("ServiceID", Text),
    ("ServiceName", Text),
    ("Type", Text),
    ("Interval", Text),
    ("Timeout", Text),
    ("PeerName", Text),
    ("ServiceTags", TextList),
    ("ExposedPort", Integer),
];

/// The type of the whole.
pub(super) const ROOT: Type = Object(&[
    ("Service", Object(SERVICE)),
    ("Node", Object(NODE)),
    ("Checks", ObjectList(CHECK)),
]);

/// One instance with the checks of it and of its node.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) instance: &'a Instance,
    pub(super) checks: &'a [CheckRecord],
}

/// A value; the variants answer to those of [`Type`].
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    TextMap(&'a BTreeMap<String, String>),
    TextList(&'a [String]),
    Object(Fields<'a>),
    Addresses(&'a BTreeMap<String, TaggedAddress>),
    Checks(&'a [CheckRecord]),
    Upstreams(&'a [ProxyUpstream]),
    Paths(&'a [ExposedPath]),
}

/// An object, to be asked for its fields.
#[derive(Clone, Copy)]
pub(super) enum Fields<'a> {
    Root(Record<'a>),
    Service(&'a Instance),
    Node(&'a Node),
    Check(&'a CheckRecord),
    Address(&'a TaggedAddress),
    Weights(&'a Instance),
    Connect(&'a Instance),
    Proxy(&'a ProxyInfo),
    MeshGateway(&'a str),
    Transparent(&'a ProxyInfo),
    Expose(&'a ProxyInfo),
    Upstream(&'a ProxyUpstream),
    Path(&'a ExposedPath),
}

impl<'a> Fields<'a> {
    /// A field by name; `None` only for a name that its type does not have.
    pub(super) fn field(self, name: &str) -> Option<Value<'a>> {
        match self {
            Fields::Root(record) => match name {
                "Service" => Some(Value::Object(Fields::Service(record.instance))),
                "Node" => Some(Value::Object(Fields::Node(&record.instance.node))),
                "Checks" => Some(Value::Checks(record.checks)),
                _ => None,
            },
            Fields::Service(service) => service_field(service, name),
            Fields::Node(node) => node_field(node, name),
            Fields::Check(check) => check_field(check, name),
            Fields::Proxy(proxy) => proxy_field(proxy, name),
            Fields::Upstream(upstream) => upstream_field(upstream, name),
            small => small.small_field(name),
        }
    }

    fn small_field(self, name: &str) -> Option<Value<'a>> {
        Some(match (self, name) {
            (Fields::Address(address), "Address") => Value::Text(&address.address),
            (Fields::Address(address), "Port") => Value::Integer(address.port.into()),
            (Fields::Weights(service), "Passing") => Value::Integer(service.weights.passing.into()),
            (Fields::Weights(service), "Warning") => Value::Integer(service.weights.warning.into()),
            (Fields::Connect(service), "Native") => Value::Boolean(service.connect_native),
            (Fields::MeshGateway(mode), "Mode") => Value::Text(mode),
            (Fields::Transparent(proxy), "OutboundListenerPort") => {
                Value::Integer(proxy.outbound_listener_port.into())
            }
            (Fields::Transparent(proxy), "DialedDirectly") => Value::Boolean(proxy.dialed_directly),
            (Fields::Expose(proxy), "Checks") => Value::Boolean(proxy.expose_checks),
            (Fields::Expose(proxy), "Paths") => Value::Paths(&proxy.expose_paths),
            (Fields::Path(path), "ListenerPort") => Value::Integer(path.listener_port.into()),
            (Fields::Path(path), "Path") => Value::Text(&path.path),
            (Fields::Path(path), "LocalPathPort") => Value::Integer(path.local_path_port.into()),
            (Fields::Path(path), "Protocol") => Value::Text(&path.protocol),
            (Fields::Path(path), "ParsedFromCheck") => Value::Boolean(path.parsed_from_check),
            _ => return None,
        })
    }
}

fn service_field<'a>(service: &'a Instance, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "ID" => Value::Text(&service.id),
        "Service" => Value::Text(&service.service),
        "Address" => Value::Text(&service.address),
        "Kind" => Value::Text(&service.kind),
        "SocketPath" => Value::Text(&service.socket_path),
        "PeerName" => Value::Text(&service.peer_name),
        "Port" => Value::Integer(service.port.into()),
        "Tags" => Value::TextList(&service.tags),
        "Meta" => Value::TextMap(&service.meta),
        "EnableTagOverride" => Value::Boolean(service.enable_tag_override),
        "Connect" => Value::Object(Fields::Connect(service)),
        "Weights" => Value::Object(Fields::Weights(service)),
        "TaggedAddresses" => Value::Addresses(&service.tagged_addresses),
        "Proxy" => Value::Object(Fields::Proxy(&service.proxy)),
        _ => return None,
    })
}

fn node_field<'a>(node: &'a Node, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "ID" => Value::Text(&node.id),
        "Node" => Value::Text(&node.name),
        "Address" => Value::Text(&node.address),
        "Datacenter" => Value::Text(&node.datacenter),
        "Partition" => Value::Text(&node.partition),
        "PeerName" => Value::Text(&node.peer),
        "Meta" => Value::TextMap(&node.meta),
        "TaggedAddresses" => Value::TextMap(&node.tagged_addresses),
        _ => return None,
    })
}

fn check_field<'a>(check: &'a CheckRecord, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "CheckID" => Value::Text(&check.check_id),
        "Name" => Value::Text(&check.name),
        "Node" => Value::Text(&check.node),
        "Status" => Value::Text(check.status.as_str()),
        "Notes" => Value::Text(&check.notes),
        "Output" => Value::Text(&check.output),
        "ServiceID" => Value::Text(&check.service_id),
        "ServiceName" => Value::Text(&check.service_name),
        "ServiceTags" => Value::TextList(&check.service_tags),
        "Type" => Value::Text(&check.kind),
        "Interval" => Value::Text(&check.interval),
        "Timeout" => Value::Text(&check.timeout),
        "ExposedPort" => Value::Integer(check.exposed_port.into()),
        "PeerName" => Value::Text(&check.peer_name),
        _ => return None,
    })
}

fn proxy_field<'a>(proxy: &'a ProxyInfo, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "DestinationServiceName" => Value::Text(&proxy.destination_service_name),
        "DestinationServiceID" => Value::Text(&proxy.destination_service_id),
        "LocalServiceAddress" => Value::Text(&proxy.local_service_address),
        "LocalServicePort" => Value::Integer(proxy.local_service_port.into()),
        "LocalServiceSocketPath" => Value::Text(&proxy.local_service_socket_path),
        "Mode" => Value::Text(&proxy.mode),
        "MutualTLSMode" => Value::Text(&proxy.mutual_tls_mode),
        "MeshGateway" => Value::Object(Fields::MeshGateway(&proxy.mesh_gateway_mode)),
        "TransparentProxy" => Value::Object(Fields::Transparent(proxy)),
        "Expose" => Value::Object(Fields::Expose(proxy)),
        "Upstreams" => Value::Upstreams(&proxy.upstreams),
        _ => return None,
    })
}

fn upstream_field<'a>(upstream: &'a ProxyUpstream, name: &str) -> Option<Value<'a>> {
    Some(match name {
        "DestinationType" => Value::Text(&upstream.destination_type),
        "DestinationNamespace" => Value::Text(&upstream.destination_namespace),
        "DestinationPartition" => Value::Text(&upstream.destination_partition),
        "DestinationPeer" => Value::Text(&upstream.destination_peer),
        "DestinationName" => Value::Text(&upstream.destination_name),
        "Datacenter" => Value::Text(&upstream.datacenter),
        "LocalBindAddress" => Value::Text(&upstream.local_bind_address),
        "LocalBindPort" => Value::Integer(upstream.local_bind_port.into()),
        "LocalBindSocketPath" => Value::Text(&upstream.local_bind_socket_path),
        "LocalBindSocketMode" => Value::Text(&upstream.local_bind_socket_mode),
        "MeshGateway" => Value::Object(Fields::MeshGateway(&upstream.mesh_gateway_mode)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: Type, value: Value<'_>, path: &str) {
        match (declared, value) {
            (Text, Value::Text(_))
            | (Integer, Value::Integer(_))
            | (Boolean, Value::Boolean(_))
            | (TextMap, Value::TextMap(_))
            | (TextList, Value::TextList(_)) => {}
            (Object(fields), Value::Object(object)) => {
                for (name, declared) in fields {
                    let path = format!("{path}.{name}");
                    let value = object
                        .field(name)
                        .unwrap_or_else(|| panic!("{path} has no value"));
                    check(*declared, value, &path);
                }
            }
            (ObjectMap(fields), Value::Addresses(map)) => {
                let object = Value::Object(Fields::Address(map.values().next().unwrap()));
                check(Object(fields), object, path);
            }
            (ObjectList(fields), Value::Checks(list)) => {
                check(Object(fields), Value::Object(Fields::Check(&list[0])), path);
            }
            (ObjectList(fields), Value::Upstreams(list)) => {
                check(
                    Object(fields),
                    Value::Object(Fields::Upstream(&list[0])),
                    path,
                );
            }
            (ObjectList(fields), Value::Paths(list)) => {
                check(Object(fields), Value::Object(Fields::Path(&list[0])), path);
            }
            _ => panic!("{path} has a value of another type"),
        }
    }

    #[test]
    fn every_selector_has_a_value_of_its_type() {
        let mut instance = Instance::default();
        instance
            .tagged_addresses
            .insert("wan".into(), TaggedAddress::default());
        instance.proxy.upstreams.push(ProxyUpstream::default());
        instance.proxy.expose_paths.push(ExposedPath::default());
        let record = Record {
            instance: &instance,
            checks: &[CheckRecord::default()],
        };
        check(ROOT, Value::Object(Fields::Root(record)), "");
    }
}

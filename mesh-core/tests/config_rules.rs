//! What each kind refuses, and for which reason.
#![allow(clippy::unwrap_used)]

use mesh_core::config::{Diagnostic, Severity, Source, read_entry};

fn errors(text: &str) -> Vec<Diagnostic> {
    match read_entry(Source::new("x.hcl", text)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().filter(Diagnostic::is_error).collect(),
    }
}

/// Checks bodies of a kind: each is accepted (empty category), or its first error has the category and path.
fn judge(kind: &str, cases: &[(&str, &str, &str)]) {
    for (body, category, path) in cases {
        let text = format!("Kind = \"{kind}\"\n{body}");
        let errors = errors(&text);
        match errors.first() {
            None => assert_eq!(*category, "", "accepted: {text}"),
            Some(first) => {
                assert_eq!(first.category.as_str(), *category, "{text}: {first}");
                assert_eq!(first.field.as_deref().unwrap_or(""), *path, "{text}");
            }
        }
    }
}

#[test]
fn service_defaults() {
    let many: String = (0..65).map(|n| format!("k{n} = \"v\"\n")).collect();
    let many = format!("Name = \"a\" Meta {{ {many} }}");
    let long = format!("Name = \"a\" Meta {{ k = \"{}\" }}", "v".repeat(513));
    judge(
        "service-defaults",
        &[
            ("", "missing-name", "Name"),
            ("Name = \"*\"", "bad-name", "Name"),
            (&many, "bad-meta", "Meta"),
            (&long, "bad-meta", "Meta.k"),
            ("Name = \"a\" Protocol = \"GRPC\"", "", ""),
            (
                "Name = \"a\" Protocol = \"http3\"",
                "bad-protocol",
                "Protocol",
            ),
            (
                "Name = \"a\" BalanceInboundConnections = \"x\"",
                "bad-balance",
                "BalanceInboundConnections",
            ),
            (
                "Name = \"a\" MutualTLSMode = \"x\"",
                "bad-mutual-tls",
                "MutualTLSMode",
            ),
            (
                "Name = \"a\" RateLimits {}",
                "enterprise-only",
                "RateLimits",
            ),
            (
                "Name = \"a\" Expose { Checks = true }",
                "not-supported",
                "Expose",
            ),
            ("Name = \"a\" Expose {}", "", ""),
            (
                "Name = \"a\" EnvoyExtensions = [{ Name = \"builtin/lua\" Arguments { x { y = 1 } } }]",
                "",
                "",
            ),
            (
                "Name = \"a\" EnvoyExtensions = [{ Name = \"builtin/lua\" Required = true }]",
                "not-supported",
                "EnvoyExtensions[0]",
            ),
            (
                "Name = \"a\" UpstreamConfig { Overrides = [{ Name = \"*\" }] }",
                "bad-upstream",
                "UpstreamConfig.Overrides[0].Name",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { Name = \"b\" } }",
                "bad-upstream",
                "UpstreamConfig.Defaults.Name",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { Protocol = \"X\" ConnectTimeoutMs = -1 } }",
                "",
                "",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { BalanceOutboundConnections = \"x\" } }",
                "bad-upstream",
                "UpstreamConfig.Defaults.BalanceOutboundConnections",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { Limits { MaxPendingRequests = -1 } } }",
                "bad-limit",
                "UpstreamConfig.Defaults.Limits.MaxPendingRequests",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { PassiveHealthCheck { MaxEjectionPercent = 101 } } }",
                "bad-health-check",
                "UpstreamConfig.Defaults.PassiveHealthCheck.MaxEjectionPercent",
            ),
            (
                "Name = \"a\" UpstreamConfig { Defaults { PassiveHealthCheck { BaseEjectionTime = \"-1s\" } } }",
                "bad-health-check",
                "UpstreamConfig.Defaults.PassiveHealthCheck.BaseEjectionTime",
            ),
            (
                "Name = \"a\" Destination { Port = 1 }",
                "bad-destination",
                "Destination.Addresses",
            ),
            (
                "Name = \"a\" Destination { Addresses = [\"b\"] }",
                "bad-destination",
                "Destination.Port",
            ),
            (
                "Name = \"a\" Destination { Addresses = [\"b\", \"b\"] Port = 1 }",
                "bad-destination",
                "Destination.Addresses[1]",
            ),
            (
                "Name = \"a\" Destination { Addresses = [\"*.b\"] Port = 1 }",
                "bad-destination",
                "Destination.Addresses[0]",
            ),
            (
                "Name = \"a\" Destination { Addresses = [\"b..c\"] Port = 1 }",
                "bad-destination",
                "Destination.Addresses[0]",
            ),
            (
                "Name = \"a\" Destination { Addresses = [\"b\"] Port = 65536 }",
                "bad-destination",
                "Destination.Port",
            ),
        ],
    );
}

#[test]
fn proxy_defaults() {
    judge(
        "proxy-defaults",
        &[
            ("", "", ""),
            ("Name = \"a\"", "bad-name", "Name"),
            ("Protocol = \"x\"", "", ""),
            ("Config { protocol = [1, 2] }", "", ""),
            (
                "AccessLogs { Type = \"x\" }",
                "bad-access-log",
                "AccessLogs.Type",
            ),
            (
                "AccessLogs { Type = \"file\" }",
                "bad-access-log",
                "AccessLogs.Path",
            ),
            (
                "AccessLogs { Path = \"/x\" }",
                "bad-access-log",
                "AccessLogs.Path",
            ),
            ("AccessLogs { Type = \"file\" Path = \"/x\" }", "", ""),
            (
                "AccessLogs { JSONFormat = \"{\" }",
                "bad-access-log",
                "AccessLogs.JSONFormat",
            ),
            (
                "AccessLogs { JSONFormat = \"[]\" }",
                "bad-access-log",
                "AccessLogs.JSONFormat",
            ),
            (
                "AccessLogs { JSONFormat = \"{}\" TextFormat = \"x\" }",
                "bad-access-log",
                "AccessLogs.TextFormat",
            ),
            ("FailoverPolicy { Mode = \"sequential\" }", "", ""),
            (
                "FailoverPolicy { Mode = \"order-by-locality\" }",
                "enterprise-only",
                "FailoverPolicy.Mode",
            ),
            (
                "FailoverPolicy { Mode = \"x\" }",
                "bad-failover",
                "FailoverPolicy.Mode",
            ),
            ("PrioritizeByLocality {}", "", ""),
            (
                "PrioritizeByLocality { Mode = \"failover\" }",
                "enterprise-only",
                "PrioritizeByLocality.Mode",
            ),
        ],
    );
}

#[test]
fn router() {
    let http = |body: &str| format!("Name = \"a\" Routes = [{{ Match {{ HTTP {{ {body} }} }} }}]");
    let to = |body: &str| format!("Name = \"a\" Routes = [{{ Destination {{ {body} }} }}]");
    let at = |field: &str| format!("Routes[0].Match.HTTP{field}");
    let cases = [
        (http("PathExact = \"x\""), "bad-match", at(".PathExact")),
        (http("PathPrefix = \"x\""), "bad-match", at(".PathPrefix")),
        (
            http("PathPrefix = \"/x\" PathRegex = \"/x\""),
            "bad-match",
            at(""),
        ),
        (http("PathRegex = \"(\""), "bad-match", at(".PathRegex")),
        (http("PathRegex = \"(?=x)\""), "bad-match", at(".PathRegex")),
        (
            http("PathRegex = \"/v[0-9]+/\\\\d+/.*\" CaseInsensitive = true"),
            "",
            String::new(),
        ),
        (
            http("Header { Exact = \"x\" }"),
            "bad-match",
            at(".Header[0].Name"),
        ),
        (
            http("Header { Name = \"x\" }"),
            "bad-match",
            at(".Header[0]"),
        ),
        (
            http("Header { Name = \"x\" Present = false }"),
            "bad-match",
            at(".Header[0]"),
        ),
        (
            http("Header { Name = \"x\" Exact = \"\" }"),
            "bad-match",
            at(".Header[0]"),
        ),
        (
            http("Header { Name = \"x\" Exact = \"a\" Suffix = \"b\" }"),
            "bad-match",
            at(".Header[0]"),
        ),
        (
            http("Header { Name = \"x\" Regex = \"[\" }"),
            "bad-match",
            at(".Header[0].Regex"),
        ),
        (
            http("Header { Name = \"x\" Present = true Invert = true }"),
            "",
            String::new(),
        ),
        (
            http("QueryParam { Present = true }"),
            "bad-match",
            at(".QueryParam[0].Name"),
        ),
        (
            http("QueryParam { Name = \"x\" }"),
            "bad-match",
            at(".QueryParam[0]"),
        ),
        (
            http("QueryParam { Name = \"x\" Regex = \"*\" }"),
            "bad-match",
            at(".QueryParam[0].Regex"),
        ),
        (
            http("Methods = [\"get\", \"BREW\"]"),
            "bad-method",
            at(".Methods[1]"),
        ),
        (
            http("Methods = [\"get\", \"GET\"]"),
            "bad-method",
            at(".Methods[1]"),
        ),
        (
            to("PrefixRewrite = \"/x\""),
            "bad-rewrite",
            "Routes[0].Destination.PrefixRewrite".to_owned(),
        ),
        (to("RetryOn = [\"5xx\", \"5xx\"]"), "", String::new()),
        (
            to("RetryOn = [\"reset-before-request\"]"),
            "bad-retry",
            "Routes[0].Destination.RetryOn[0]".to_owned(),
        ),
        (
            to("RetryOnStatusCodes = [503, 600]"),
            "bad-retry",
            "Routes[0].Destination.RetryOnStatusCodes[1]".to_owned(),
        ),
        (
            to("RequestTimeout = \"-1s\" IdleTimeout = \"-1s\""),
            "",
            String::new(),
        ),
    ];
    for (body, category, path) in &cases {
        judge("service-router", &[(body, category, path)]);
    }
    judge(
        "service-router",
        &[("", "missing-name", "Name"), ("Name = \"a\"", "", "")],
    );
}

#[test]
fn retries_without_a_condition_are_warned_about() {
    let text = "Kind = \"service-router\" Name = \"a\" Routes { Destination { NumRetries = 3 } }";
    let (_, notes) = read_entry(Source::new("x.hcl", text)).unwrap();
    assert_eq!(notes[0].severity, Severity::Warning);
    assert_eq!(
        notes[0].field.as_deref(),
        Some("Routes[0].Destination.NumRetries")
    );
}

#[test]
fn splitter() {
    judge(
        "service-splitter",
        &[
            ("", "missing-name", "Name"),
            ("Name = \"a\"", "no-splits", "Splits"),
            ("Name = \"a\" Splits = []", "no-splits", "Splits"),
            ("Name = \"a\" Splits = [{ Weight = 100 }]", "", ""),
            (
                "Name = \"a\" Splits = [{ Weight = 99.99 }]",
                "bad-weight",
                "Splits",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 33.33 Service = \"x\" }, { Weight = 33.33 Service = \"y\" }, { Weight = 33.34 }]",
                "",
                "",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 33.33 Service = \"x\" }, { Weight = 33.33 Service = \"y\" }, { Weight = 33.33 }]",
                "bad-weight",
                "Splits",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 99.995 Service = \"x\" }, { Weight = 0.005 }]",
                "bad-weight",
                "Splits",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 100 Service = \"x\" }, { Weight = 0 }]",
                "",
                "",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = -10 Service = \"x\" }, { Weight = 110 }]",
                "bad-weight",
                "Splits[0].Weight",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 50 Service = \"a\" }, { Weight = 50 }]",
                "duplicate-split",
                "Splits[1]",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 50 }, { Weight = 50 Namespace = \"default\" }]",
                "duplicate-split",
                "Splits[1]",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 50 }, { Weight = 50 ServiceSubset = \"v\" }]",
                "",
                "",
            ),
            (
                "Name = \"a\" Splits = [{ Weight = 50 RequestHeaders {} }, { Weight = 50 RequestHeaders {} }]",
                "",
                "",
            ),
        ],
    );
}

#[test]
fn resolver() {
    let longest = format!("Name = \"a\" Subsets {{ {} {{}} }}", "v".repeat(63));
    let longer = format!("Name = \"a\" Subsets {{ {} {{}} }}", "v".repeat(64));
    let longer_path = format!("Subsets.{}", "v".repeat(64));
    judge(
        "service-resolver",
        &[
            ("", "missing-name", "Name"),
            (
                "Name = \"a\" DefaultSubset = \"v\"",
                "bad-subset",
                "DefaultSubset",
            ),
            ("Name = \"a\" Subsets { V1 {} }", "bad-subset", "Subsets.V1"),
            (
                "Name = \"a\" Subsets { v1- {} }",
                "bad-subset",
                "Subsets.v1-",
            ),
            (&longest, "", ""),
            (&longer, "bad-subset", &longer_path),
            (
                "Name = \"a\" Subsets { v1 { Filter = \"a =\" } }",
                "bad-filter",
                "Subsets.v1.Filter",
            ),
            ("Name = \"a\" Redirect {}", "bad-redirect", "Redirect"),
            (
                "Name = \"a\" Redirect { Service = \"b\" } Failover { \"*\" { Service = \"c\" } }",
                "bad-redirect",
                "Redirect",
            ),
            (
                "Name = \"a\" Redirect { Peer = \"p\" }",
                "bad-redirect",
                "Redirect.Peer",
            ),
            (
                "Name = \"a\" Redirect { ServiceSubset = \"v\" }",
                "bad-redirect",
                "Redirect.ServiceSubset",
            ),
            (
                "Name = \"a\" Redirect { Service = \"a\" ServiceSubset = \"v\" }",
                "bad-redirect",
                "Redirect.ServiceSubset",
            ),
            (
                "Name = \"a\" Redirect { Service = \"b\" ServiceSubset = \"v\" }",
                "",
                "",
            ),
            ("Name = \"a\" Redirect { Datacenter = \"dc2\" }", "", ""),
            (
                "Name = \"a\" Failover { \"*\" {} }",
                "bad-failover",
                "Failover.*",
            ),
            (
                "Name = \"a\" Failover { \"*\" { Policy { Regions = [\"r\"] } } }",
                "bad-failover",
                "Failover.*",
            ),
            (
                "Name = \"a\" Failover { \"*\" { Service = \"b\" Policy { Mode = \"x\" } } }",
                "enterprise-only",
                "Failover.*.Policy.Mode",
            ),
            (
                "Name = \"a\" Failover { v1 { Service = \"b\" } }",
                "bad-failover",
                "Failover.v1",
            ),
            (
                "Name = \"a\" Failover { \"*\" { ServiceSubset = \"v\" } }",
                "bad-failover",
                "Failover.*.ServiceSubset",
            ),
            (
                "Name = \"a\" Failover { \"*\" { Datacenters = [\"\"] } }",
                "bad-failover",
                "Failover.*.Datacenters[0]",
            ),
            (
                "Name = \"a\" Failover { \"*\" { Service = \"b\" Targets = [{}] } }",
                "bad-failover",
                "Failover.*.Service",
            ),
            ("Name = \"a\" Failover { \"*\" { Targets = [{}] } }", "", ""),
            (
                "Name = \"a\" Failover { \"*\" { Targets = [{ Peer = \"p\" Datacenter = \"d\" }] } }",
                "bad-failover",
                "Failover.*.Targets[0].Datacenter",
            ),
            (
                "Name = \"a\" Failover { \"*\" { Targets = [{ ServiceSubset = \"v\" }] } }",
                "bad-failover",
                "Failover.*.Targets[0].ServiceSubset",
            ),
            (
                "Name = \"a\" ConnectTimeout = \"-1s\"",
                "bad-timeout",
                "ConnectTimeout",
            ),
            ("Name = \"a\" PrioritizeByLocality {}", "", ""),
            (
                "Name = \"a\" PrioritizeByLocality { Mode = \"none\" }",
                "enterprise-only",
                "PrioritizeByLocality.Mode",
            ),
        ],
    );
}

#[test]
fn load_balancer() {
    let cases = [
        ("Policy = \"x\"", "bad-lb", ".Policy"),
        (
            "Policy = \"maglev\" RingHashConfig {}",
            "bad-lb",
            ".RingHashConfig",
        ),
        (
            "LeastRequestConfig { ChoiceCount = 3 }",
            "bad-lb",
            ".LeastRequestConfig",
        ),
        (
            "Policy = \"random\" HashPolicies = [{ SourceIP = true }]",
            "bad-lb",
            ".HashPolicies",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ SourceIP = true Terminal = true }]",
            "",
            "",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ Terminal = true }]",
            "bad-lb",
            ".HashPolicies[0]",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ Field = \"body\" FieldValue = \"x\" }]",
            "bad-lb",
            ".HashPolicies[0].Field",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ Field = \"header\" }]",
            "bad-lb",
            ".HashPolicies[0].FieldValue",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ FieldValue = \"x\" }]",
            "bad-lb",
            ".HashPolicies[0].FieldValue",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ SourceIP = true Field = \"header\" FieldValue = \"x\" }]",
            "bad-lb",
            ".HashPolicies[0].SourceIP",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ Field = \"cookie\" FieldValue = \"x\" CookieConfig { Session = true TTL = \"1s\" } }]",
            "bad-lb",
            ".HashPolicies[0].CookieConfig.TTL",
        ),
        (
            "Policy = \"maglev\" HashPolicies = [{ Field = \"cookie\" FieldValue = \"x\" CookieConfig { TTL = \"1s\" Path = \"/\" } }]",
            "",
            "",
        ),
    ];
    for (body, category, path) in cases {
        let body = format!("Name = \"a\" LoadBalancer {{ {body} }}");
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("LoadBalancer{path}")
        };
        judge("service-resolver", &[(&body, category, &path)]);
    }
}

#[test]
fn ingress_gateway() {
    let listener = |body: &str| format!("Name = \"a\" Listeners = [{{ Port = 80 {body} }}]");
    let http = |body: &str| listener(&format!("Protocol = \"http\" Services = [{body}]"));
    let at = |field: &str| format!("Listeners[0]{field}");
    let cases = [
        (listener(""), "bad-listener", at(".Services")),
        (
            listener("Protocol = \"x\" Services = [{ Name = \"b\" }]"),
            "bad-protocol",
            at(".Protocol"),
        ),
        (listener("Services = [{ Name = \"b\" }]"), "", String::new()),
        (
            listener("Services = [{ Name = \"b\" }, { Name = \"c\" }]"),
            "bad-listener",
            at(".Services"),
        ),
        (
            listener("Services = [{ Name = \"*\" }]"),
            "bad-listener",
            at(".Services[0].Name"),
        ),
        (
            listener("Services = [{ Name = \"b\" Hosts = [\"c\"] }]"),
            "bad-host",
            at(".Services[0].Hosts"),
        ),
        (
            listener("Services = [{ Name = \"b\" RequestHeaders {} }]"),
            "bad-headers",
            at(".Services[0].RequestHeaders"),
        ),
        (http("{}"), "bad-listener", at(".Services[0].Name")),
        (
            http("{ Name = \"b\" }, { Name = \"b\" }"),
            "bad-listener",
            at(".Services[1].Name"),
        ),
        (
            http("{ Name = \"b\" Hosts = [\"x.y\"] }, { Name = \"c\" Hosts = [\"X.y\"] }"),
            "bad-host",
            at(".Services[1].Hosts[0]"),
        ),
        (
            http("{ Name = \"b\" Hosts = [\"*\", \"*.x.y\", \"192.168.56.10\"] }"),
            "",
            String::new(),
        ),
        (
            http("{ Name = \"b\" Hosts = [\"x.*\"] }"),
            "bad-host",
            at(".Services[0].Hosts[0]"),
        ),
        (
            http("{ Name = \"b\" Hosts = [\"\"] }"),
            "bad-host",
            at(".Services[0].Hosts[0]"),
        ),
        (
            http("{ Name = \"b\" PassiveHealthCheck { Interval = \"-1s\" } }"),
            "bad-health-check",
            at(".Services[0].PassiveHealthCheck.Interval"),
        ),
        (
            http("{ Name = \"b\" TLS { SDS { ClusterName = \"c\" } } }"),
            "bad-tls",
            at(".Services[0].TLS.SDS"),
        ),
        (
            http("{ Name = \"b\" Hosts = [\"x\"] TLS { SDS { CertResource = \"c\" } } }"),
            "bad-tls",
            at(".Services[0].TLS.SDS"),
        ),
    ];
    for (body, category, path) in &cases {
        judge("ingress-gateway", &[(body, category, path)]);
    }
    let taken = "Name = \"a\" Listeners = [{ Port = 80 Services { Name = \"b\" } }, { Port = 80 Services { Name = \"c\" } }]";
    let star = "Name = \"a\" TLS { Enabled = true } Listeners = [{ Port = 80 Protocol = \"http\" Services { Name = \"b\" Hosts = [\"*\"] } }]";
    judge(
        "ingress-gateway",
        &[
            ("", "missing-name", "Name"),
            ("Name = \"a\"", "", ""),
            (taken, "bad-listener", "Listeners[1].Port"),
            (star, "bad-host", "Listeners[0].Services[0].Hosts[0]"),
            (
                "Name = \"a\" Listeners = [{ Services { Name = \"b\" } }]",
                "bad-listener",
                "Listeners[0].Port",
            ),
            (
                "Name = \"a\" TLS { TLSMinVersion = \"TLSv1_4\" }",
                "bad-tls",
                "TLS.TLSMinVersion",
            ),
            (
                "Name = \"a\" TLS { TLSMinVersion = \"TLSv1_3\" TLSMaxVersion = \"TLSv1_2\" }",
                "bad-tls",
                "TLS.TLSMaxVersion",
            ),
            (
                "Name = \"a\" TLS { TLSMinVersion = \"TLS_AUTO\" TLSMaxVersion = \"TLSv1_2\" }",
                "",
                "",
            ),
            (
                "Name = \"a\" TLS { TLSMinVersion = \"TLSv1_3\" CipherSuites = [\"TLS_RSA_WITH_AES_128_CBC_SHA\"] }",
                "bad-tls",
                "TLS.CipherSuites",
            ),
            (
                "Name = \"a\" TLS { CipherSuites = [\"x\"] }",
                "bad-tls",
                "TLS.CipherSuites[0]",
            ),
            (
                "Name = \"a\" TLS { SDS { ClusterName = \"x\" } } Listeners = [{ Port = 80 Services { Name = \"b\" } }]",
                "bad-tls",
                "Listeners[0].TLS",
            ),
            (
                "Name = \"a\" TLS { SDS { ClusterName = \"x\" } } Listeners = [{ Port = 80 Services { Name = \"b\" } \
                 TLS { SDS { CertResource = \"c\" } } }]",
                "",
                "",
            ),
            (
                "Name = \"a\" TLS { SDS { CertResource = \"x\" } }",
                "bad-tls",
                "TLS.SDS.CertResource",
            ),
        ],
    );
}

#[test]
fn intentions() {
    let source = |body: &str| format!("Name = \"a\" Sources = [{{ Name = \"b\" {body} }}]");
    let http = |body: &str| {
        source(&format!(
            "Permissions = [{{ Action = \"allow\" HTTP {{ {body} }} }}]"
        ))
    };
    let at = |field: &str| format!("Sources[0]{field}");
    let cases = [
        (source(""), "bad-action", at(".Action")),
        (source("Action = \"Allow\""), "bad-action", at(".Action")),
        (
            source("Action = \"deny\" Precedence = 3 LegacyID = \"x\""),
            "",
            String::new(),
        ),
        (
            source("Action = \"deny\" Peer = \"*\""),
            "bad-source",
            at(".Peer"),
        ),
        (
            source("Action = \"deny\" SamenessGroup = \"g\""),
            "enterprise-only",
            at(".SamenessGroup"),
        ),
        (
            source("Action = \"deny\" LegacyMeta { a = 1 }"),
            "bad-source",
            at(".LegacyMeta"),
        ),
        (
            source("Action = \"deny\" Type = \"x\""),
            "bad-source",
            at(".Type"),
        ),
        (
            source(
                "Action = \"deny\" Permissions { Action = \"deny\" HTTP { PathPrefix = \"/\" } }",
            ),
            "bad-action",
            at(".Action"),
        ),
        (
            source("Permissions { Action = \"deny\" }"),
            "bad-permission",
            at(".Permissions[0].HTTP"),
        ),
        (
            source("Permissions { HTTP { PathPrefix = \"/\" } }"),
            "bad-action",
            at(".Permissions[0].Action"),
        ),
        (
            source(
                "Permissions { Action = \"deny\" HTTP { PathPrefix = \"/\" } JWT { Providers {} } }",
            ),
            "bad-jwt",
            at(".Permissions[0].JWT.Providers[0].Name"),
        ),
        (http(""), "bad-permission", at(".Permissions[0].HTTP")),
        (
            http("PathExact = \"x\""),
            "bad-match",
            at(".Permissions[0].HTTP.PathExact"),
        ),
        (
            http("PathRegex = \"(\""),
            "bad-match",
            at(".Permissions[0].HTTP.PathRegex"),
        ),
        (
            http("Methods = [\"x\"]"),
            "bad-method",
            at(".Permissions[0].HTTP.Methods[0]"),
        ),
        (
            http("Header { Name = \"x\" Contains = \"a\" Exact = \"b\" }"),
            "bad-match",
            at(".Permissions[0].HTTP.Header[0]"),
        ),
        (
            http("Header { Name = \"x\" Contains = \"a\" ignore_case = true }"),
            "",
            String::new(),
        ),
        (
            http("Header { Name = \"x\" Regex = \"a\" IgnoreCase = true }"),
            "bad-match",
            at(".Permissions[0].HTTP.Header[0]"),
        ),
    ];
    for (body, category, path) in &cases {
        judge("service-intentions", &[(body, category, path)]);
    }
    judge(
        "service-intentions",
        &[
            ("", "missing-name", "Name"),
            (
                "Name = \"a*\" Sources { Name = \"b\" Action = \"allow\" }",
                "bad-name",
                "Name",
            ),
            ("Name = \"a\"", "bad-source", "Sources"),
            (
                "Name = \"a\" Sources { Action = \"allow\" }",
                "bad-source",
                "Sources[0].Name",
            ),
            (
                "Name = \"a\" Sources { Name = \"b*\" Action = \"allow\" }",
                "bad-source",
                "Sources[0].Name",
            ),
            (
                "Name = \"*\" Sources { Name = \"b\" Permissions { Action = \"allow\" HTTP { PathPrefix = \"/\" } } }",
                "bad-permission",
                "Sources[0].Permissions",
            ),
            (
                "Name = \"a\" Sources = [{ Name = \"b\" Action = \"allow\" }, { Name = \"b\" Action = \"deny\" }]",
                "duplicate-source",
                "Sources[1]",
            ),
            (
                "Name = \"a\" Sources = [{ Name = \"b\" Action = \"allow\" }, { Name = \"b\" Peer = \"p\" Action = \"deny\" }]",
                "",
                "",
            ),
        ],
    );
}

#[test]
fn sources_are_sorted_by_precedence_and_stay_in_order_otherwise() {
    let text = "Kind = \"service-intentions\" Name = \"a\" Sources = [{ Name = \"*\" Action = \"deny\" }, \
                { Name = \"z\" Action = \"allow\" }, { Name = \"b\" Action = \"allow\" }]";
    let (entry, _) = read_entry(Source::new("x.hcl", text)).unwrap();
    let json = entry.to_json();
    let sources = json["Sources"].as_array().unwrap();
    let found: Vec<_> = sources
        .iter()
        .map(|s| {
            (
                s["Name"].as_str().unwrap(),
                s["Precedence"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, [("z", 9), ("b", 9), ("*", 8)]);
    assert_eq!(sources[0]["Type"], "consul");
}

#[test]
fn what_is_wrong_with_intentions_is_worded_as_consul_words_it() {
    let text = "Kind = \"service-intentions\" Name = \"a\" Sources = [{ Name = \"b\" Permissions = [{ Action = \"maybe\" \
                HTTP { PathExact = \"x\" Methods = [\"BREW\"] Header { Exact = \"x\" } } }] }]";
    let messages: Vec<String> = errors(text)
        .into_iter()
        .map(|error| error.message)
        .collect();
    let wanted = [
        "Sources[0].Permissions[0].Action must be set to 'allow' or 'deny'",
        "Sources[0].Permissions[0].HTTP.PathExact doesn't start with '/': \"x\"",
        "Sources[0].Permissions[0].HTTP.Header[0] missing required Name field",
        "Sources[0].Permissions[0].HTTP.Methods contains an invalid method \"BREW\"",
    ];
    assert_eq!(messages, wanted);
}

#[test]
fn jwt_provider() {
    let remote = |body: &str| {
        format!("Name = \"a\" JSONWebKeySet {{ Remote {{ URI = \"https://x/k\" {body} }} }}")
    };
    let local =
        |body: &str| format!("Name = \"a\" JSONWebKeySet {{ Local {{ JWKS = \"e30=\" }} }} {body}");
    let cases = [
        (remote(""), "", ""),
        (remote("CacheDuration = 1800000000000"), "", ""),
        (
            remote(
                "RetryPolicy { RetryPolicyBackOff { BaseInterval = \"2s\" MaxInterval = \"1s\" } }",
            ),
            "bad-jwt",
            "JSONWebKeySet.Remote.RetryPolicy.RetryPolicyBackOff.MaxInterval",
        ),
        (
            remote("JWKSCluster { DiscoveryType = \"x\" }"),
            "bad-jwt",
            "JSONWebKeySet.Remote.JWKSCluster.DiscoveryType",
        ),
        (
            remote("JWKSCluster { TLSCertificates {} }"),
            "bad-jwt",
            "JSONWebKeySet.Remote.JWKSCluster.TLSCertificates",
        ),
        (
            remote("JWKSCluster { TLSCertificates { TrustedCA {} } }"),
            "bad-jwt",
            "JSONWebKeySet.Remote.JWKSCluster.TLSCertificates.TrustedCA",
        ),
        (local(""), "", ""),
        (local("Locations = [{}]"), "bad-jwt", "Locations[0]"),
        (
            local("Locations = [{ Header {} }]"),
            "bad-jwt",
            "Locations[0].Header.Name",
        ),
        (local("Locations = [{ Cookie { Name = \"c\" } }]"), "", ""),
        (local("Forwarding {}"), "bad-jwt", "Forwarding.HeaderName"),
    ];
    for (body, category, path) in &cases {
        judge("jwt-provider", &[(body, category, path)]);
    }
    judge(
        "jwt-provider",
        &[
            (
                "JSONWebKeySet { Local { Filename = \"x\" } }",
                "missing-name",
                "Name",
            ),
            ("Name = \"a\"", "bad-jwt", "JSONWebKeySet"),
            ("Name = \"a\" JSONWebKeySet {}", "bad-jwt", "JSONWebKeySet"),
            (
                "Name = \"a\" JSONWebKeySet { Local { JWKS = \"e30=\" Filename = \"x\" } }",
                "bad-jwt",
                "JSONWebKeySet.Local",
            ),
            (
                "Name = \"a\" JSONWebKeySet { Local { JWKS = \"e30\" } }",
                "bad-jwt",
                "JSONWebKeySet.Local.JWKS",
            ),
            (
                "Name = \"a\" JSONWebKeySet { Remote { URI = \"/x\" } }",
                "bad-jwt",
                "JSONWebKeySet.Remote.URI",
            ),
        ],
    );
}

#[test]
fn mesh() {
    judge(
        "mesh",
        &[
            ("", "", ""),
            (
                "AllowEnablingPermissiveMutualTLS = true Peering { PeerThroughMeshGateways = true }",
                "",
                "",
            ),
            (
                "TLS { Incoming { TLSMinVersion = \"TLSv1_2\" } Outgoing { tls_max_version = \"TLSv1_3\" } }",
                "",
                "",
            ),
            (
                "TLS { Incoming { CipherSuites = [\"x\"] } }",
                "bad-tls",
                "TLS.Incoming.CipherSuites[0]",
            ),
            (
                "HTTP { Incoming { RequestNormalization { MergeSlashes = true PathWithEscapedSlashesAction = \"UNESCAPE_AND_FORWARD\" HeadersWithUnderscoresAction = \"DROP_HEADER\" } } }",
                "",
                "",
            ),
            (
                "HTTP { Incoming { RequestNormalization { PathWithEscapedSlashesAction = \"x\" } } }",
                "bad-normalization",
                "HTTP.Incoming.RequestNormalization.PathWithEscapedSlashesAction",
            ),
            (
                "HTTP { Incoming { RequestNormalization { HeadersWithUnderscoresAction = \"x\" } } }",
                "bad-normalization",
                "HTTP.Incoming.RequestNormalization.HeadersWithUnderscoresAction",
            ),
        ],
    );
}

#[test]
fn mesh_policy() {
    let ranges = [
        ("Timeouts { PerTry = \"0s\" }", "Timeouts.PerTry"),
        (
            "Timeouts { ConnectionIdle = \"-1s\" }",
            "Timeouts.ConnectionIdle",
        ),
        ("Retries { Max = 11 }", "Retries.Max"),
        ("Retries { Methods = \"some\" }", "Retries.Methods"),
        ("Retries { Budget { Ratio = 1.1 } }", "Retries.Budget.Ratio"),
        (
            "Retries { Budget { Window = \"0s\" } }",
            "Retries.Budget.Window",
        ),
        (
            "Retries { Backoff { Base = \"1s\" } }",
            "Retries.Backoff.Max",
        ),
        ("Hedging {}", "Hedging.After"),
        ("Hedging { After = \"p100\" }", "Hedging.After"),
        ("Hedging { After = \"0s\" }", "Hedging.After"),
        (
            "Hedging { After = \"p95\" MaxExtra = -0.1 }",
            "Hedging.MaxExtra",
        ),
        ("Balancing { Policy = \"x\" }", "Balancing.Policy"),
        (
            "Balancing { PanicThreshold = 101 }",
            "Balancing.PanicThreshold",
        ),
        ("Split { StickyBy = [{}] }", "Split.StickyBy[0]"),
        (
            "Split { StickyBy = [{ Header = \"x y\" }] }",
            "Split.StickyBy[0].Header",
        ),
        (
            "Ejection { ConsecutiveErrors = 0 }",
            "Ejection.ConsecutiveErrors",
        ),
        (
            "Ejection { SuccessRate { Factor = 0 } }",
            "Ejection.SuccessRate.Factor",
        ),
        (
            "Ejection { FailurePercent { Threshold = 101 } }",
            "Ejection.FailurePercent.Threshold",
        ),
        (
            "Limits { Adaptive { MinInFlight = 0 } }",
            "Limits.Adaptive.MinInFlight",
        ),
        (
            "Limits { Inbound { MaxInFlight = 0 } }",
            "Limits.Inbound.MaxInFlight",
        ),
        (
            "Limits { Inbound { PerCaller { Burst = 1 } } }",
            "Limits.Inbound.PerCaller.Rate",
        ),
        ("Deadline { Header = \"\" }", "Deadline.Header"),
        ("Tracing { Sampling = 100.1 }", "Tracing.Sampling"),
        ("Tracing { Exclude = [\"x\"] }", "Tracing.Exclude[0]"),
        ("AccessLog { Format = \"xml\" }", "AccessLog.Format"),
        ("Faults {}", "Faults"),
        ("Faults { Delay { Share = 5 } }", "Faults.Delay.For"),
        (
            "Faults { Abort { Share = 1 Status = 99 } }",
            "Faults.Abort.Status",
        ),
        ("Shadow { Share = 5 }", "Shadow.Intentions"),
    ];
    for (body, path) in ranges {
        judge(
            "mesh-policy",
            &[(&format!("Name = \"a\" {body}"), "bad-policy", path)],
        );
    }
    judge(
        "mesh-policy",
        &[
            ("", "missing-name", "Name"),
            ("Name = \"a*\"", "bad-name", "Name"),
            ("Name = \"*\" Hedging { After = \"p99.9\" }", "", ""),
            (
                "Name = \"a\" Retries { On = [\"5xy\"] }",
                "bad-retry",
                "Retries.On[0]",
            ),
            (
                "Name = \"a\" Retries { Maximum = 1 }",
                "unknown-key",
                "Retries.Maximum",
            ),
        ],
    );
}

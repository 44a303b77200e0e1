//! What each field does here. The fields come from the tables of the reader; what they do is kept by hand, and a test
//! fails where the two differ.

/// What a field does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It does what Consul says; the name of a test that shows it.
    Honoured(&'static str),
    /// It is read, and nothing happens in process; why.
    NoEffect(&'static str),
    /// Giving it is an error; its category.
    Refused(&'static str),
    /// It is read and will have an effect; of what it will be a part.
    Planned(&'static str),
}

impl Status {
    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Honoured(_) => "honoured",
            Self::NoEffect(_) => "no effect here",
            Self::Refused(_) => "refused",
            Self::Planned(_) => "planned",
        }
    }

    /// The test, reason, category or area.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Honoured(detail)
            | Self::NoEffect(detail)
            | Self::Refused(detail)
            | Self::Planned(detail) => detail,
        }
    }
}

/// Blocks that are one and the same record in several places.
const ALIKE: [(&str, &str); 8] = [
    ("service.checks", "service.check"),
    ("service.connect.sidecar_service.proxy", "service.proxy"),
    (
        "service-defaults.UpstreamConfig.Overrides",
        "service-defaults.UpstreamConfig.Defaults",
    ),
    (
        "service-router.Routes.Destination.ResponseHeaders",
        "service-router.Routes.Destination.RequestHeaders",
    ),
    (
        "service-splitter.Splits.ResponseHeaders",
        "service-splitter.Splits.RequestHeaders",
    ),
    (
        "service-intentions.Sources.Permissions.JWT",
        "service-intentions.JWT",
    ),
    ("proxy-defaults.Expose", "service-defaults.Expose"),
    (
        "proxy-defaults.EnvoyExtensions",
        "service-defaults.EnvoyExtensions",
    ),
];

/// The status of a field: of its own path, else of the nearest block above that has one (`Block.*`).
pub(crate) fn of(path: &str) -> Option<Status> {
    let path = ALIKE
        .iter()
        .find_map(|(block, same)| Some(format!("{same}{}", path.strip_prefix(block)?)))
        .unwrap_or_else(|| path.to_owned());
    let exact = STATUSES.iter().find(|(known, _)| *known == path);
    let above = || {
        let blocks = STATUSES.iter().filter(|(known, _)| covers(known, &path));
        blocks.max_by_key(|(known, _)| known.len())
    };
    exact.or_else(above).map(|(_, status)| *status)
}

/// Whether a pattern is for all below a block that the path is in.
fn covers(pattern: &str, path: &str) -> bool {
    pattern
        .strip_suffix('*')
        .is_some_and(|block| path.starts_with(block))
}

const fn yes(path: &'static str, test: &'static str) -> (&'static str, Status) {
    (path, Status::Honoured(test))
}

const fn idle(path: &'static str, why: &'static str) -> (&'static str, Status) {
    (path, Status::NoEffect(why))
}

const fn no(path: &'static str, category: &'static str) -> (&'static str, Status) {
    (path, Status::Refused(category))
}

const fn later(path: &'static str, area: &'static str) -> (&'static str, Status) {
    (path, Status::Planned(area))
}

const FREE: &str = "free pairs for people and tools";
const NO_PROXY: &str = "there is no proxy process";
const NO_GATEWAYS: &str =
    "mesh gateways are not used; instances are dialled directly, with a warning";
const PEERS: &str = "peers need a Consul cluster as the source";

/// By path, or `Block.*` for all below.
#[rustfmt::skip]
const STATUSES: &[(&str, Status)] = &[
    yes("service-defaults.Name", "service_defaults_without_a_protocol_hide_proxy_defaults"),
    yes("service-defaults.Protocol", "service_defaults_without_a_protocol_hide_proxy_defaults"),
    idle("service-defaults.Mode", "a transparent proxy has no meaning in process"),
    idle("service-defaults.TransparentProxy.*", "instances are always dialled directly"),
    later("service-defaults.MutualTLSMode", "permissive mutual TLS"),
    idle("service-defaults.MeshGateway.*", NO_GATEWAYS),
    no("service-defaults.Expose.*", "not-supported"),
    yes("service-defaults.ExternalSNI", "an_external_service_has_its_own_server_name"),
    yes("service-defaults.UpstreamConfig.Defaults.Name", "a_callers_upstream_config_sets_limits_ejection_and_connect_timeout"),
    yes("service-defaults.UpstreamConfig.Defaults.Peer", "a_callers_overrides_come_from_its_upstream_config"),
    idle("service-defaults.UpstreamConfig.Defaults.EnvoyListenerJSON", "configuration of Envoy"),
    idle("service-defaults.UpstreamConfig.Defaults.EnvoyClusterJSON", "configuration of Envoy"),
    yes("service-defaults.UpstreamConfig.Defaults.Protocol", "a_protocol_override_that_is_not_l7_ignores_routers_and_splitters"),
    yes("service-defaults.UpstreamConfig.Defaults.ConnectTimeoutMs", "a_callers_upstream_config_sets_limits_ejection_and_connect_timeout"),
    yes("service-defaults.UpstreamConfig.Defaults.Limits.MaxConnections", "at_the_connection_limit_requests_wait_and_beyond_pending_they_are_refused"),
    yes("service-defaults.UpstreamConfig.Defaults.Limits.MaxPendingRequests", "at_the_connection_limit_requests_wait_and_beyond_pending_they_are_refused"),
    yes("service-defaults.UpstreamConfig.Defaults.Limits.MaxConcurrentRequests", "an_explicit_zero_admits_none"),
    yes("service-defaults.UpstreamConfig.Defaults.PassiveHealthCheck.Interval", "ejections_grow_up_to_the_longest_and_fade_with_healthy_time"),
    yes("service-defaults.UpstreamConfig.Defaults.PassiveHealthCheck.MaxFailures", "the_layer_notes_outcomes_and_ejects"),
    yes("service-defaults.UpstreamConfig.Defaults.PassiveHealthCheck.EnforcingConsecutive5xx", "enforcing_is_a_probability"),
    yes("service-defaults.UpstreamConfig.Defaults.PassiveHealthCheck.MaxEjectionPercent", "an_explicit_share_is_obeyed_zero_and_all_included"),
    yes("service-defaults.UpstreamConfig.Defaults.PassiveHealthCheck.BaseEjectionTime", "ejections_grow_up_to_the_longest_and_fade_with_healthy_time"),
    idle("service-defaults.UpstreamConfig.Defaults.MeshGateway.*", NO_GATEWAYS),
    idle("service-defaults.UpstreamConfig.Defaults.BalanceOutboundConnections", "threads of a proxy; there are none"),
    idle("service-defaults.Destination.*", "callers reach only what is registered; register the address as an instance"),
    idle("service-defaults.MaxInboundConnections", "use `Limits { Inbound { MaxInFlight } }` of a mesh-policy"),
    idle("service-defaults.LocalConnectTimeoutMs", "the application is in the same process: nothing connects to it"),
    yes("service-defaults.LocalRequestTimeoutMs", "what_a_callee_takes_on_comes_from_its_own_entries"),
    idle("service-defaults.BalanceInboundConnections", "threads of a proxy; there are none"),
    no("service-defaults.RateLimits.*", "enterprise-only"),
    idle("service-defaults.MaxRequestHeadersKB", "the HTTP server of the process decides"),
    idle("service-defaults.EnvoyExtensions.*", "no effect; refused where `Required` is true"),
    yes("service-defaults.Meta", "meta_of_the_service_is_copied"),

    yes("proxy-defaults.Name", "a_directory_as_consul_users_write_it_loads_unchanged"),
    yes("proxy-defaults.Config", "both_spellings_of_envoys_json_are_read"),
    idle("proxy-defaults.Protocol", "the protocol is `Config { protocol }`, as in Consul; there is a warning"),
    idle("proxy-defaults.Mode", "a transparent proxy has no meaning in process"),
    idle("proxy-defaults.TransparentProxy.*", "instances are always dialled directly"),
    later("proxy-defaults.MutualTLSMode", "permissive mutual TLS"),
    idle("proxy-defaults.MeshGateway.*", NO_GATEWAYS),
    later("proxy-defaults.AccessLogs.*", "access logs"),
    no("proxy-defaults.FailoverPolicy.*", "enterprise-only"),
    no("proxy-defaults.PrioritizeByLocality.*", "enterprise-only"),
    idle("proxy-defaults.Meta", FREE),

    yes("service-router.Name", "only_the_routers_own_service_is_routed"),
    yes("service-router.Routes.Match.HTTP.PathExact", "paths_are_compared_raw_up_to_the_query"),
    yes("service-router.Routes.Match.HTTP.PathPrefix", "paths_are_compared_raw_up_to_the_query"),
    yes("service-router.Routes.Match.HTTP.PathRegex", "a_regex_cannot_break_out_of_its_anchors"),
    yes("service-router.Routes.Match.HTTP.CaseInsensitive", "paths_are_compared_raw_up_to_the_query"),
    yes("service-router.Routes.Match.HTTP.Header.*", "header_criteria_follow_the_table_of_missing_headers"),
    yes("service-router.Routes.Match.HTTP.QueryParam.*", "query_parameters_are_compared_raw_and_the_first_counts"),
    yes("service-router.Routes.Match.HTTP.Methods", "methods_are_compared_with_case"),
    yes("service-router.Routes.Destination.Service", "routes_keep_their_order_and_the_catch_all_comes_last"),
    yes("service-router.Routes.Destination.ServiceSubset", "t6_a_route_with_a_subset_bypasses_the_splitter_and_one_without_goes_on_to_it"),
    no("service-router.Routes.Destination.Namespace", "enterprise-only"),
    no("service-router.Routes.Destination.Partition", "enterprise-only"),
    yes("service-router.Routes.Destination.PrefixRewrite", "a_rewritten_path_keeps_the_query_and_tells_the_original"),
    yes("service-router.Routes.Destination.RequestTimeout", "a_call_ends_with_its_limit_and_cancels_the_inner_future"),
    yes("service-router.Routes.Destination.IdleTimeout", "silence_restarts_with_every_frame_in_either_direction"),
    yes("service-router.Routes.Destination.NumRetries", "a_failure_is_tried_again_until_it_works"),
    yes("service-router.Routes.Destination.RetryOnConnectFailure", "conditions_are_united_without_repeats"),
    yes("service-router.Routes.Destination.RetryOn", "each_condition_retries_exactly_what_it_names"),
    yes("service-router.Routes.Destination.RetryOnStatusCodes", "status_codes_are_retried_besides_but_not_when_ratelimited"),
    yes("service-router.Routes.Destination.RequestHeaders.*", "the_route_has_the_last_word_on_headers_in_both_directions"),
    idle("service-router.Meta", FREE),

    yes("service-splitter.Name", "a_split_to_the_own_service_never_enters_the_splitter_again"),
    yes("service-splitter.Splits.Weight", "t4_half_and_half_is_exact"),
    yes("service-splitter.Splits.Service", "splitters_that_lead_back_are_circular"),
    yes("service-splitter.Splits.ServiceSubset", "a_split_to_a_subset_does_not_follow_that_services_splitter"),
    no("service-splitter.Splits.Namespace", "enterprise-only"),
    no("service-splitter.Splits.Partition", "enterprise-only"),
    yes("service-splitter.Splits.RequestHeaders.*", "nested_header_modifiers_merge_inner_first_for_requests_outer_first_for_responses"),
    idle("service-splitter.Meta", FREE),

    yes("service-resolver.Name", "settings_are_those_of_the_last_service"),
    yes("service-resolver.DefaultSubset", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service-resolver.Subsets.*.Filter", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service-resolver.Subsets.*.OnlyPassing", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service-resolver.Redirect.Service", "a_redirect_applies_before_the_default_subset_and_clears_the_subset_of_another_service"),
    yes("service-resolver.Redirect.ServiceSubset", "a_redirect_to_a_missing_subset_is_an_error"),
    no("service-resolver.Redirect.Namespace", "enterprise-only"),
    no("service-resolver.Redirect.Partition", "enterprise-only"),
    yes("service-resolver.Redirect.Datacenter", "a_redirect_to_another_datacenter_keeps_service_and_subset"),
    yes("service-resolver.Redirect.Peer", "a_peer_replaces_the_datacenter_and_has_no_server_name"),
    no("service-resolver.Redirect.SamenessGroup", "enterprise-only"),
    yes("service-resolver.Failover.*.Service", "traffic_fails_over_to_the_next_level_and_returns"),
    yes("service-resolver.Failover.*.ServiceSubset", "one_candidate_comes_from_service_and_subset"),
    no("service-resolver.Failover.*.Namespace", "enterprise-only"),
    yes("service-resolver.Failover.*.Datacenters", "datacenters_keep_service_and_subset_and_drop_the_primary"),
    yes("service-resolver.Failover.*.Targets.*", "candidates_follow_redirects_and_default_subsets_and_repeats_stay"),
    no("service-resolver.Failover.*.Targets.Partition", "enterprise-only"),
    no("service-resolver.Failover.*.Targets.Namespace", "enterprise-only"),
    no("service-resolver.Failover.*.Policy.*", "enterprise-only"),
    no("service-resolver.Failover.*.SamenessGroup", "enterprise-only"),
    yes("service-resolver.ConnectTimeout", "a_resolver_sets_time_limits_and_balancing"),
    yes("service-resolver.RequestTimeout", "a_resolvers_request_timeout_counts_only_where_the_chain_starts_at_it"),
    yes("service-resolver.LoadBalancer.Policy", "a_resolver_sets_time_limits_and_balancing"),
    yes("service-resolver.LoadBalancer.RingHashConfig.*", "a_resolver_sets_time_limits_and_balancing"),
    yes("service-resolver.LoadBalancer.LeastRequestConfig.*", "least_request_prefers_the_less_loaded_of_two"),
    yes("service-resolver.LoadBalancer.HashPolicies.*", "a_hash_keeps_a_user_at_one_endpoint"),
    yes("service-resolver.LoadBalancer.HashPolicies.Terminal", "a_terminal_policy_ends_only_with_a_hash"),
    yes("service-resolver.LoadBalancer.HashPolicies.SourceIP", "the_source_address_is_hashed_without_port"),
    later("service-resolver.LoadBalancer.HashPolicies.CookieConfig.*", "cookie hash generation"),
    no("service-resolver.PrioritizeByLocality.*", "enterprise-only"),
    idle("service-resolver.Meta", FREE),

    yes("service-intentions.Name", "every_caller_is_judged_as_the_vectors_say"),
    later("service-intentions.JWT.*", "JWT verification"),
    yes("service-intentions.Sources.Name", "the_table_agrees_with_the_rules_read_word_by_word"),
    yes("service-intentions.Sources.Peer", "a_peered_caller_over_http_comes_through_the_own_gateway"),
    no("service-intentions.Sources.SamenessGroup", "enterprise-only"),
    yes("service-intentions.Sources.Action", "a_change_of_intention_acts_on_the_next_request_of_an_open_connection"),
    idle("service-intentions.Sources.Precedence", "computed, whatever is written"),
    idle("service-intentions.Sources.Type", "always `consul`; another one is refused"),
    idle("service-intentions.Sources.Description", "free text"),
    idle("service-intentions.Sources.LegacyID", "of entries from before Consul 1.9"),
    no("service-intentions.Sources.LegacyMeta", "bad-source"),
    idle("service-intentions.Sources.LegacyCreateTime", "of entries from before Consul 1.9"),
    idle("service-intentions.Sources.LegacyUpdateTime", "of entries from before Consul 1.9"),
    yes("service-intentions.Sources.Permissions.Action", "a_verdict_can_be_read"),
    yes("service-intentions.Sources.Permissions.HTTP.PathExact", "every_caller_is_judged_as_the_vectors_say"),
    yes("service-intentions.Sources.Permissions.HTTP.PathPrefix", "an_explanation_names_the_permission_that_decides"),
    yes("service-intentions.Sources.Permissions.HTTP.PathRegex", "a_whole_match_covers_all_alternatives"),
    yes("service-intentions.Sources.Permissions.HTTP.Header.*", "headers_are_compared_as_documented"),
    yes("service-intentions.Sources.Permissions.HTTP.Methods", "every_caller_is_judged_as_the_vectors_say"),
    idle("service-intentions.Meta", FREE),

    yes("ingress-gateway.Name", "g3_intentions_apply_to_the_gateway"),
    later("ingress-gateway.TLS.*", "TLS settings of ingress listeners"),
    yes("ingress-gateway.Listeners.Port", "g1_the_page_and_its_birds_come_through_the_gateway"),
    yes("ingress-gateway.Listeners.Protocol", "g1_the_page_and_its_birds_come_through_the_gateway"),
    later("ingress-gateway.Listeners.TLS.*", "TLS settings of ingress listeners"),
    yes("ingress-gateway.Listeners.Services.Name", "g1_the_page_and_its_birds_come_through_the_gateway"),
    yes("ingress-gateway.Listeners.Services.Hosts", "g2_hosts_are_known_with_and_without_a_port_in_any_case_and_others_get_a_404"),
    later("ingress-gateway.Listeners.Services.TLS.*", "TLS settings of ingress listeners"),
    later("ingress-gateway.Listeners.Services.RequestHeaders.*", "gateway header edits"),
    later("ingress-gateway.Listeners.Services.ResponseHeaders.*", "gateway header edits"),
    yes("ingress-gateway.Listeners.Services.*", "an_ingress_gateway_sets_limits_and_ejection_of_what_it_exposes"),
    yes("ingress-gateway.Defaults.*", "an_ingress_gateway_sets_limits_and_ejection_of_what_it_exposes"),
    idle("ingress-gateway.Meta", FREE),

    later("jwt-provider.*", "JWT verification"),
    yes("jwt-provider.Name", "a_provider_without_an_entry_is_a_problem_and_satisfies_nothing"),
    yes("jwt-provider.Issuer", "claims_are_walked_by_key_and_lists_may_contain_the_value"),
    idle("jwt-provider.Meta", FREE),

    idle("mesh.TransparentProxy.*", "a transparent proxy has no meaning in process"),
    later("mesh.AllowEnablingPermissiveMutualTLS", "permissive mutual TLS"),
    idle("mesh.ValidateClusters", "every reference is checked when entries compile"),
    yes("mesh.TLS.*", "a_mesh_entry_widens_and_narrows_the_versions"),
    yes("mesh.HTTP.SanitizeXForwardedClientCert", "what_a_callee_takes_on_comes_from_its_own_entries"),
    yes("mesh.HTTP.Incoming.RequestNormalization.InsecureDisablePathNormalization", "every_caller_is_judged_as_the_vectors_say"),
    yes("mesh.HTTP.Incoming.RequestNormalization.MergeSlashes", "slashes_are_merged_where_asked"),
    yes("mesh.HTTP.Incoming.RequestNormalization.PathWithEscapedSlashesAction", "escaped_slashes_are_treated_as_asked"),
    yes("mesh.HTTP.Incoming.RequestNormalization.HeadersWithUnderscoresAction", "headers_with_underscores_are_treated_as_asked"),
    idle("mesh.Peering.*", PEERS),
    idle("mesh.Meta", FREE),

    yes("mesh-policy.Name", "a_mesh_policy_fills_what_other_entries_leave_open"),
    yes("mesh-policy.Timeouts.PerTry", "an_attempt_over_its_time_is_dropped_and_repeated"),
    idle("mesh-policy.Timeouts.ConnectionIdle", "idle connections are closed after their fixed time"),
    yes("mesh-policy.Retries.*", "a_mesh_policy_fills_what_other_entries_leave_open"),
    yes("mesh-policy.Retries.Methods", "what_may_not_be_repeated_is_not_unless_the_application_says_so"),
    yes("mesh-policy.Retries.Budget.*", "in_any_window_retries_are_within_the_share_plus_the_reserve"),
    yes("mesh-policy.Retries.BodyLimitBytes", "a_body_over_the_cap_is_sent_once"),
    yes("mesh-policy.Retries.RedrawLeg", "where_it_may_a_further_attempt_draws_a_leg_and_has_its_headers"),
    yes("mesh-policy.Retries.AvoidTried", "a_further_attempt_goes_to_an_endpoint_not_tried_yet"),
    later("mesh-policy.Hedging.*", "hedging"),
    yes("mesh-policy.Balancing.Policy", "a_mesh_policy_fills_what_other_entries_leave_open"),
    later("mesh-policy.Balancing.SlowStart", "slow start"),
    later("mesh-policy.Balancing.PanicThreshold", "panic threshold"),
    later("mesh-policy.Split.StickyBy.*", "stickiness"),
    later("mesh-policy.Split.SkipEmptyLegs", "stickiness"),
    yes("mesh-policy.Ejection.ConsecutiveErrors", "a_mesh_policy_fills_what_other_entries_leave_open"),
    later("mesh-policy.Ejection.SuccessRate.*", "ejection by comparison"),
    later("mesh-policy.Ejection.FailurePercent.*", "ejection by comparison"),
    later("mesh-policy.Limits.Adaptive.*", "adaptive limits"),
    yes("mesh-policy.Limits.Inbound.MaxInFlight", "the_inbound_limit_can_change_while_serving"),
    later("mesh-policy.Limits.Inbound.PerCaller.*", "local rate limits"),
    yes("mesh-policy.Deadline.Header", "what_a_callee_takes_on_comes_from_its_own_entries"),
    yes("mesh-policy.Deadline.RefuseLate", "late_work_is_refused_without_running_it"),
    later("mesh-policy.Tracing.*", "tracing by policy; the process's own settings hold until then"),
    later("mesh-policy.AccessLog.*", "access logs"),
    later("mesh-policy.Faults.*", "faults"),
    later("mesh-policy.Shadow.*", "shadow"),

    yes("service.name", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.id", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.kind", "every_selector_has_a_value_of_its_type"),
    yes("service.address", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.port", "subsets_take_the_instances_that_filter_and_checks_select"),
    idle("service.socket_path", "only filters see it: sockets are not dialled"),
    yes("service.tags", "every_vector_is_answered_as_consul_does"),
    yes("service.meta", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.tagged_addresses.*", "another_datacenter_is_dialled_by_its_wan_address"),
    yes("service.weights.passing", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.weights.warning", "weights_are_cut_at_128_and_critical_is_out"),
    yes("service.enable_tag_override", "every_selector_has_a_value_of_its_type"),
    idle("service.token", "nothing is registered with an agent"),
    yes("service.check.*", "r1_a_closed_port_takes_an_instance_out_within_an_interval_and_an_open_one_brings_it_back"),
    idle("service.check.id", "named in the list of checks"),
    idle("service.check.name", "named in the list of checks"),
    idle("service.check.notes", "free text"),
    yes("service.check.status", "subsets_take_the_instances_that_filter_and_checks_select"),
    yes("service.check.http", "the_status_class_of_an_http_answer_decides"),
    yes("service.check.method", "the_status_class_of_an_http_answer_decides"),
    yes("service.check.header", "the_status_class_of_an_http_answer_decides"),
    yes("service.check.body", "the_status_class_of_an_http_answer_decides"),
    idle("service.check.disable_redirects", "redirects are never followed"),
    idle("service.check.tls_skip_verify", "checks that speak TLS are not carried out"),
    idle("service.check.tls_server_name", "checks that speak TLS are not carried out"),
    no("service.check.tcp_use_tls", "not-supported"),
    no("service.check.udp", "not-supported"),
    no("service.check.grpc", "not-supported"),
    no("service.check.grpc_use_tls", "not-supported"),
    no("service.check.h2ping", "not-supported"),
    no("service.check.h2ping_use_tls", "not-supported"),
    no("service.check.args", "not-supported"),
    no("service.check.docker_container_id", "not-supported"),
    no("service.check.shell", "not-supported"),
    no("service.check.ttl", "not-supported"),
    no("service.check.os_service", "not-supported"),
    no("service.check.alias_service", "not-supported"),
    no("service.check.alias_node", "not-supported"),
    yes("service.check.interval", "a_check_is_probed_at_once_and_then_once_per_interval"),
    yes("service.check.timeout", "a_probe_that_hangs_is_critical_after_its_timeout"),
    idle("service.check.output_max_size", "the output is always short"),
    yes("service.check.success_before_passing", "the_first_result_acts_at_once_and_later_ones_obey_the_thresholds"),
    yes("service.check.failures_before_warning", "the_first_result_acts_at_once_and_later_ones_obey_the_thresholds"),
    yes("service.check.failures_before_critical", "the_first_result_acts_at_once_and_later_ones_obey_the_thresholds"),
    idle("service.check.deregister_critical_service_after", "files decide what is registered"),
    yes("service.connect.native", "every_selector_has_a_value_of_its_type"),
    idle("service.connect.sidecar_service.*", NO_PROXY),
    yes("service.proxy.config", "o2_every_service_exposes_valid_metrics_on_an_address_of_its_own"),
    yes("service.proxy.upstreams.destination_name", "t11_a_program_that_cannot_be_changed_calls_its_upstream_on_the_loopback"),
    idle("service.proxy.upstreams.destination_peer", PEERS),
    idle("service.proxy.upstreams.destination_type", "only services are called"),
    idle("service.proxy.upstreams.datacenter", "a redirect of the resolver leads to another datacenter"),
    yes("service.proxy.upstreams.local_bind_address", "t11_a_program_that_cannot_be_changed_calls_its_upstream_on_the_loopback"),
    yes("service.proxy.upstreams.local_bind_port", "t11_a_program_that_cannot_be_changed_calls_its_upstream_on_the_loopback"),
    idle("service.proxy.upstreams.local_bind_socket_path", "loopback ports only"),
    idle("service.proxy.upstreams.local_bind_socket_mode", "loopback ports only"),
    idle("service.proxy.upstreams.mesh_gateway", NO_GATEWAYS),
    idle("service.proxy.upstreams.config", "use `UpstreamConfig` of service-defaults"),
    idle("service.proxy.local_service_address", "the application is in the same process"),
    yes("service.proxy.local_service_port", "a_check_of_another_port_is_told"),
    idle("service.proxy.*", NO_PROXY),
    later("service.locality.*", "locality"),

    yes("mesh.hcl.default_intention_policy", "s5_the_policy_by_default_is_one_setting_that_has_to_be_there"),
    yes("mesh.hcl.datacenter", "a_redirect_keeps_the_datacenter_reached_so_far"),
    yes("mesh.hcl.trust_domain", "a_trust_domain_is_made_once"),
    yes("mesh.hcl.certificates.source", "s3_a_service_is_its_identity_and_not_its_address"),
    yes("mesh.hcl.certificates.files.*", "files_are_read_again_and_a_broken_one_keeps_the_old_leaf"),
    no("mesh.hcl.certificates.spire.*", "not-supported"),
    yes("mesh.hcl.admin.bind", "only_its_own_paths_are_answered"),
    yes("mesh.hcl.tracing.zipkin", "a_server_span_is_exact_zipkin_json"),
    idle("mesh.hcl.tracing.otlp", "spans are sent as Zipkin's JSON only"),
    idle("mesh.hcl.cache.path", "the directory itself is the last good configuration"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use mesh_core::config::{Category, fields};

    use super::*;

    #[test]
    fn every_field_has_a_status() {
        let without: Vec<String> = fields::all()
            .into_iter()
            .filter(|field| !field.is_block && of(&field.path).is_none())
            .map(|field| field.path)
            .collect();
        assert!(without.is_empty(), "{without:#?}");
    }

    #[test]
    fn every_status_is_of_a_field() {
        let fields = fields::all();
        let is_field = |path: &str| {
            fields.iter().any(|field| match path.strip_suffix(".*") {
                // `Subsets.*.Filter` has a star of its own; `Block.*` stands for what is below.
                Some(block) => field
                    .path
                    .strip_prefix(block)
                    .is_some_and(|rest| rest.starts_with('.')),
                None => field.path == path && !field.is_block,
            })
        };
        let strangers: Vec<&str> = STATUSES
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| !is_field(path))
            .collect();
        assert!(strangers.is_empty(), "{strangers:#?}");
        let paths: BTreeSet<&str> = STATUSES.iter().map(|(path, _)| *path).collect();
        assert_eq!(paths.len(), STATUSES.len(), "a path has two statuses");
        for (block, same) in ALIKE {
            let below = |block: &str| -> Vec<String> {
                let paths = fields
                    .iter()
                    .filter_map(|field| field.path.strip_prefix(block));
                paths
                    .filter(|rest| rest.starts_with('.'))
                    .map(str::to_owned)
                    .collect()
            };
            assert_eq!(below(block), below(same), "{block}");
        }
    }

    #[test]
    fn every_honoured_field_names_a_test_that_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut tests = BTreeSet::new();
        for folder in [
            "src",
            "tests",
            "examples",
            "mesh-core",
            "mesh-tls",
            "mesh-split",
            "mesh-retry",
            "mesh-observe",
        ] {
            collect(&root.join(folder), &mut tests);
        }
        assert!(tests.len() > 300);
        let missing: BTreeSet<&str> = STATUSES
            .iter()
            .filter_map(|(_, status)| match status {
                Status::Honoured(test) if !tests.contains(*test) => Some(*test),
                _ => None,
            })
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    /// Names of the functions that are marked as tests.
    fn collect(path: &Path, tests: &mut BTreeSet<String>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                collect(&entry.unwrap().path(), tests);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                let name = line
                    .strip_prefix("async fn ")
                    .or_else(|| line.strip_prefix("fn "));
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    marked = true;
                } else if let (true, Some(name)) = (marked, name) {
                    tests.extend(name.split(['(', '<']).next().map(str::to_owned));
                    marked = false;
                }
            }
        }
    }

    #[test]
    fn every_refusal_has_a_category_and_every_plan_an_area() {
        for (path, status) in STATUSES {
            match status {
                Status::Refused(category) => assert!(Category::parse(category).is_some(), "{path}"),
                Status::Honoured(detail) | Status::NoEffect(detail) | Status::Planned(detail) => {
                    assert!(!detail.is_empty(), "{path}");
                }
            }
        }
    }
}

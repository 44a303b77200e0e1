//! The ports of the demo: who needs which, how it is changed, and whether it is free.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// The gateway's door to the outside, in plaintext.
    Gateway,
    /// The gateway as a member of the mesh.
    GatewayMesh,
    /// The frontend.
    Frontend,
    /// The backend, version 1.
    BackendV1,
    /// The backend, version 2.
    BackendV2,
    /// Where the frontend's program would find the backend if it could not be changed.
    Upstream,
    /// The gateway's metrics.
    MetricsGateway,
    /// The frontend's metrics.
    MetricsFrontend,
    /// The metrics of version 1.
    MetricsBackendV1,
    /// The metrics of version 2.
    MetricsBackendV2,
}

impl Port {
    /// Every port, in the order of the help text.
    pub(crate) const ALL: [Self; 10] = [
        Self::Gateway,
        Self::GatewayMesh,
        Self::Frontend,
        Self::BackendV1,
        Self::BackendV2,
        Self::Upstream,
        Self::MetricsGateway,
        Self::MetricsFrontend,
        Self::MetricsBackendV1,
        Self::MetricsBackendV2,
    ];

    /// The command line option that sets it, its default, and who listens there.
    const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Gateway => ("--gateway-port", 8080, "the gateway's front door"),
            Self::GatewayMesh => ("--gateway-mesh-port", 20000, "the gateway inside the mesh"),
            Self::Frontend => ("--frontend-port", 6060, "the frontend"),
            Self::BackendV1 => ("--backend-v1-port", 7000, "the backend, version 1"),
            Self::BackendV2 => ("--backend-v2-port", 7001, "the backend, version 2"),
            Self::Upstream => ("--upstream-port", 6001, "the frontend's way to the backend"),
            Self::MetricsGateway => ("--metrics-gateway", 20203, "metrics of the gateway"),
            Self::MetricsFrontend => ("--metrics-frontend", 20200, "metrics of the frontend"),
            Self::MetricsBackendV1 => ("--metrics-backend-v1", 20201, "metrics of backend v1"),
            Self::MetricsBackendV2 => ("--metrics-backend-v2", 20202, "metrics of backend v2"),
        }
    }

    /// The option that sets it.
    pub(crate) const fn flag(self) -> &'static str {
        self.facts().0
    }

    /// Its number unless an option says otherwise.
    pub(crate) const fn default(self) -> u16 {
        self.facts().1
    }

    /// Who listens there.
    pub(crate) const fn user(self) -> &'static str {
        self.facts().2
    }

    /// Its placeholder in the files of the mesh directory.
    pub(crate) fn placeholder(self) -> String {
        let name = self.flag().trim_start_matches('-').replace('-', "_");
        format!("@{name}@")
    }
}

/// The number of every port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports([u16; Port::ALL.len()]);

impl Default for Ports {
    fn default() -> Self {
        Self(Port::ALL.map(Port::default))
    }
}

impl Ports {
    /// The number of one port.
    pub(crate) const fn of(&self, port: Port) -> u16 {
        self.0[port as usize]
    }

    /// Sets the number of one port.
    pub(crate) const fn set(&mut self, port: Port, number: u16) {
        self.0[port as usize] = number;
    }

    /// The options that differ from the defaults, as they are written on a command line.
    pub(crate) fn changed(&self) -> Vec<String> {
        Port::ALL
            .into_iter()
            .filter(|port| self.of(*port) != port.default())
            .flat_map(|port| [port.flag().to_owned(), self.of(port).to_string()])
            .collect()
    }

    /// Checks that every port can be had, so that nothing starts if something could not.
    ///
    /// # Errors
    ///
    /// Tells the first port that is taken or named twice, who needs it, and the option that changes it.
    pub(crate) fn check_free(&self) -> Result<(), String> {
        let mut users: HashMap<u16, Port> = HashMap::new();
        for port in Port::ALL {
            let number = self.of(port);
            if let Some(other) = users.insert(number, port) {
                return Err(format!(
                    "port {number} is given to both {} ({}) and {} ({}); change one of them",
                    other.user(),
                    other.flag(),
                    port.user(),
                    port.flag()
                ));
            }
            if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
                return Err(format!(
                    "port {number} is needed for {} and cannot be had: {error}\n\
                     Stop what listens there, or choose another with {} PORT",
                    port.user(),
                    port.flag()
                ));
            }
        }
        Ok(())
    }
}

/// Whether nobody listens on a port of the loopback address.
pub(crate) fn is_free(number: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine ports that were free a moment ago.
    fn free() -> Ports {
        let listeners = Port::ALL.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        Ports(listeners.map(|listener| listener.local_addr().unwrap().port()))
    }

    #[test]
    fn a_busy_port_is_named_with_its_user_and_its_option() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let mut ports = free();
        ports.set(Port::BackendV1, number);
        let error = ports.check_free().unwrap_err();
        assert!(error.contains(&format!("port {number}")), "{error}");
        assert!(error.contains("the backend, version 1"), "{error}");
        assert!(error.contains("--backend-v1-port"), "{error}");
    }

    #[test]
    fn one_number_cannot_serve_two() {
        let mut ports = free();
        ports.set(Port::MetricsGateway, ports.of(Port::Frontend));
        let error = ports.check_free().unwrap_err();
        assert!(error.contains("--frontend-port") && error.contains("--metrics-gateway"));
    }

    #[test]
    fn only_changed_ports_are_repeated() {
        let mut ports = Ports::default();
        assert!(ports.changed().is_empty());
        ports.set(Port::Frontend, 6061);
        assert_eq!(ports.changed(), ["--frontend-port", "6061"]);
        assert_eq!(Port::MetricsBackendV2.placeholder(), "@metrics_backend_v2@");
    }

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, port) in Port::ALL.into_iter().enumerate() {
            assert_eq!(port as usize, index);
        }
    }
}

//! The seam for sockets, TLS, the in-memory and the simulated network.

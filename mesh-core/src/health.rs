//! Active health checks as small state machines and one scheduler.

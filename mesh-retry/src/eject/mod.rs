//! Passive health: takes an endpoint out for a while after failures in a row (Envoy's outlier detection).
//!
//! 1. A failure is a status of 500 or above, a gRPC status that maps to one, or no response at all: connect failure,
//!    reset, time-out of the attempt. An attempt that its caller gave up is none. A success resets the count.
//! 2. `consecutive_failures` in a row eject with a probability of `enforcing_percent`, for `base` times the number
//!    of ejections so far, at most `max` (or `base`, if that is longer). The number falls by one for every healthy
//!    `interval` after the endpoint's return.
//! 3. No more than `max_ejection_percent` of a target's instances are out at a time. Where that was not set, the
//!    first ejection is always allowed while another usable endpoint remains, so that the default of 10 % means
//!    something with fewer than ten instances, and the last usable endpoint is never ejected.
//! 4. Ejections end with their time; whoever picks endpoints looks at
//!    [`EndpointState::is_ejected`](mesh_core::endpoint::EndpointState::is_ejected).
//! 5. The attempt's outcome is noted in [`Outbound`](mesh_core::context::Outbound).
//!
//! An outcome costs one load and, where something changes, one compare-and-swap. Only when an endpoint reaches the
//! threshold or returns are the target's endpoints looked through; `TargetState::ejected` is set to what is found.
//! It is derived, not counted up and down, so that an endpoint which leaves the set while ejected, or belongs to two
//! targets, can not make it drift. [`sweep`] sets it between events.
//!
//! Success-rate and failure-percentage ejection are not implemented.
//!
//! Place: innermost but for observation and the endpoint client. Without an endpoint in `Outbound` the layer only
//! notes outcomes.

mod apply;
mod future;
mod layer;
mod observe;

pub use apply::{apply, sweep};
pub use future::ResponseFuture;
pub use layer::{Eject, EjectLayer};
pub use observe::{Ejection, Facts, grpc_to_http, is_failure, observe, settle};

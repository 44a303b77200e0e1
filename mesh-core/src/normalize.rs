//! Normalisation of an inbound request's path and headers.

//! The boolean expression language of resolver subsets.

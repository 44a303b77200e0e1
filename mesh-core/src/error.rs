//! The error of the client side: who is to blame.

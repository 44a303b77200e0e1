//! The one boxed body of the client side.

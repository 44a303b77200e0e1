//! The table form in which every kind is written: Rust field, type, Consul's name and alias.

/// Declares a record: the plain struct, how it is decoded and how it is printed, all from one table.
///
/// Every record has an `origin`, the place it was read from. A field reads `pub name: Type = "Name" | "alias"`;
/// without an alias only the name (in any case) is a key.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident : $ty:ty = $key:literal $(| $alias:literal)? , )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            /// Where it was read from.
            pub origin: $crate::config::Origin,
            $( $(#[$field_meta])* pub $field: $ty, )*
        }
    )*};
}

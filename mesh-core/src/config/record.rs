//! The table form in which every kind is written: Rust field, type, Consul's name and alias.

/// Declares records: the plain struct, how it is decoded and how it is printed, all from one table.
///
/// Every record has an `origin`, the place it was read from. A field reads `pub name: Type = "Name" | "alias"`;
/// without an alias only the name (in any case) is a key.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* pub $field:ident : $ty:ty = $key:literal $(| $alias:literal)? , )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            /// Where it was read from.
            pub origin: $crate::config::Origin,
            $( $(#[doc = $doc])* pub $field: $ty, )*
        }

        impl $crate::config::decode::Record for $name {
            const NAME: &'static str = stringify!($name);
            const FIELDS: &'static [$crate::config::decode::Field] = &[
                $( $crate::config::decode::Field {
                    name: $key,
                    alias: concat!($($alias)?),
                    ty: stringify!($ty),
                    doc: concat!($($doc),*),
                }, )*
            ];
        }

        impl $crate::config::decode::Decode for $name {
            fn decode(value: &$crate::config::value::Value<'_>, cx: &mut $crate::config::decode::Decoder) -> Self {
                let mut record = Self { origin: cx.origin(value.span), ..Self::default() };
                let mut slots = cx.slots::<Self>(value).into_iter();
                $( cx.fill($key, slots.next().flatten(), &mut record.$field); )*
                record
            }
        }

        impl $crate::config::canon::Canon for $name {
            fn is_zero(&self) -> bool {
                true $( && $crate::config::canon::Canon::is_zero(&self.$field) )*
            }

            fn to_json(&self) -> serde_json::Value {
                let mut object = serde_json::Map::new();
                $( $crate::config::canon::put(&mut object, $key, &self.$field); )*
                serde_json::Value::Object(object)
            }
        }
    )*

        /// The tables of this module's records.
        pub(super) const RECORDS: &[(&str, &[$crate::config::decode::Field])] = &[
            $( (
                <$name as $crate::config::decode::Record>::NAME,
                <$name as $crate::config::decode::Record>::FIELDS,
            ), )*
        ];
    };
}

//! Pages of the second generation's lists, which come in two styles (contract section 1.2 of the second generation).

use serde::{Deserialize, Deserializer};

/// One of the two arrays of a page. `null` is one with nothing in it.
#[derive(Default)]
pub(super) enum Array<T> {
    #[default]
    Absent,
    Present(Vec<T>),
}

impl<T> Array<T> {
    /// Returns what this array has, or else the other; `None` where both are absent.
    pub(super) fn or(self, other: Self) -> Option<Vec<T>> {
        match (self, other) {
            (Self::Absent, Self::Absent) => None,
            (Self::Present(items), Self::Absent) | (Self::Absent, Self::Present(items)) => Some(items),
            (Self::Present(items), Self::Present(others)) => Some(if items.is_empty() { others } else { items }),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items: Option<Vec<T>> = Option::deserialize(deserializer)?;
        Ok(Self::Present(items.unwrap_or_default()))
    }
}

/// Makes the body of a page whose objects stand under a key of their own, and under `items` in the newer style.
///
/// Reading takes whichever array there is, and refuses a page that has neither; writing writes both, so that clients of
/// either style understand it.
macro_rules! page {
    ($(#[$meta:meta])* $name:ident { $(#[$doc:meta])* $items:ident: $object:ty }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $(#[$doc])*
            pub $items: Vec<$object>,
            /// The offset of the next page, 0 when this is the last; by older servers, an offset not to be relied on.
            pub offset: u64,
            /// What to ask for the next page with, in the newer style; `None` when this is the last, and by servers
            /// that know only offsets.
            pub next_cursor: Option<String>,
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct as _;
                let mut page = serializer.serialize_struct(stringify!($name), 4)?;
                page.serialize_field(stringify!($items), &self.$items)?;
                page.serialize_field("items", &self.$items)?;
                page.serialize_field("offset", &self.offset)?;
                page.serialize_field("next_cursor", &self.next_cursor)?;
                page.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct Page {
                    #[serde(default)]
                    $items: crate::wire::page::Array<$object>,
                    #[serde(default)]
                    items: crate::wire::page::Array<$object>,
                    offset: Option<u64>,
                    next_cursor: Option<String>,
                }
                let page = Page::deserialize(deserializer)?;
                let array = page.$items.or(page.items);
                Ok(Self {
                    $items: array.ok_or_else(|| serde::de::Error::missing_field(stringify!($items)))?,
                    offset: page.offset.unwrap_or_default(),
                    next_cursor: page.next_cursor,
                })
            }
        }
    };
}

pub(super) use page;

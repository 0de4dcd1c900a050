//! What the kinds of objects have in common on the wire.

use serde::de::DeserializeOwned;

use super::error::{Detail, Mapped, Resource};
use super::request::Operation;
use crate::wire::Extra;

/// A kind of object: where it is, and what answers mean for it in particular.
pub(super) trait Object: DeserializeOwned + Send + 'static {
    /// The kind.
    const RESOURCE: Resource;
    /// The route of all objects of the kind.
    const COLLECTION: &'static str;
    /// The route of one object.
    const ITEM: &'static str;

    /// The body of a page of the list.
    type List: DeserializeOwned;

    /// Returns the objects of a page and the `offset` that it carries.
    fn unpack(list: Self::List) -> (Vec<Self>, u64);

    /// Returns the id, which objects older than ids have not got.
    fn id(&self) -> Option<&str>;

    /// Returns the name.
    fn name(&self) -> &str;

    /// Returns what an answer means where that differs from the other kinds.
    fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped>;
}

/// Returns whether no further field of an object contradicts what was asked for. A server need not give back a field
/// that it does not know.
pub(super) fn has_extra(found: &Extra, asked: &Extra) -> bool {
    asked.iter().all(|(key, value)| found.get(key).is_none_or(|found| found == value))
}

/// Implements [`Object`] for a wire type, with the parts that are the same but for names.
macro_rules! object {
    ($object:ty, $resource:ident, $list:ty, $items:ident, $collection:path, $item:path, $rules:path) => {
        impl crate::client::object::Object for $object {
            const RESOURCE: crate::client::Resource = crate::client::Resource::$resource;
            const COLLECTION: &'static str = $collection;
            const ITEM: &'static str = $item;

            type List = $list;

            fn unpack(list: Self::List) -> (Vec<Self>, u64) {
                (list.$items, list.offset)
            }

            fn id(&self) -> Option<&str> {
                self.id.as_ref().map(|id| id.as_str())
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn rules(
                operation: &crate::client::request::Operation,
                status: u16,
                detail: &crate::client::error::Detail,
            ) -> Option<crate::client::error::Mapped> {
                $rules(operation, status, detail)
            }
        }
    };
}

pub(super) use object;

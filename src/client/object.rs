//! What the kinds of objects have in common on the wire.

use serde::de::DeserializeOwned;

use super::error::{Detail, Mapped, Resource};
use super::generation::Generation;
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
    /// The generation of the API that alone has these routes; `None` where both have.
    const GENERATION: Option<Generation> = None;

    /// The body of a page of the list.
    type List: DeserializeOwned;

    /// Returns a page as the same for all kinds.
    fn unpack(list: Self::List) -> Page<Self>;

    /// Returns the id, which objects older than ids have not got.
    fn id(&self) -> Option<&str>;

    /// Returns the name.
    fn name(&self) -> &str;

    /// Returns what an answer means where that differs from the other kinds.
    fn rules(operation: &Operation, status: u16, detail: &Detail) -> Option<Mapped>;
}

/// One page of a list.
pub(super) struct Page<T> {
    /// The objects.
    pub(super) items: Vec<T>,
    /// The `offset` that it carries.
    pub(super) offset: u64,
    /// What the next page is asked for with, if the server pages by cursor.
    pub(super) next_cursor: Option<String>,
}

/// Returns whether no further field of an object contradicts what was asked for. A server need not give back a field
/// that it does not know.
pub(super) fn has_extra(found: &Extra, asked: &Extra) -> bool {
    asked.iter().all(|(key, value)| found.get(key).is_none_or(|found| found == value))
}

/// Implements [`Object`] for a wire type, with the parts that are the same but for names.
macro_rules! object {
    ($object:ty, $resource:ident, $list:ty, $items:ident, $collection:path, $item:path, $rules:path
     $(, only in $generation:ident)? $(, cursor in $cursor:ident)?) => {
        impl crate::client::object::Object for $object {
            $(const GENERATION: Option<crate::client::Generation> = Some(crate::client::Generation::$generation);)?
            const RESOURCE: crate::client::Resource = crate::client::Resource::$resource;
            const COLLECTION: &'static str = $collection;
            const ITEM: &'static str = $item;

            type List = $list;

            fn unpack(list: Self::List) -> crate::client::object::Page<Self> {
                let next_cursor: Option<String> = None;
                $(let next_cursor = next_cursor.or(list.$cursor);)?
                crate::client::object::Page { items: list.$items, offset: list.offset, next_cursor }
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

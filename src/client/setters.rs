//! The methods by which options are set, one after the other.

/// Writes the methods that set a field of the same name: to a value, to `Some` of one, or to `Some` of what becomes one.
///
/// ```text
/// setters! { impl Options {
///     /// Sets the size.
///     size = Some(ByteSize);
///     /// Sets the text.
///     text = Some(into String);
///     /// Sets whether to wait.
///     wait = bool;
/// } }
/// ```
macro_rules! setters {
    (impl $options:ty { $($setters:tt)* }) => {
        impl $options {
            setters! { $($setters)* }
        }
    };
    () => {};
    ($(#[$text:meta])* $field:ident = Some(into $type:ty); $($rest:tt)*) => {
        $(#[$text])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<$type>) -> Self {
            self.$field = Some($field.into());
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$text:meta])* $field:ident = Some($type:ty); $($rest:tt)*) => {
        $(#[$text])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = Some($field);
            self
        }
        setters! { $($rest)* }
    };
    ($(#[$text:meta])* $field:ident = $type:ty; $($rest:tt)*) => {
        $(#[$text])*
        #[must_use]
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field;
            self
        }
        setters! { $($rest)* }
    };
}

pub(super) use setters;

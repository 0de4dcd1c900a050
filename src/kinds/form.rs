//! What a nested value looks like: data from which its reader, its schema, its comparison and its form on the wire are made.

/// The form of a value that has parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text that is not empty, of at most so many characters.
    Text(usize),
    /// An absolute path, and not the root.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number between these two, both included.
    Number(u64, u64),
    /// `true` or `false`.
    Flag,
    /// A size in bytes.
    Size,
    /// A secret, or where it is.
    Secret(Secrecy),
    /// Values of one form by names of the user's own.
    Map(&'static Self),
    /// Values of one form, one after the other.
    List(&'static ListForm),
    /// Named parts.
    Object(&'static ObjectForm),
}

/// What may stand where a secret is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// A place, or a secret of the workspace: the server tells nobody what it is.
    Credential,
    /// That, or a text, which the server tells. It stands beside its name on the wire.
    Told,
    /// A place or a text, which is never given back.
    Variable,
}

/// The form of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct ListForm {
    /// The form of each item.
    pub of: Form,
    /// The member by which an item is known among the others; no two have the same.
    pub key: Option<&'static str>,
    /// Whether the order means something.
    pub is_ordered: bool,
    /// The fewest and the most items.
    pub count: (usize, usize),
}

/// The form of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct ObjectForm {
    /// What it is called, with its article.
    pub what: &'static str,
    /// Its members.
    pub members: &'static [Member],
    /// Sets of members of which one may be given.
    pub either: &'static [&'static [&'static str]],
}

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, in manifests and on the wire.
    pub name: &'static str,
    /// Its form.
    pub form: Form,
    /// Whether it has to be there.
    pub is_required: bool,
    /// Whether it stays as it was when the object was created.
    pub is_fixed: bool,
    /// A sentence about it.
    pub doc: &'static str,
}

impl Member {
    /// Returns a member that may be left out.
    pub(super) const fn new(name: &'static str, form: Form, doc: &'static str) -> Self {
        Self { name, form, is_required: false, is_fixed: false, doc }
    }

    /// Makes it one that has to be there.
    pub(super) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }

    /// Makes it one that cannot be changed.
    pub(super) const fn fixed(self) -> Self {
        Self { is_fixed: true, ..self }
    }
}

impl ObjectForm {
    /// Returns the member of this name.
    pub(super) fn member(&self, name: &str) -> Option<&'static Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Returns whether these two exclude each other.
    pub(super) fn excludes(&self, one: &str, other: &str) -> bool {
        one != other && self.either.iter().any(|set| set.contains(&one) && set.contains(&other))
    }
}

impl Form {
    /// Returns whether it is a single word or number, which servers fill in where it is left out.
    pub(super) fn is_single(self) -> bool {
        matches!(self, Self::Text(_) | Self::Path | Self::Choice(_) | Self::Number(..) | Self::Flag | Self::Size)
    }

    /// Returns what it is called, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Path => "an absolute path",
            Self::Choice(_) => "one of a few words",
            Self::Number(..) => "a whole number",
            Self::Flag => "true or false",
            Self::Size => "a quantity",
            Self::Secret(Secrecy::Credential) => "{env: NAME}, {file: PATH} or {workspace_secret: NAME}",
            Self::Secret(Secrecy::Told) => "a text, {env: NAME}, {file: PATH} or {workspace_secret: NAME}",
            Self::Secret(Secrecy::Variable) => "a text, {env: NAME} or {file: PATH}",
            Self::Map(Self::Secret(_)) => "a mapping of texts or secrets",
            Self::Map(_) => "a mapping of texts",
            Self::List(_) => "a list",
            Self::Object(object) => object.what,
        }
    }
}

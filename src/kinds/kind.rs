//! The trait that a kind implements, and what the engine knows of a live object. `erased.rs` has what the engine handles.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::erased::AnyKind;
use super::field::Field;
use super::mark::Mark;
use super::quota::Quota;
use super::secret::Secrets;
use super::spec::Spec;
use super::value::{Reference, Value};
use super::version::ApiVersion;
use crate::client::{Client, Error, Reader};
use crate::manifest::{Diagnostics, Node};
use crate::types::{Name, NameError, ObjectId, Timestamp};

/// A kind of object, typed: its spec, a rule for each field, what it refers to, its verbs.
///
/// Implementors are unit types. The verbs make exactly the calls they name; looking twice and waiting between tries is
/// the client's and the executor's business.
pub trait Kind: Send + Sync + 'static {
    /// What a manifest declares.
    type Spec: fmt::Debug + Clone + Send + Sync + 'static;
    /// An object as the server describes it.
    type Wire: Send;

    /// Names, texts and habits of the kind.
    const INFO: KindInfo;
    /// The fields of the spec, in the order in which they are shown.
    const FIELDS: &'static [Field];

    /// Reads the `spec` node of a manifest, reporting all that is wrong in it.
    fn decode(node: &Node, out: &mut Diagnostics) -> Option<Self::Spec>;

    /// Returns the value of each field, in the order of [`Kind::FIELDS`]; `None` where it is left out.
    ///
    /// Implementations take the spec apart with an exhaustive pattern, so that a field without a value does not compile.
    fn values(spec: &Self::Spec) -> Vec<Option<Value>>;

    /// Returns the spec that has these values, the inverse of [`Kind::values`]; `None` if one has the wrong type.
    fn from_values(values: &[Option<Value>]) -> Option<Self::Spec>;

    /// Checks the rules across objects that hold for `spec`, and says where in it they are broken.
    fn check(_spec: &Self::Spec, _others: &dyn Lookup) -> Vec<Violation> {
        Vec::new()
    }

    /// Checks that a live object can get these fields in place, `spec` being what is declared of it.
    fn check_update(_spec: &Self::Spec, _paths: &[&'static str]) -> Vec<Violation> {
        Vec::new()
    }

    /// Returns whether an update of the fields at the paths `changed` sends the value of this one.
    fn sends(path: &'static str, changed: &[&'static str]) -> bool {
        changed.contains(&path)
    }

    /// Checks that the server would make an object with this spec, with which it may have to get by where it is there already.
    fn check_create(_spec: &Self::Spec, _others: &dyn Lookup) -> Vec<Violation> {
        Vec::new()
    }

    /// Returns what to make in the place of another object. `settled` is what is declared with what it leaves alone as that
    /// one has it; what a server would not give to a new object is left to the server.
    fn renewed(_declared: &Self::Spec, settled: Self::Spec, _others: &dyn Lookup) -> Self::Spec {
        settled
    }

    /// Returns whether the server deletes an object with this spec by itself some day.
    fn ends(_spec: &Self::Spec) -> bool {
        false
    }

    /// Returns what an object with this spec takes of the workspace's quota, where `others` knows what it refers to.
    fn takes(spec: &Self::Spec, others: &dyn Lookup) -> Quota;

    /// Returns what it takes of the quota while it is made, which is no less than what it takes afterwards.
    fn takes_to_make(spec: &Self::Spec, others: &dyn Lookup) -> Quota {
        Self::takes(spec, others)
    }

    /// Reads a live object; a part that makes no sense (a size of `unknown`) is an error in words.
    fn project(wire: Self::Wire) -> Projection<Self::Spec>;

    /// Lists all live objects of the kind.
    fn list(reader: &Reader) -> impl Future<Output = Result<Vec<Self::Wire>, Error>> + Send;

    /// Reads one live object.
    fn get(reader: &Reader, name: &str) -> impl Future<Output = Result<Self::Wire, Error>> + Send;

    /// Creates an object and waits until it is ready.
    fn create(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &Self::Spec,
        options: CreateOptions,
    ) -> impl Future<Output = Result<Self::Wire, Error>> + Send;

    /// Brings the fields in `changes` to their new values, in place. `spec` is the whole of what it is then, for where the
    /// server takes fields only together.
    fn update(
        cx: VerbCx<'_>,
        name: &Name,
        spec: &Self::Spec,
        changes: &[(&'static str, Value)],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Gives the object another name.
    fn rename(client: &Client, name: &Name, new_name: &Name) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deletes the object.
    fn delete(client: &Client, name: &Name) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Names, texts and habits of a kind.
#[derive(Debug)]
pub struct KindInfo {
    /// The version of the manifests that it belongs to.
    pub api_version: ApiVersion,
    /// As manifests write it, such as `Pool`.
    pub kind: &'static str,
    /// As commands write one, such as `pool`.
    pub singular: &'static str,
    /// As commands write many, such as `pools`.
    pub plural: &'static str,
    /// Shorter forms that commands take too.
    pub short: &'static [&'static str],
    /// What its objects' names are like.
    pub naming: Naming,
    /// One or two sentences about it.
    pub doc: &'static str,
    /// Whether destroying an object of it loses data that nothing can make again. Such objects are kept when a
    /// manifest set is destroyed, unless they say `on_remove: delete`.
    pub holds_data: bool,
    /// Whether a new object, where another one is declared no longer, has to say if it is that one under another name:
    /// what the old one holds would not be in the new one.
    pub asks_if_renamed: bool,
    /// Whether an object lives on as it is when what it was made from is superseded, unless its manifest says
    /// otherwise.
    pub outlives_its_source: bool,
    /// Whether the server refuses to delete what an object refers to. Where it does not, the object stays and cannot be
    /// read whole any more, so that plans delete nothing that is referred to either way.
    pub holds_its_source: bool,
    /// Whether an object is built from something outside that may move on under its name ([`Live::build`]).
    pub is_built: bool,
    /// What `lifecycle` calls the choice of what happens then, such as `on_template_change`.
    pub on_superseded: &'static str,
    /// Whether objects may have a time to live.
    pub expires: bool,
    /// Whether what an object that failed holds can be reached again, by starting it once more.
    pub recovers: bool,
    /// Whether programs make objects for themselves, so that most are none that anybody declares.
    pub made_by_programs: bool,
    /// What is not known of an object that the server calls ready, if that matters when it takes another one's place.
    pub ready_caveat: Option<&'static str>,
    /// How long a create waits for the object to be ready when `lifecycle.timeout` does not say.
    pub ready_timeout: Duration,
    /// How long servers are known to be willing to wait, shortest and longest. They own the limit.
    pub ready_timeout_limits: (Duration, Duration),
}

/// What names are like, and what they are to the objects that have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A label ([`Name::parse`]) that belongs to one object and may be changed.
    Label,
    /// A pointer ([`Name::published`]): it cannot be changed, and making an object under a name that another one has
    /// moves it. That one is known by its id from then on, as `NAME@ID`.
    Published,
}

impl KindId {
    /// Reads the name of an object of this kind.
    ///
    /// # Errors
    ///
    /// [`NameError`] says why no object can have it.
    pub fn name(self, text: &str) -> Result<Name, NameError> {
        match self.info().naming {
            Naming::Label => Name::parse(text),
            Naming::Published => Name::published(text),
        }
    }
}

/// What a verb works with that makes or changes an object.
#[derive(Debug, Clone, Copy)]
pub struct VerbCx<'a> {
    /// The workspace.
    pub client: &'a Client,
    /// The secrets that the call takes of those that the spec names.
    pub secrets: &'a Secrets,
    /// What is to say on the server whose an object is that is made, if its kind has a place for that.
    pub mark: Option<&'a Mark>,
}

/// What a create needs beside the spec.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// How long to wait for the object to be ready; the kind's own default when absent.
    pub ready_timeout: Option<Duration>,
    /// Fields unknown to this version, carried over verbatim from the object that this one takes the place of.
    pub carry: serde_json::Map<String, serde_json::Value>,
}

/// A typed live object.
#[derive(Debug)]
pub struct Projection<S> {
    /// Its id, if the server gives one.
    pub id: Option<ObjectId>,
    /// Its name, as the server gives it.
    pub name: String,
    /// Its spec, if it can be read.
    pub spec: Result<S, Unreadable>,
    /// How it is doing.
    pub health: Health,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When the server will delete it by itself.
    pub expires_at: Option<Timestamp>,
    /// Whose it is, as its labels say.
    pub mark: Option<Mark>,
    /// What it was built from.
    pub build: Option<Build>,
    /// Fields that this version does not know.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// What an object was built from: a name that may stand for something else by now, and what it stood for then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The name. Two builds with one source would be the same now.
    pub source: Arc<str>,
    /// The digest of what it stood for.
    pub digest: Arc<str>,
}

/// What is known of a live object whose spec has a part that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Which part, and why.
    pub why: String,
    /// What it refers to all the same, and so keeps from being deleted.
    pub references: Vec<Reference>,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// How a live object is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Health {
    /// It has no status, or a good one.
    #[default]
    Good,
    /// It is well and does not run: somebody stopped it, or it was idle.
    Stopped,
    /// It is on its way; the text is the status.
    Pending(String),
    /// It failed, and does not recover by itself; the text is the server's.
    Failed(String),
}

/// A rule across objects that a spec breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field that is at fault, below `spec`.
    pub path: &'static str,
    /// What is wrong.
    pub message: String,
    /// What can be done about it.
    pub help: String,
    /// The object that the rule is about beside this one.
    pub other: Option<(KindId, Arc<str>, &'static str)>,
}

/// What is known of other objects when one is checked.
pub trait Lookup {
    /// Returns the spec of the object of that name, if it is known.
    fn spec(&self, kind: KindId, name: &str) -> Option<&Spec>;
}

/// A kind, known at run time: an entry of [`super::ALL`].
///
/// It dereferences to the kind's erased verbs and data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub(super) u8);

impl Deref for KindId {
    type Target = dyn AnyKind;

    fn deref(&self) -> &Self::Target {
        super::ALL[usize::from(self.0)]
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.info().kind)
    }
}

impl fmt::Debug for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().kind)
    }
}

/// An object's kind and name: what a manifest identifies it by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: KindId,
    /// The name.
    pub name: Name,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.info().singular, self.name)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A live object of any kind.
#[derive(Debug, Clone)]
pub struct Live {
    /// Its kind and name.
    pub key: Key,
    /// Its id, if the server gives one.
    pub id: Option<ObjectId>,
    /// Its spec, if it can be read.
    pub spec: Result<Spec, Unreadable>,
    /// How it is doing.
    pub health: Health,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When the server will delete it by itself.
    pub expires_at: Option<Timestamp>,
    /// Whose it is, as it says itself.
    pub mark: Option<Mark>,
    /// What it was built from, if that may move on.
    pub build: Option<Build>,
    /// Fields that this version does not know.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

impl Live {
    /// Returns what the object refers to, and so keeps from being deleted, also if its spec cannot be read.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        let of_unreadable = self.spec.as_ref().err().into_iter().flat_map(|unreadable| &unreadable.references);
        self.spec.iter().flat_map(Spec::references).chain(of_unreadable)
    }
}

/// A live object that cannot be handled, since its name is none that the API could have given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misnamed {
    /// Its kind.
    pub kind: KindId,
    /// What the server calls it.
    pub name: String,
}

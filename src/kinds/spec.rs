//! The spec of an object whose kind is known only at run time.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::field::Absent;
use super::kind::{Kind, KindId, Lookup};
use super::secret::SecretRef;
use super::value::{Reference, Value};

/// The spec of an object of any kind: its values for comparing, and the typed spec for its kind's verbs.
///
/// Equality is that of the values, by meaning. Cloning is cheap.
#[derive(Clone)]
pub struct Spec {
    kind: KindId,
    values: Arc<[Option<Value>]>,
    typed: Arc<dyn Any + Send + Sync>,
}

impl Spec {
    pub(super) fn new<K: Kind>(spec: K::Spec) -> Self {
        Self { kind: super::id_of::<K>(), values: K::values(&spec).into(), typed: Arc::new(spec) }
    }

    /// Returns the kind of the object.
    pub fn kind(&self) -> KindId {
        self.kind
    }

    /// Returns the value of each field, in the order of the kind's fields; `None` where it is left out.
    pub fn values(&self) -> &[Option<Value>] {
        &self.values
    }

    /// Returns the typed spec, or `None` if it is of another kind.
    pub fn downcast<S: 'static>(&self) -> Option<&S> {
        self.typed.downcast_ref()
    }

    pub(super) fn typed<K: Kind>(&self) -> &K::Spec {
        self.downcast().expect("a spec is handed only to the kind that made it")
    }

    /// Returns what this spec refers to.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.values.iter().flatten().flat_map(Value::references)
    }

    /// Returns whether it asks the server to delete the object by itself some day.
    pub fn ends(&self) -> bool {
        self.kind.ends(self)
    }

    /// Returns the spec to make an object from: ranges settled, and what is left alone taken over from the object whose
    /// place it takes, if there is one.
    #[must_use]
    pub fn settled(&self, live: Option<&Self>) -> Self {
        self.map(|index, field_absent, value| {
            let live = live.and_then(|live| live.values[index].as_ref());
            match value {
                Some(value) => Some(value.settled(live)),
                None if field_absent == Absent::LeaveAlone => live.cloned(),
                None => None,
            }
        })
    }

    /// Returns the spec to make an object from in the place of `replaced`, where `others` knows what it refers to: as
    /// [`Spec::settled`] has it, but for what the server would refuse to take over.
    #[must_use]
    pub fn renewed(&self, replaced: &Self, others: &dyn Lookup) -> Self {
        self.kind.renewed(self, self.settled(Some(replaced)), others)
    }

    /// Returns this spec with these fields left out, each of which can be.
    #[must_use]
    pub fn without(&self, paths: &[&'static str]) -> Self {
        let fields = self.kind.fields();
        self.map(|index, _, value| value.filter(|_| !paths.contains(&fields[index].path)).cloned())
    }

    /// Returns the values of a live object that this spec leaves alone.
    pub fn left_alone_of<'a>(&'a self, live: &'a Self) -> impl Iterator<Item = &'a Value> {
        let fields = self.kind.fields().iter().zip(self.values.iter()).zip(live.values.iter());
        let left_alone = fields.filter(|((field, value), _)| value.is_none() && field.absent == Absent::LeaveAlone);
        left_alone.filter_map(|(_, live)| live.as_ref())
    }

    /// Returns this spec as a server gives it back: without what it never tells.
    #[must_use]
    pub fn read_back(&self) -> Self {
        let fields = self.kind.fields();
        self.map(|index, _, value| value.filter(|_| fields[index].change.is_told()).map(Value::read_back))
    }

    /// Returns this spec with what is never read back as another spec of its kind has it.
    #[must_use]
    pub fn with_unreadable_of(&self, other: &Self) -> Self {
        let fields = self.kind.fields();
        self.map(|index, _, value| match (other.values[index].as_ref(), value) {
            (of_other, _) if !fields[index].change.is_told() => of_other.cloned(),
            // Where its secrets are is not read back either.
            (Some(of_other @ Value::Nested(_)), Some(value)) if of_other.is_satisfied_by(value, &|_, _| false) => {
                Some(of_other.settled(Some(value)))
            }
            (_, value) => value.cloned(),
        })
    }

    /// Returns the secrets that it names.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        self.values.iter().flatten().flat_map(Value::secrets)
    }

    /// Returns those of its secrets that an update of the fields at these paths sends.
    pub fn secrets_of_update(&self, changed: &[&'static str]) -> impl Iterator<Item = &SecretRef> {
        let fields = self.kind.fields().iter().zip(self.values.iter());
        let sent = fields.filter(|(field, _)| self.kind.sends(field.path, changed));
        sent.filter_map(|(_, value)| value.as_ref()).flat_map(Value::secrets)
    }

    /// Returns this spec with other values for the fields at these paths.
    #[must_use]
    pub fn with_changes(&self, changes: &[(&'static str, Value)]) -> Self {
        let fields = self.kind.fields();
        self.map(|index, _, value| {
            let change = changes.iter().find(|(path, _)| *path == fields[index].path);
            change.map(|(_, to)| to.clone()).or_else(|| value.cloned())
        })
    }

    /// Returns this spec with the fields at these paths as another spec of its kind has them.
    #[must_use]
    pub fn with_fields_of(&self, other: &Self, paths: &[&str]) -> Self {
        let fields = self.kind.fields();
        self.map(|index, _, value| {
            let is_taken = paths.contains(&fields[index].path);
            if is_taken { other.values[index].clone() } else { value.cloned() }
        })
    }

    /// Returns this spec as it reads after the object `moved` got the name `to`.
    #[must_use]
    pub fn with_renamed_reference(&self, moved: &Reference, to: &Arc<str>) -> Self {
        self.with_renamed_references(&|reference| (reference == moved).then(|| Arc::clone(to)))
    }

    /// Returns this spec as it reads after objects got the names that `new_name` tells, all at once.
    #[must_use]
    pub fn with_renamed_references(&self, new_name: &dyn Fn(&Reference) -> Option<Arc<str>>) -> Self {
        self.map(|_, _, value| value.map(|value| value.with_renamed_references(new_name)))
    }

    fn map(&self, mut change: impl FnMut(usize, Absent, Option<&Value>) -> Option<Value>) -> Self {
        let fields = self.kind.fields().iter().enumerate();
        let values = fields.map(|(index, field)| change(index, field.absent, self.values[index].as_ref())).collect();
        self.kind.spec_from_values(values).expect("a field's value is replaced by one of the same type only")
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.kind.fields().iter().zip(self.values.iter());
        let given = fields.filter_map(|(field, value)| value.as_ref().map(|value| (field.path, value)));
        f.debug_map().entries(given).finish()
    }
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.values == other.values
    }
}

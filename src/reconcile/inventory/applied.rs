//! The spec that was applied last, read from its record only when somebody asks for it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::kinds::{self, KindId, Spec};

/// The spec that was applied last to an object.
///
/// A plan with nothing to do asks for a fraction of the specs in a record, and decoding them would be most of the work of
/// reading it. A spec that this version cannot read is kept as it was written, and counts as not known.
#[derive(Clone)]
pub struct Applied(Arc<Inner>);

struct Inner {
    kind: KindId,
    /// As it stands in the record; `None` for what does not come from one.
    recorded: Option<Arc<str>>,
    spec: OnceLock<Option<Spec>>,
}

impl Applied {
    /// Wraps the JSON text of a spec of this kind, which is not looked at yet.
    pub fn recorded(kind: KindId, text: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Inner { kind, recorded: Some(text.into()), spec: OnceLock::new() }))
    }

    /// Returns the kind of the object.
    pub fn kind(&self) -> KindId {
        self.0.kind
    }

    /// Returns the spec; `None` if this version cannot read it.
    pub fn spec(&self) -> Option<&Spec> {
        let Inner { kind, recorded, spec } = &*self.0;
        let read = || {
            let json = serde_json::from_str(recorded.as_deref()?).ok()?;
            kinds::spec_from_json(*kind, &json).ok()
        };
        spec.get_or_init(read).as_ref()
    }

    /// Returns the JSON text of the spec: as it was recorded, if it was.
    pub fn to_text(&self) -> Arc<str> {
        match (&self.0.recorded, self.0.spec.get()) {
            (Some(text), _) => Arc::clone(text),
            (None, Some(Some(spec))) => kinds::spec_to_json(spec).to_string().into(),
            (None, _) => "null".into(),
        }
    }
}

impl From<Spec> for Applied {
    fn from(spec: Spec) -> Self {
        Self(Arc::new(Inner { kind: spec.kind(), recorded: None, spec: OnceLock::from(Some(spec)) }))
    }
}

impl PartialEq for Applied {
    fn eq(&self, other: &Self) -> bool {
        // Specs that are written alike are alike, and writing one is less work than decoding the other.
        if self.0.kind == other.0.kind && self.to_text() == other.to_text() {
            return true;
        }
        match (self.spec(), other.spec()) {
            (Some(own), Some(other)) => own == other,
            (None, None) => self.0.kind == other.0.kind && self.0.recorded == other.0.recorded,
            _ => false,
        }
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spec() {
            Some(spec) => spec.fmt(f),
            None => write!(f, "unreadable {:?}", self.to_text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_kind() -> KindId {
        kinds::all().next().unwrap()
    }

    #[test]
    fn what_is_recorded_reads_as_what_was_applied() {
        let recorded = Applied::recorded(a_kind(), r#"{"size":"1024Mi"}"#);
        let applied = Applied::from(kinds::spec_from_json(a_kind(), &serde_json::json!({"size": "1Gi"})).unwrap());
        assert_eq!(recorded, applied);
        assert_eq!(&*recorded.to_text(), r#"{"size":"1024Mi"}"#, "as it was written");
        assert_eq!(&*applied.to_text(), r#"{"size":"1Gi"}"#);
    }

    #[test]
    fn what_a_later_version_wrote_is_kept_and_not_known() {
        let text = r#"{"size":"1Gi","flavour":"new"}"#;
        let recorded = Applied::recorded(a_kind(), text);
        assert_eq!(recorded.spec(), None);
        assert_eq!(&*recorded.to_text(), text);
        assert_ne!(recorded, Applied::recorded(a_kind(), r#"{"size":"1Gi"}"#));
    }
}

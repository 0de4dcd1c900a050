//! What a server does not have: whole versions, or kinds of a version that it speaks otherwise.

use super::world::World;
use crate::kinds::{self, Absent, ApiVersion, KindId, Shape};

/// What a server lacks of a version that it speaks otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The version.
    pub version: ApiVersion,
    /// The kinds that the server does not have.
    pub missing: Vec<KindId>,
    /// The kinds that cannot be without those. Whether the server lists them says nothing.
    pub useless: Vec<KindId>,
}

impl World {
    /// Returns whether the server has this kind of object, so that what was not seen is not there.
    pub fn speaks(&self, kind: KindId) -> bool {
        !self.unspoken.contains(&kind)
    }

    /// Returns the versions of which the server has at least one kind, oldest first.
    pub fn spoken_versions(&self) -> Vec<ApiVersion> {
        let has_one =
            |version: &ApiVersion| kinds::all().any(|kind| kind.info().api_version == *version && self.speaks(kind));
        ApiVersion::ALL.into_iter().filter(has_one).collect()
    }

    /// Returns what the server does not have, where a kind is of no use on it: that kind, or one that it cannot be without.
    pub fn lack_behind(&self, kind: KindId) -> KindId {
        makings(kind).find(|of| !self.speaks(*of)).map_or(kind, |of| self.lack_behind(of))
    }

    /// Returns what the server lacks, of each version that it speaks otherwise.
    pub fn lacks(&self) -> Vec<Lack> {
        let of = |version: ApiVersion| {
            let unspoken = self.unspoken.iter().copied().filter(|kind| kind.info().api_version == version);
            let (missing, useless) = unspoken.partition(|kind| self.lack_behind(*kind) == *kind);
            Lack { version, missing, useless }
        };
        self.spoken_versions().into_iter().map(of).filter(|lack| !lack.missing.is_empty()).collect()
    }
}

/// Returns the kinds that a kind cannot be declared without.
pub(super) fn makings(kind: KindId) -> impl Iterator<Item = KindId> {
    let needs = kind.fields().iter().filter(|field| field.absent == Absent::Required);
    needs.filter_map(|field| match field.shape {
        Shape::Reference(of) => Some(of),
        _ => None,
    })
}

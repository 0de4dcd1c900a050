//! Random manifests over a few names, and random edits of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fastrand::Rng;

use super::generation::{Generation, Sort};

/// How many names there are of each kind.
const N_NAMES: usize = 4;

/// The kind of an object as its place in the generation's list, and the number of its name.
type Place = (usize, usize);

/// A manifest set that is valid whatever is drawn.
#[derive(Clone)]
pub(crate) struct Manifests {
    generation: Generation,
    objects: BTreeMap<Place, Object>,
}

#[derive(Clone)]
struct Object {
    /// What its spec says beside what it refers to.
    spec: String,
    /// The number of the name that it refers to.
    source: Option<usize>,
    /// Whether it is made anew with what it was made from, if its kind has that choice.
    follows: bool,
    /// The number of the name that it had.
    origin: Option<usize>,
}

impl Manifests {
    pub(crate) fn random(generation: Generation, rng: &mut Rng) -> Self {
        let mut drawn = Self { generation, objects: BTreeMap::new() };
        for _ in 0..rng.usize(6..18) {
            drawn.declare_one(rng);
        }
        drawn
    }

    /// Returns a manifest set that differs in a few places.
    pub(crate) fn edited(&self, rng: &mut Rng) -> Self {
        let mut edited = self.clone();
        for _ in 0..rng.usize(2..8) {
            match rng.usize(0..6) {
                0 => drop(edited.objects.remove(&self.place(rng))),
                1 | 2 => edited.rename_one(rng),
                _ => edited.declare_one(rng),
            }
        }
        edited
    }

    /// Returns this set with everything declared that it refers to.
    pub(crate) fn closed(mut self) -> Self {
        for sort in (0..self.generation.len()).rev() {
            let of_sort: Vec<_> =
                self.objects.range((sort, 0)..(sort + 1, 0)).map(|(_, object)| object.source).collect();
            let Some(source) = &self.generation[sort].source else { continue };
            for name in of_sort.into_iter().flatten() {
                let plain = self.generation[source.sort].plain.to_owned();
                let object = Object { spec: plain, source: None, follows: false, origin: None };
                self.objects.entry((source.sort, name)).or_insert(object);
            }
        }
        self
    }

    fn place(&self, rng: &mut Rng) -> Place {
        (rng.usize(0..self.generation.len()), rng.usize(0..N_NAMES))
    }

    /// Declares an object anew, or with other values.
    fn declare_one(&mut self, rng: &mut Rng) {
        let place = self.place(rng);
        let Sort { source, draw, .. } = &self.generation[place.0];
        let other = rng.usize(0..N_NAMES);
        let source = source.as_ref().and_then(|source| (source.is_required || rng.bool()).then_some(other));
        self.objects.insert(place, Object { spec: draw(rng), source, follows: rng.bool(), origin: None });
    }

    /// Moves a declaration to another name, with what refers to it most of the time.
    fn rename_one(&mut self, rng: &mut Rng) {
        let ((sort, from), to) = (self.place(rng), rng.usize(0..N_NAMES));
        let with_references = rng.usize(0..4) > 0;
        if from == to || !self.generation[sort].is_renamed {
            return;
        }
        let Some(object) = self.objects.remove(&(sort, from)) else { return };
        self.objects.insert((sort, to), Object { origin: Some(from), ..object });
        let refers = |place: &Place| self.generation[place.0].source.as_ref().is_some_and(|source| source.sort == sort);
        for (_, object) in self.objects.iter_mut().filter(|(place, _)| with_references && refers(place)) {
            if object.source == Some(from) {
                object.source = Some(to);
            }
        }
    }

    /// Returns the names from which objects are to be renamed, such as `volume/v1`.
    pub(crate) fn origins(&self) -> BTreeSet<String> {
        let origin = |(place, object): (&Place, &Object)| {
            let Sort { kind, name, .. } = &self.generation[place.0];
            Some(format!("{}/{}", kind.info().singular, name(object.origin?)))
        };
        self.objects.iter().filter_map(origin).collect()
    }

    /// Returns the text of the manifests. Of two objects with one origin the first keeps it; what must refer to something
    /// that refers to nothing, and does not, is left out.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut origins = BTreeSet::new();
        for ((sort, number), object) in self.objects.iter().filter(|(place, object)| self.is_valid(**place, object)) {
            let Sort { kind, name, source, .. } = &self.generation[*sort];
            let info = kind.info();
            let reference = source.as_ref().zip(object.source).map(|(source, number)| {
                let name = (self.generation[source.sort].name)(number);
                format!(", {}", (source.refer)(&name))
            });
            let origin = object.origin.filter(|origin| origin != number && origins.insert((*sort, *origin)));
            let renamed = origin.map(|origin| format!("renamed_from: {}", name(origin)));
            let follows = object.follows && info.outlives_its_source;
            let follows = follows.then(|| format!("{}: replace", info.on_superseded));
            let lifecycle: Vec<_> = renamed.into_iter().chain(follows).collect();
            writeln!(
                text,
                "---\n{{apiVersion: {}, kind: {kind}, metadata: {{name: '{}'}}, spec: {{{}{}}}, lifecycle: {{{}}}}}",
                info.api_version,
                name(*number),
                object.spec,
                reference.unwrap_or_default(),
                lifecycle.join(", ")
            )
            .expect("a string takes everything");
        }
        text
    }

    fn is_valid(&self, (sort, _): Place, object: &Object) -> bool {
        let source = self.generation[sort].source.as_ref().filter(|source| source.is_bare).zip(object.source);
        let of = source.and_then(|(source, name)| self.objects.get(&(source.sort, name)));
        of.is_none_or(|of| of.source.is_none())
    }
}

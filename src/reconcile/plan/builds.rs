//! What live objects were built from, and whether the same name stands for something else by now.
//!
//! The server keeps what an image was when it was pulled, and does not say what it is now. But where the same image was
//! pulled again for another object, that one tells.

use std::collections::HashMap;

use crate::kinds::{Build, KindId, Live};
use crate::reconcile::world::World;

/// The last build of everything that something live was built from.
pub(super) struct Builds<'a>(HashMap<(KindId, &'a str), (&'a Build, &'a Live)>);

impl<'a> Builds<'a> {
    pub(super) fn of(world: &'a World) -> Self {
        let mut last: HashMap<(KindId, &str), (&Build, &Live)> = HashMap::new();
        for live in world.iter() {
            let Some(build) = &live.build else { continue };
            let one = (build, live);
            let known = last.entry((live.key.kind, &*build.source)).or_insert(one);
            if live.created_at > known.1.created_at {
                *known = one;
            }
        }
        Self(last)
    }

    /// Returns the last build of what an object was built from, and the object that it was for, if it found something else
    /// there.
    pub(super) fn newer(&self, live: &Live) -> Option<(&'a Build, &'a Live)> {
        let own = live.build.as_ref()?;
        let (last, of) = *self.0.get(&(live.key.kind, &*own.source))?;
        (last.digest != own.digest && of.created_at > live.created_at).then_some((last, of))
    }
}

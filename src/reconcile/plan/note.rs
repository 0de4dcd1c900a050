//! Why a change is what it is.

mod text;

use std::sync::Arc;

use super::Action;
use crate::kinds::{ApiVersion, Build, Key, KindId, Live, Reference, Resource, Value};
use crate::reconcile::world::World;
use crate::types::{Name, ObjectId, Timestamp};

/// Something to know about a change: a reason, an obstacle, a way out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Both the old and the new name of a rename are live.
    BothNamesLive {
        /// The old name.
        old: Name,
        /// The id under the old name.
        old_id: Option<ObjectId>,
        /// The id under the new name.
        new_id: Option<ObjectId>,
    },
    /// Another object is declared as renamed from this one, and both are live.
    InDoubt {
        /// That object.
        with: Key,
    },
    /// The live object has another name, which it does not merely change.
    LiveAs {
        /// Its live name.
        was: Name,
    },
    /// The object under the old name of a rename is declared with that name as well.
    OldNameKept {
        /// The old name.
        old: Name,
    },
    /// The rename is done: the manifest need not mention it any more.
    RenameSpent {
        /// The old name.
        old: Name,
    },
    /// The live object cannot be read.
    Unreadable {
        /// Which part, and why.
        why: String,
    },
    /// Fields are never read back, and nobody knows what was applied, so that a difference in them is not seen.
    Unverifiable {
        /// The fields.
        paths: Vec<&'static str>,
    },
    /// A field would become less, which the API refuses.
    WouldShrink {
        /// The field.
        path: &'static str,
        /// What it is.
        from: Value,
        /// What it should become.
        to: Value,
    },
    /// The API cannot change these fields in place.
    CannotChangeInPlace {
        /// The fields.
        paths: Vec<&'static str>,
    },
    /// What it holds goes with it: the new one starts without.
    DataLost {
        /// Its kind.
        kind: KindId,
    },
    /// What it is made from is made anew, so this is too.
    SourceReplaced {
        /// What it is made from.
        source: Reference,
    },
    /// After this plan, the name of what it is made from is that of another object.
    SourceIsAnother {
        /// What it is made from.
        source: Reference,
    },
    /// The live object failed and does not recover by itself.
    Failed {
        /// The server's text.
        message: String,
    },
    /// It is deleted before it is made anew.
    Recreated {
        /// Why.
        why: NotRolling,
    },
    /// The new one is built beside the old one, which then gives it its name.
    BuiltBeside {
        /// The name under which it is built.
        incoming: Name,
        /// Whether it is there already.
        is_there: bool,
        /// What is not known of it when it takes over, if there is something.
        caveat: Option<&'static str>,
    },
    /// The quota has no room for all that are built beside others at once, so that they are built one after the other.
    TakesTurn {
        /// Its place among them, from 1 on.
        turn: usize,
    },
    /// The new one takes over its name by being made, and the old one goes on to be known by its id.
    PublishedAnew {
        /// What the old one is known by.
        old: Name,
        /// Whether the old one is not ours, and so stays in any case.
        is_left: bool,
    },
    /// A replacement of it stopped between taking its name from the old object and giving it to the new one.
    HalfReplaced,
    /// What was replaced stays under a reserved name, since others refer to it.
    OldKept {
        /// The name.
        name: Name,
        /// Who refers to it.
        holders: Vec<Holder>,
        /// When the world was seen.
        now: Timestamp,
    },
    /// It was left by a replacement of this object.
    LeftBy {
        /// The object.
        of: Key,
    },
    /// It carries what is left of this object, which is not live by its name.
    LastOf {
        /// The object.
        of: Key,
    },
    /// It was replaced, and another object is made from it until the replacement of that one ends.
    ServesStill {
        /// That object.
        by: Key,
    },
    /// It was built to replace another object, and serves what it is made from, whose own replacement did not end.
    ServesAlready {
        /// What it is made from.
        source: Key,
    },
    /// The quota has no room for a new object beside the old one.
    NoRoomBeside {
        /// The object.
        beside: Key,
        /// What it takes too much of.
        what: Resource,
        /// How much of it the new object takes.
        needed: u64,
        /// How much of it is left.
        free: u64,
        /// Whether there would be room if the old one were deleted first.
        is_room_behind: bool,
    },
    /// It is live, differs from what is declared, and is not ours.
    NotOwned {
        /// The object, by the name it is declared with.
        key: Key,
    },
    /// It is declared, and is not ours to remove.
    NotManaged,
    /// It is another project's.
    OwnedBySibling {
        /// The record that says so.
        record: Arc<str>,
    },
    /// It was not ours, and becomes so.
    TakenOver,
    /// It was declared no longer once and stayed; now it is ours again.
    TakenUpAgain,
    /// It was deleted behind the manifests' back.
    DeletedBehind,
    /// It was given another name behind the manifests' back.
    RenamedBehind,
    /// It was deleted or given another name behind the manifests' back, and another one was made under its own.
    RecreatedBehind {
        /// The id that is recorded.
        recorded: ObjectId,
        /// The name that it has now, if it is there still.
        lives_as: Option<Name>,
    },
    /// Its time to live ended it.
    Expired {
        /// Whether it is made anew.
        is_recreated: bool,
    },
    /// What somebody changed is left as it is.
    DriftHeld {
        /// The fields; empty where it is the object itself.
        paths: Vec<&'static str>,
    },
    /// Nobody has said yet whether a new object is this one under another name, so that nothing is done to it.
    MaybeSource {
        /// The new object.
        of: Key,
    },
    /// It is new, and another object of its kind is declared no longer.
    MaybeRenamed {
        /// The objects that are declared no longer.
        candidates: Vec<Name>,
        /// What its `renamed_from` names, which is not live.
        misnamed: Option<Name>,
        /// Whether it has to be said before it is made.
        is_asked: bool,
    },
    /// Its name is with another object of ours, which is not part of this plan: somebody gave it that.
    NameWithAnother {
        /// That object, as it is recorded.
        of: Key,
    },
    /// It was declared no longer, and stays.
    Released,
    /// The kind of change is not among those that were allowed.
    NotAllowed {
        /// What would have been done.
        action: Action,
    },
    /// It stays on what it was made from, which is superseded.
    Outdated {
        /// The field that says what it is made from.
        path: &'static str,
        /// What it was made from; `None` if that was left out.
        from: Option<Value>,
        /// What is declared.
        to: Option<Value>,
        /// What `lifecycle` calls the choice to replace it.
        choice: &'static str,
    },
    /// Live objects that stay refer to it, so that it cannot be deleted.
    HeldBy {
        /// Who.
        holders: Vec<Holder>,
        /// When the world was seen: deadlines are told against it.
        now: Timestamp,
    },
    /// It is declared no longer, and a declared object refers to it.
    NeededBy {
        /// The object that refers to it.
        by: Key,
    },
    /// It needs an object that is itself blocked.
    NeedsBlocked {
        /// The blocked object.
        needs: Key,
    },
    /// It refers to something that is neither declared nor live.
    MissingReference {
        /// What it refers to.
        missing: Reference,
    },
    /// It refers to an object by a name that this plan takes away.
    ReferenceRenamed {
        /// What it refers to.
        stale: Reference,
        /// The name that the object gets.
        new: Name,
    },
    /// The name is another live object's, which cannot give it up.
    NameTaken {
        /// The id of the other object.
        id: Option<ObjectId>,
    },
    /// Another object, which is blocked, is to be renamed from this one's name, and has to be there first.
    RenamedFromHere {
        /// The other object.
        later: Key,
    },
    /// It was renamed once, and that rename is declared no longer.
    RenameTakenBack,
    /// The rename that would make it what is declared is not done yet.
    RenamePending,
    /// The server does not have its kind, or one that it cannot be without.
    NotSpoken {
        /// What the server does not have.
        kind: KindId,
        /// The versions that the server does speak.
        spoken: Vec<ApiVersion>,
    },
    /// It breaks a rule that holds across objects.
    BrokenRule {
        /// What is wrong.
        message: String,
        /// What can be done about it.
        help: String,
    },
    /// The workspace's quota has no room for it.
    OverQuota {
        /// What it takes too much of.
        what: Resource,
        /// How much of it this change takes.
        needed: u64,
        /// How much of it is left.
        free: u64,
        /// Whether it takes that while it is made, and less afterwards.
        is_passing: bool,
    },
    /// The manifest protects it against being destroyed.
    PreventsDestroy,
    /// It holds data, so it stays when its manifests are destroyed.
    Retained,
    /// It is asked to be deleted, and there is no such object.
    NotLive,
    /// It is declared and not live, so that nothing is left to destroy.
    NothingToDestroy,
    /// It is as declared, and on its way to be ready, or out.
    Pending {
        /// The server's word for that.
        status: String,
    },
    /// It stays, and another project owns it, so that it is not recorded here.
    KeptForSibling {
        /// That project's record.
        record: Arc<str>,
    },
    /// What it was built from has moved on, as the build of another object shows.
    BuildMoved {
        /// What was found there last.
        build: Build,
        /// The object that was built then.
        seen_in: Key,
        /// Whether it is built anew for that.
        is_followed: bool,
        /// What its manifest calls the choice of that.
        choice: &'static str,
    },
    /// Its record was lost, and it says itself that it is ours.
    Recovered,
    /// It says itself that it is another project's.
    Marked {
        /// That project.
        owner: Arc<str>,
        /// The object, as it is named.
        key: Key,
        /// Whether it would have to change.
        is_in_the_way: bool,
    },
    /// It says itself that it is another project's, and is taken over all the same.
    TakenFrom {
        /// That project.
        owner: Arc<str>,
    },
    /// What a saved plan says, in its words.
    Saved {
        /// What it says.
        text: String,
        /// What the reader can do about it.
        help: Option<String>,
        /// Whether it is in the way.
        is_obstacle: bool,
    },
}

/// Why an object is deleted before it is made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotRolling {
    /// Its manifest asks for that.
    Asked,
    /// It gets another name as well.
    Renamed,
    /// What it is made from is deleted first too.
    Source(Reference),
    /// What it is to be made from gets its name only after what it was made from is gone.
    NameHeld(Reference),
    /// On this server, what refers to an object does not follow it to its new name.
    ReferencesStay,
    /// Every name under which it could be built is taken.
    NamesTaken,
}

/// A live object that keeps another one from being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The object.
    pub key: Key,
    /// When it will be gone by itself.
    pub expires_at: Option<Timestamp>,
}

impl Holder {
    pub(super) fn of(live: &Live) -> Self {
        Self { key: live.key.clone(), expires_at: live.expires_at }
    }
}

impl Note {
    pub(super) fn marked(owner: &Arc<str>, key: &Key, is_in_the_way: bool) -> Self {
        Self::Marked { owner: Arc::clone(owner), key: key.clone(), is_in_the_way }
    }

    pub(super) fn not_spoken(kind: KindId, world: &World) -> Self {
        Self::NotSpoken { kind: world.lack_behind(kind), spoken: world.spoken_versions() }
    }

    /// Returns whether the note says what is in the way, rather than what happens.
    pub fn is_obstacle(&self) -> bool {
        matches!(
            self,
            Self::BothNamesLive { .. }
                | Self::Unreadable { .. }
                | Self::WouldShrink { .. }
                | Self::HeldBy { .. }
                | Self::InDoubt { .. }
                | Self::NeededBy { .. }
                | Self::NeedsBlocked { .. }
                | Self::MissingReference { .. }
                | Self::ReferenceRenamed { .. }
                | Self::NameTaken { .. }
                | Self::NameWithAnother { .. }
                | Self::RenamedFromHere { .. }
                | Self::RenamePending
                | Self::NotOwned { .. }
                | Self::OwnedBySibling { .. }
                | Self::Marked { is_in_the_way: true, .. }
                | Self::MaybeRenamed { is_asked: true, .. }
                | Self::NotAllowed { .. }
                | Self::NotSpoken { .. }
                | Self::BrokenRule { .. }
                | Self::OverQuota { .. }
                | Self::NoRoomBeside { .. }
                | Self::LastOf { .. }
                | Self::ServesStill { .. }
                | Self::ServesAlready { .. }
                | Self::PreventsDestroy
                | Self::NotLive
                | Self::Saved { is_obstacle: true, .. }
        )
    }
}

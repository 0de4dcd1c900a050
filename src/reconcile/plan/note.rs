//! Why a change is what it is, in typed form and in words.

use std::fmt;
use std::sync::Arc;

use super::Action;
use crate::kinds::{ApiVersion, Build, Key, KindId, Live, Part, Reference, Resource, Value};
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
    /// It is deleted before it is made anew, although its manifest does not ask for that.
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
    /// It was deleted and made anew behind the manifests' back.
    RecreatedBehind {
        /// The id that is recorded.
        recorded: ObjectId,
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
    },
    /// The manifest protects it against being destroyed.
    PreventsDestroy,
    /// It holds data, so it stays when its manifests are destroyed.
    Retained,
    /// It is asked to be deleted, and there is no such object.
    NotLive,
    /// It is declared and not live, so that nothing is left to destroy.
    NothingToDestroy,
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
    /// It gets another name as well.
    Renamed,
    /// What it is made from is deleted first too.
    Source(Reference),
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

    /// Returns what the reader can do about it, if there is something.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::BothNamesLive { old, .. } => {
                format!("delete one of the two, or take `renamed_from: {old}` away to leave the old one alone")
            }
            Self::OldNameKept { old } => format!(
                "let `{old}` say `renamed_from: none` if the live one is to be renamed, else take `renamed_from: {old}` \
                 away"
            ),
            Self::RenameSpent { .. } => "take `renamed_from` out of the manifest".to_owned(),
            Self::WouldShrink { .. } => {
                "declare at least the live size, or make a new object and move the data".to_owned()
            }
            Self::HeldBy { .. } => "delete what holds it, or wait until it is gone, and run this again".to_owned(),
            Self::InDoubt { with } => {
                format!(
                    "delete one of the two, or take `renamed_from` out of the manifest of {with} to have this one removed"
                )
            }
            Self::NeededBy { by } => format!("declare it again, or let {by} refer to another one"),
            Self::MissingReference { missing } => {
                format!("declare the {} `{}`, or create it first", missing.kind.info().singular, missing.name)
            }
            Self::ReferenceRenamed { new, .. } => format!("refer to it as `{new}`"),
            Self::RenamePending => "apply the rename first, or delete the object by its live name".to_owned(),
            Self::NotSpoken { kind, spoken } => {
                let is_other = |version: &&ApiVersion| **version != kind.info().api_version;
                match spoken.iter().find(is_other) {
                    Some(other) if !spoken.contains(&kind.info().api_version) => {
                        format!("declare it in `{other}`, which this server speaks, or name another server")
                    }
                    _ => "name a server that has them, or take it out of the manifests".to_owned(),
                }
            }
            Self::BrokenRule { help, .. } => help.clone(),
            Self::OverQuota { .. } => "delete something, ask for less, or have the limit raised".to_owned(),
            Self::NoRoomBeside { beside, .. } => format!(
                "have the limit raised, or let {beside} say `replace: recreate`, so that the old one is deleted first"
            ),
            Self::Recreated { why: NotRolling::Renamed } => {
                "apply the rename by itself first, and it is replaced without a gap".to_owned()
            }
            Self::LastOf { of } => format!("apply the manifest of {of} first, which gives it its name back"),
            Self::PreventsDestroy => "take `prevent_destroy` away first, in a change of its own".to_owned(),
            Self::NotOwned { key } => {
                format!("add `--take-over {key}` to make it what is declared, or change the manifest to what is live")
            }
            Self::OwnedBySibling { .. } => "declare it in one project only".to_owned(),
            Self::Marked { key, .. } => {
                format!("declare it in one project only, or add `--take-over {key}` to make it this one's")
            }
            Self::Expired { is_recreated: false } => {
                "take it out of the manifests, or let it say `on_expiry: recreate`".to_owned()
            }
            Self::DriftHeld { .. } => "declare what is live, or use `--on-drift revert`".to_owned(),
            Self::MaybeRenamed { candidates, misnamed, .. } => {
                let first = candidates.first().map_or("NAME", Name::as_str);
                let add = if misnamed.is_some() { "write" } else { "add" };
                format!("if it is a rename, {add} `renamed_from: {first}` below `lifecycle`, else `renamed_from: none`")
            }
            Self::MaybeSource { of } => format!("say in the manifest of {of} which of the two it is"),
            Self::NotAllowed { action } => format!("add `{}` to `--allow`", action.as_str()),
            Self::Retained => "set `lifecycle.on_remove: delete` to delete it with its data".to_owned(),
            Self::Outdated { choice, .. } => {
                format!("delete it when it is no longer needed, or let its manifest say `{choice}: replace`")
            }
            Self::BuildMoved { is_followed: false, choice, .. } => {
                format!("to have it built anew whenever that shows, let its manifest say `{choice}: replace`")
            }
            Self::Saved { help, .. } => return help.clone(),
            _ => return None,
        })
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
                | Self::PreventsDestroy
                | Self::NotLive
                | Self::Saved { is_obstacle: true, .. }
        )
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BothNamesLive { old, old_id, new_id } => {
                write!(f, "both names are live: the old one, `{old}`, with id {}", Id(old_id))?;
                write!(f, ", and the new one with id {}", Id(new_id))
            }
            Self::LiveAs { was } => write!(f, "it is live as `{was}`"),
            Self::OldNameKept { old } => {
                write!(f, "it is new, not renamed: the live `{old}` is declared with that name as well")
            }
            Self::RenameSpent { old } => write!(f, "the rename from `{old}` is done"),
            Self::NotSpoken { kind, spoken } => not_spoken(f, *kind, spoken),
            Self::Unreadable { why } => write!(f, "the live object cannot be read: {why}"),
            Self::Unverifiable { paths } => unverifiable(f, paths),
            Self::WouldShrink { path, from, to } => write!(f, "{path} cannot shrink from {from} to {to}"),
            Self::CannotChangeInPlace { paths } => write!(f, "{} cannot change in place", paths.join(", ")),
            Self::DataLost { kind } => data_lost(f, *kind),
            Self::SourceReplaced { source } => {
                write!(f, "{} `{}` is replaced", source.kind.info().singular, source.name)
            }
            Self::SourceIsAnother { source } => source_is_another(f, source),
            Self::Failed { message } if message.is_empty() => f.write_str("it failed"),
            Self::Failed { message } => write!(f, "it failed: {message}"),
            Self::Recreated { why } => recreated(f, why),
            Self::BuiltBeside { incoming, is_there, caveat } => built_beside(f, incoming, *is_there, *caveat),
            Self::PublishedAnew { old, is_left } => published_anew(f, old, *is_left),
            Self::HalfReplaced => f.write_str("a replacement of it stopped half way"),
            Self::OldKept { name, holders, now } => {
                write!(f, "the old one stays as `{name}`, until a later apply: ")?;
                held_by(f, holders, *now)
            }
            Self::LeftBy { of } => write!(f, "left by a replacement of {of}"),
            Self::LastOf { of } => write!(f, "kept: {of} is not live, and this is what is left of it"),
            Self::NoRoomBeside { beside, what, needed, free } => no_room(f, beside, *what, [*needed, *free]),
            Self::Outdated { path, from, to, .. } => outdated(f, path, from.as_ref(), to.as_ref()),
            Self::HeldBy { holders, now } => held_by(f, holders, *now),
            Self::InDoubt { with } => {
                write!(f, "it is declared no longer, and {with}, which is live too, is declared as renamed from it")
            }
            Self::MaybeSource { of } => maybe_source(f, of),
            Self::NeededBy { by } => write!(f, "it is declared no longer, and {by} refers to it"),
            Self::NeedsBlocked { needs } => write!(f, "it needs {needs}, which is blocked"),
            Self::MissingReference { missing } => {
                write!(f, "{} `{}` is neither declared nor live", missing.kind.info().singular, missing.name)
            }
            Self::ReferenceRenamed { stale, new } => {
                write!(f, "{} `{}` is renamed to `{new}`", stale.kind.info().singular, stale.name)
            }
            Self::NameTaken { id } => {
                write!(f, "its name stays with another object, id {}, whose own change is blocked", Id(id))
            }
            Self::RenamedFromHere { later } => {
                write!(f, "{later} is renamed from this name, so it comes first, and it is blocked")
            }
            Self::RenamePending => f.write_str("its rename is not done yet"),
            Self::BrokenRule { message, .. } => f.write_str(message),
            Self::OverQuota { what, needed, free } => {
                let (needed, free) = (what.spell(*needed), what.spell(*free));
                write!(f, "the quota for {what} has {free} left, and this takes {needed}")
            }
            Self::PreventsDestroy => f.write_str("`prevent_destroy` is set, and this would destroy it"),
            Self::NotOwned { .. } => f.write_str("it is live, differs from what is declared, and is not managed here"),
            Self::OwnedBySibling { record } => write!(f, "it belongs to another project: {record}"),
            Self::BuildMoved { build, seen_in, .. } => build_moved(f, build, seen_in),
            Self::Recovered => f.write_str("it was on no record; its labels say that it is this project's"),
            Self::Marked { owner, .. } => marked(f, owner, ""),
            Self::TakenFrom { owner } => marked(f, owner, ", and it is taken over"),
            Self::NotManaged => f.write_str("it is not managed here, and stays"),
            Self::TakenOver => f.write_str("it was not managed here, and is taken over"),
            Self::TakenUpAgain => f.write_str("it had been released, and is taken up again"),
            Self::DeletedBehind => f.write_str("it was deleted behind the manifests' back"),
            Self::RenamedBehind => f.write_str("it was renamed behind the manifests' back"),
            Self::RecreatedBehind { recorded } => {
                write!(f, "it was made anew behind the manifests' back: its id was {recorded}")
            }
            Self::Expired { is_recreated: true } => f.write_str("its time to live ended it, and it is made anew"),
            Self::Expired { is_recreated: false } => f.write_str("its time to live ended it, and it stays away"),
            Self::DriftHeld { paths } if paths.is_empty() => {
                f.write_str("what happened behind the manifests' back is left as it is")
            }
            Self::DriftHeld { paths } => {
                write!(f, "what changed behind the manifests' back is left as it is: {}", paths.join(", "))
            }
            Self::MaybeRenamed { candidates, misnamed, .. } => {
                let names: Vec<_> = candidates.iter().map(|name| format!("`{name}`")).collect();
                let are = if names.len() == 1 { "is" } else { "are" };
                f.write_str("it is new, ")?;
                if let Some(old) = misnamed {
                    write!(f, "`{old}` of its `renamed_from` is not live, ")?;
                }
                write!(f, "and {} {are} declared no longer: is this a rename?", names.join(", "))
            }
            Self::Released => f.write_str("it is declared no longer; it is kept, and not managed any more"),
            Self::NotAllowed { action } => write!(f, "held back: to {} is not allowed here", action.as_str()),
            Self::Retained => f.write_str("it holds data and is kept"),
            Self::NotLive => f.write_str("there is no such object"),
            Self::Saved { text, .. } => f.write_str(text),
            Self::NothingToDestroy => f.write_str("it is not live: nothing is left to destroy"),
        }
    }
}

fn no_room(f: &mut fmt::Formatter<'_>, beside: &Key, what: Resource, [needed, free]: [u64; 2]) -> fmt::Result {
    let (needed, free) = (what.spell(needed), what.spell(free));
    write!(f, "the quota for {what} has {free} left, and a new {beside} beside the old one takes {needed}")
}

fn outdated(f: &mut fmt::Formatter<'_>, path: &str, from: Option<&Value>, to: Option<&Value>) -> fmt::Result {
    if let Some(parts) = Value::parts(from, to) {
        let part = |part: &Part| Part::in_field(part, path);
        let parts: Vec<_> = parts.iter().map(part).collect();
        return write!(f, "outdated: it is not as declared in {}; it is kept", parts.join(", "));
    }
    match (from, to) {
        (from, Some(to)) if from != Some(to) => {
            let is: &dyn fmt::Display = from.map_or(&"not set", |from| from);
            write!(f, "outdated: its {path} is {is}, declared is {to}; it is kept")
        }
        (Some(from), _) => write!(f, "outdated: its {path} {from} is superseded; it is kept"),
        (None, _) => write!(f, "outdated: its {path} is superseded; it is kept"),
    }
}

fn data_lost(f: &mut fmt::Formatter<'_>, kind: KindId) -> fmt::Result {
    write!(f, "the disk of this {} is lost, with everything on it", kind.info().singular)
}

fn build_moved(f: &mut fmt::Formatter<'_>, build: &Build, seen_in: &Key) -> fmt::Result {
    let Build { source, digest } = build;
    write!(f, "{source} has moved on since it was built: it was {digest} for {seen_in}")
}

fn marked(f: &mut fmt::Formatter<'_>, owner: &str, rest: &str) -> fmt::Result {
    write!(f, "its labels say that it belongs to another project: {owner}{rest}")
}

fn source_is_another(f: &mut fmt::Formatter<'_>, source: &Reference) -> fmt::Result {
    let Reference { kind, name } = source;
    write!(f, "{} `{name}` becomes another object than the one it is made from", kind.info().singular)
}

fn maybe_source(f: &mut fmt::Formatter<'_>, of: &Key) -> fmt::Result {
    write!(f, "it is declared no longer, and {of} is new: it stays until that is said to be a rename or none")
}

fn unverifiable(f: &mut fmt::Formatter<'_>, paths: &[&'static str]) -> fmt::Result {
    write!(f, "{} cannot be compared: the server never tells what is set", paths.join(", "))
}

fn not_spoken(f: &mut fmt::Formatter<'_>, kind: KindId, spoken: &[ApiVersion]) -> fmt::Result {
    let info = kind.info();
    if spoken.contains(&info.api_version) {
        write!(f, "this server has no {}", info.plural)
    } else {
        write!(f, "this server does not speak `{}`", info.api_version)
    }
}

fn published_anew(f: &mut fmt::Formatter<'_>, old: &Name, is_left: bool) -> fmt::Result {
    if is_left {
        write!(f, "it is published anew; the old one is not managed here, and stays as `{old}`")
    } else {
        f.write_str("it is published anew, beside the old one")
    }
}

fn built_beside(
    f: &mut fmt::Formatter<'_>,
    incoming: &Name,
    is_there: bool,
    caveat: Option<&'static str>,
) -> fmt::Result {
    let how = if is_there { "is there already, and takes its place" } else { "is built beside it, then swapped" };
    write!(f, "`{incoming}` {how}")?;
    caveat.map_or(Ok(()), |caveat| write!(f, "; {caveat}"))
}

fn recreated(f: &mut fmt::Formatter<'_>, why: &NotRolling) -> fmt::Result {
    f.write_str("deleted first, then made anew")?;
    match why {
        NotRolling::Renamed => f.write_str(", since it is renamed as well"),
        NotRolling::Source(source) => write!(f, ", as {} `{}` is", source.kind.info().singular, source.name),
        NotRolling::ReferencesStay => {
            f.write_str(", since on this server nothing that refers to it follows it to a new name")
        }
        NotRolling::NamesTaken => f.write_str(", since every name to build it under is taken"),
    }
}

/// How many holders are named before the rest is counted.
const SHOWN_HOLDERS: usize = 8;

fn held_by(f: &mut fmt::Formatter<'_>, holders: &[Holder], now: Timestamp) -> fmt::Result {
    f.write_str("held by ")?;
    for (index, holder) in holders.iter().take(SHOWN_HOLDERS).enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        write!(f, "{separator}{}", holder.key)?;
        match holder.expires_at {
            Some(at) => write!(f, ", gone by {} by its TTL", When { at, now })?,
            None if holder.key.kind.info().expires => f.write_str(", no TTL")?,
            None => {}
        }
    }
    match holders.len().saturating_sub(SHOWN_HOLDERS) {
        0 => Ok(()),
        n_more => write!(f, "; and {n_more} more"),
    }
}

/// A near time as a time of day, a far one as a date.
struct When {
    at: Timestamp,
    now: Timestamp,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half_a_day = std::time::Duration::from_hours(12);
        if self.at.saturating_since(self.now) < half_a_day {
            write!(f, "{} UTC", self.at.to_clock_text())
        } else {
            self.at.fmt(f)
        }
    }
}

struct Id<'a>(&'a Option<ObjectId>);

impl fmt::Display for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => id.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

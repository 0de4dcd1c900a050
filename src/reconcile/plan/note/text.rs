//! The words of notes: what each says, and what its reader can do about it.

use std::fmt;

use super::{Holder, NotRolling, Note};
use crate::kinds::{ApiVersion, Build, Key, KindId, Part, Reference, Resource, Value};
use crate::types::{Name, ObjectId, Timestamp};

impl Note {
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
            Self::NameWithAnother { of } => format!(
                "plan both in one, so that each gets its own name back; or give {of} its name back by hand, or let go of it \
                 with `sbx forget {of}`"
            ),
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
            Self::Unreadable { .. } => {
                "see whether a later version of sbx can read it, or change it by other means".to_owned()
            }
            Self::NameTaken { .. } => "see to what keeps the object that has the name from changing".to_owned(),
            Self::NeedsBlocked { needs: first } | Self::RenamedFromHere { later: first } => {
                format!("see to what blocks {first} first")
            }
            Self::NotLive => "`sbx get all` lists what there is".to_owned(),
            Self::OverQuota { is_passing: true, .. } | Self::NoRoomBeside { is_room_behind: false, .. } => {
                "delete something, or have the limit raised".to_owned()
            }
            Self::OverQuota { .. } => "delete something, ask for less, or have the limit raised".to_owned(),
            Self::NoRoomBeside { beside, .. } => format!(
                "have the limit raised, or let {beside} say `replace: recreate` below `lifecycle`, so that the old one is deleted first"
            ),
            Self::Recreated { why: NotRolling::Renamed } => {
                "apply the rename by itself first, and it is replaced without a gap".to_owned()
            }
            Self::OldKept { holders, .. } => {
                let serves = |holder: &&Holder| !holder.key.kind.info().outlives_its_source;
                let Holder { key, .. } = holders.iter().find(serves)?;
                format!("see to {key}: until it is made anew, it serves the old one only")
            }
            Self::LastOf { .. } | Self::ServesStill { .. } | Self::ServesAlready { .. } => {
                "apply the manifests, which ends the replacement; those from before it take it back".to_owned()
            }
            Self::PreventsDestroy => "take `prevent_destroy` away first, in a change of its own".to_owned(),
            Self::NotOwned { key } => {
                format!("add `--take-over {key}` to make it what is declared, or change the manifest to what is live")
            }
            Self::OwnedBySibling { record } => format!(
                "declare it in one project only; if `{record}` is this project's own inventory, from before it had a target or \
                 another name, rename its file to that of this one, which is beside it"
            ),
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
            Self::Retained => "set `lifecycle.on_remove: delete` to delete it, with what it holds".to_owned(),
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
            Self::Pending { status } => write!(f, "its status is `{status}`"),
            Self::Recreated { why } => recreated(f, why),
            Self::BuiltBeside { incoming, is_there, caveat } => built_beside(f, incoming, *is_there, *caveat),
            Self::TakesTurn { turn } => {
                write!(
                    f,
                    "the quota has no room for all that are built beside others at once: this one is number {turn}"
                )
            }
            Self::PublishedAnew { old, is_left } => published_anew(f, old, *is_left),
            Self::HalfReplaced => f.write_str("a replacement of it stopped half way"),
            Self::OldKept { name, holders, now } => {
                write!(f, "the old one stays as `{name}`, until a later apply: ")?;
                held_by(f, holders, *now)
            }
            Self::LeftBy { of } => write!(f, "left by a replacement of {of}"),
            Self::LastOf { of } => write!(f, "{of} is not live, and this is what is left of it"),
            Self::ServesStill { by } => write!(f, "{by} is made from it until its own replacement ends"),
            Self::ServesAlready { source } => {
                write!(f, "it serves {source} already, whose replacement did not end")
            }
            Self::NoRoomBeside { beside, what, needed, free, .. } => no_room(f, beside, *what, [*needed, *free]),
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
            Self::NameWithAnother { of } => name_with_another(f, of),
            Self::RenameTakenBack => f.write_str("its rename is declared no longer, so that it gets its old name back"),
            Self::RenamePending => f.write_str("its rename is not done yet"),
            Self::BrokenRule { message, .. } => f.write_str(message),
            Self::OverQuota { what, needed, free, is_passing } => over_quota(f, *what, [*needed, *free], *is_passing),
            Self::PreventsDestroy => f.write_str("`prevent_destroy` is set, and this would destroy it"),
            Self::NotOwned { .. } => f.write_str("it is live, differs from what is declared, and is not managed here"),
            Self::OwnedBySibling { record } => write!(f, "it belongs to another project: {record}"),
            Self::KeptForSibling { record } => write!(f, "it is another project's, and stays as it is: {record}"),
            Self::BuildMoved { build, seen_in, .. } => build_moved(f, build, seen_in),
            Self::Recovered => f.write_str("it was on no record; its labels say that it is this project's"),
            Self::Marked { owner, .. } => marked(f, owner, ""),
            Self::TakenFrom { owner } => marked(f, owner, ", and it is taken over"),
            Self::NotManaged => f.write_str("it is not managed here, and stays"),
            Self::TakenOver => f.write_str("it was not managed here, and is taken over"),
            Self::TakenUpAgain => f.write_str("it had been released, and is taken up again"),
            Self::DeletedBehind => f.write_str("it was deleted behind the manifests' back"),
            Self::RenamedBehind => f.write_str("it was renamed behind the manifests' back"),
            Self::RecreatedBehind { recorded, lives_as } => recreated_behind(f, recorded, lives_as.as_ref()),
            Self::Expired { is_recreated: true } => f.write_str("its time to live ended it, and it is made anew"),
            Self::Expired { is_recreated: false } => f.write_str("its time to live ended it, and it stays away"),
            Self::DriftHeld { paths } if paths.is_empty() => {
                f.write_str("what happened behind the manifests' back is left as it is")
            }
            Self::DriftHeld { paths } => {
                write!(f, "what changed behind the manifests' back is left as it is: {}", paths.join(", "))
            }
            Self::MaybeRenamed { candidates, misnamed, .. } => maybe_renamed(f, candidates, misnamed.as_ref()),
            Self::Released => f.write_str("it is declared no longer; it is kept, and not managed any more"),
            Self::NotAllowed { action } => write!(f, "held back: to {} is not allowed here", action.as_str()),
            Self::Retained => f.write_str("it is kept: `on_remove` is `retain`, the default for what holds data"),
            Self::NotLive => f.write_str("there is no such object"),
            Self::Saved { text, .. } => f.write_str(text),
            Self::NothingToDestroy => f.write_str("it is not live: nothing is left to destroy"),
        }
    }
}

fn maybe_renamed(f: &mut fmt::Formatter<'_>, candidates: &[Name], misnamed: Option<&Name>) -> fmt::Result {
    let names: Vec<_> = candidates.iter().map(|name| format!("`{name}`")).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    f.write_str("it is new, ")?;
    if let Some(old) = misnamed {
        write!(f, "`{old}` of its `renamed_from` is not live, ")?;
    }
    write!(f, "and {} {are} declared no longer: is this a rename?", names.join(", "))
}

fn recreated_behind(f: &mut fmt::Formatter<'_>, recorded: &ObjectId, lives_as: Option<&Name>) -> fmt::Result {
    write!(f, "it was made anew behind the manifests' back: its id was {recorded}")?;
    lives_as.map_or(Ok(()), |name| write!(f, ", which is `{name}` now"))
}

fn no_room(f: &mut fmt::Formatter<'_>, beside: &Key, what: Resource, [needed, free]: [u64; 2]) -> fmt::Result {
    let (needed, free) = (what.spell(needed), what.spell(free));
    write!(f, "the quota for {what} has {free} left, and a new {beside} beside the old one takes {needed}")
}

fn over_quota(f: &mut fmt::Formatter<'_>, what: Resource, [needed, free]: [u64; 2], is_passing: bool) -> fmt::Result {
    let (needed, free) = (what.spell(needed), what.spell(free));
    let when = if is_passing { " while it is made" } else { "" };
    write!(f, "the quota for {what} has {free} left, and this takes {needed}{when}")
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

fn name_with_another(f: &mut fmt::Formatter<'_>, of: &Key) -> fmt::Result {
    write!(f, "its name is with another object of ours, recorded as {of}, which is not part of this plan")
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
        NotRolling::Asked => f.write_str(", as `replace: recreate` asks"),
        NotRolling::Renamed => f.write_str(", since it is renamed as well"),
        NotRolling::Source(source) => write!(f, ", as {} `{}` is", source.kind.info().singular, source.name),
        NotRolling::NameHeld(source) => {
            let kind = source.kind.info().singular;
            write!(f, ", since it holds what has the name of {kind} `{}` until then", source.name)
        }
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

//! Which control groups there are to be had, from what the kernel says of itself.

use std::path::{Component, Path, PathBuf};

/// What a control group limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    pub(in super::super) const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// Returns the kernel's word, which both versions share.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// The two interfaces of control groups. A machine may have both, each with some of the controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Version {
    One,
    Two,
}

/// A hierarchy to make groups in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    pub(super) version: Version,
    /// Where it is mounted: groups above are not to be seen.
    pub(super) top: PathBuf,
    /// The group that this process is in, as a folder.
    pub(super) own: PathBuf,
    pub(super) controllers: Vec<Controller>,
}

/// Why there is no group for a controller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Missing {
    #[error("no hierarchy of control groups has the controller")]
    NotMounted,
    #[error("control groups are mounted read-only")]
    ReadOnly,
    #[error("the control group of this process is out of sight")]
    OutOfSight,
    #[error("the control group of this process was not given the controller")]
    NotDelegated,
    #[error("the control group of this process has other processes in it")]
    Shared,
    #[error("control groups{} cannot be made: {reason}", if *.version == Version::One { " of version 1" } else { "" })]
    Refused { version: Version, reason: String },
}

/// Where groups are to be made, and what for there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) hierarchies: Vec<Hierarchy>,
    pub(super) missing: Vec<(Controller, Missing)>,
}

/// The group that a server moves into where groups with processes may have no groups below them that are limited.
pub(super) const LEAF: &str = "sbx-server";

/// Finds a hierarchy for each controller.
///
/// `mounts` is `/proc/self/mountinfo`, `own` is `/proc/self/cgroup`, and `controllers` reads `cgroup.controllers` in a
/// folder of version 2. A controller that version 1 has is not to be had from version 2.
pub(super) fn plan(mounts: &str, own: &str, controllers: impl Fn(&Path) -> Option<String>) -> Plan {
    let mounts: Vec<_> = mounts.lines().filter_map(Mount::read).collect();
    let mut plan = Plan::default();
    for controller in Controller::ALL {
        match find(controller, &mounts, own, &controllers) {
            Ok(found) => plan.add(controller, found),
            Err(missing) => plan.missing.push((controller, missing)),
        }
    }
    plan
}

impl Plan {
    fn add(&mut self, controller: Controller, found: Hierarchy) {
        match self.hierarchies.iter_mut().find(|known| known.own == found.own) {
            Some(known) => known.controllers.push(controller),
            None => self.hierarchies.push(found),
        }
    }
}

fn find(
    controller: Controller,
    mounts: &[Mount],
    own: &str,
    controllers: &impl Fn(&Path) -> Option<String>,
) -> Result<Hierarchy, Missing> {
    let name = controller.as_str();
    let (version, mount) = mounts
        .iter()
        .find(|mount| mount.kind == "cgroup" && mount.options.iter().any(|option| option == name))
        .map(|mount| (Version::One, mount))
        .or_else(|| mounts.iter().find(|mount| mount.kind == "cgroup2").map(|mount| (Version::Two, mount)))
        .ok_or(Missing::NotMounted)?;
    let line = match version {
        Version::One => group(own, |names| names.split(',').any(|one| one == name)),
        Version::Two => group(own, str::is_empty),
    };
    let own = line.and_then(|group| mount.folder_of(group)).ok_or(Missing::OutOfSight)?;
    let own = match own.parent() {
        // It was this program that moved into it.
        Some(above) if own.ends_with(LEAF) => above.to_owned(),
        _ => own,
    };
    if version == Version::Two {
        let there = controllers(&own).ok_or(Missing::OutOfSight)?;
        if !there.split_whitespace().any(|one| one == name) {
            return Err(Missing::NotDelegated);
        }
    }
    if mount.is_read_only {
        return Err(Missing::ReadOnly);
    }
    Ok(Hierarchy { version, top: mount.place.clone(), own, controllers: vec![controller] })
}

/// Returns the group of the first line of `/proc/self/cgroup` whose names of controllers are the right ones.
fn group(own: &str, is_right: impl Fn(&str) -> bool) -> Option<&str> {
    own.lines().find_map(|line| {
        let (names, group) = line.split_once(':')?.1.split_once(':')?;
        is_right(names).then_some(group)
    })
}

/// A line of `/proc/self/mountinfo` (proc(5)).
struct Mount {
    /// What of the file system is mounted.
    root: PathBuf,
    place: PathBuf,
    is_read_only: bool,
    kind: String,
    /// The options of the file system: for version 1, the controllers among them.
    options: Vec<String>,
}

impl Mount {
    fn read(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, place, flags) = (mount.next()?, mount.next()?, mount.next()?);
        let mut file_system = file_system.split(' ');
        let (kind, _, options) = (file_system.next()?, file_system.next()?, file_system.next()?);
        let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
        Some(Self {
            root: unescape(root),
            place: unescape(place),
            is_read_only: is_read_only(flags) || is_read_only(options),
            kind: kind.to_owned(),
            options: options.split(',').map(str::to_owned).collect(),
        })
    }

    fn folder_of(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(&self.root).ok()?;
        // A namespace shows groups outside of it by way of `..`.
        let is_inside = below.components().all(|part| matches!(part, Component::Normal(_)));
        is_inside.then(|| self.place.join(below).components().collect())
    }
}

/// Undoes the kernel's `\ooo` for blanks, and what else would break a line up.
fn unescape(text: &str) -> PathBuf {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                plain.push_str(&part[3..]);
            }
            None => plain.push_str(part),
        }
    }
    plain.into()
}

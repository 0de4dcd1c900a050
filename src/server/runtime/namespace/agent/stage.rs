//! What happens on the machine's side of a sandbox, before its first process is there.
//!
//! Whatever needs the machine's paths is opened here, as mounts that hang nowhere yet. Where they go is settled inside
//! ([`super::root`]), with the rights of the sandbox: a folder that a sandbox replaced by a link leads nobody out of it.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change, move_mount, open_tree,
};
use rustix::process::{Gid, Pid, Uid, WaitOptions, waitpid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::super::protocol::{Bind, DiskToShow, Report, Setup, Users};
use super::super::sys::{self, MountChange};
use super::super::{capped, frame};
use super::{During as _, Failure};

/// The device nodes of a sandbox.
pub(super) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// The folder of the image, in one that everybody may look through.
pub(super) const ROOT: &str = "root";

/// How many numbers a range has: the users that 16 bits can name.
const RANGE_LENGTH: u32 = 1 << 16;

/// What a sandbox is built from, beside the working directory: there the image is, with what the sandbox changes.
#[derive(Debug)]
pub(super) struct Material {
    /// A mount and the path inside where it belongs.
    pub(super) mounts: Vec<(PathBuf, OwnedFd)>,
    /// The nodes of [`DEVICES`], in that order.
    pub(super) devices: Vec<OwnedFd>,
}

/// Gathers the material and forks; returns it in the sandbox's first process, and `None` in this one.
pub(super) fn prepare(socket: &OwnedFd, setup: &Setup) -> Result<Option<Material>, Failure> {
    for group in &setup.groups {
        fs::write(group, "0").during(format!("enter the control group `{}`", group.display()))?;
    }
    let users = UserNamespace::of(setup.users).during("make a user namespace")?;
    users.isolate_mounts().during("make a mount namespace")?;
    let (material, changes) = gather(setup, &users)?;
    users.enter().during("enter the user namespace")?;
    match sys::fork(SANDBOX).during("make the namespaces")? {
        Some(pid) => {
            let pid = pid.as_raw_nonzero().get();
            frame::send(socket, &Report::Staged { pid }, changes.into_iter().collect()).during("report")?;
            Ok(None)
        }
        // It has no use for the folder, which goes here.
        None => Ok(Some(material)),
    }
}

/// Mounts a disk for whoever reads what its sandbox changed, and gives the folder to the server.
pub(super) fn show_disk(socket: &OwnedFd, order: &DiskToShow) -> Result<(), Failure> {
    UserNamespace::isolate_mounts_of_root().during("make a mount namespace")?;
    make_scratch(&order.scratch)?;
    let place = mount_disk(&order.scratch, &order.disk, MountFlags::RDONLY)?;
    let upper = fs::File::open(place.join("upper")).during("open what the sandbox changed")?;
    frame::send(socket, &Report::Shown, vec![upper.into()]).during("report")
}

/// The sandbox's first process is to be the server's child, not the stage's, which ends.
const SANDBOX: libc::c_int = sys::SANDBOX_NAMESPACES | libc::CLONE_PARENT;

fn make_scratch(folder: &Path) -> Result<(), Failure> {
    mount("tmpfs", folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
        .during("mount a file system in memory")
}

/// Returns the material, and the folder with what the sandbox changes where nobody else sees that.
fn gather(setup: &Setup, users: &UserNamespace) -> Result<(Material, Option<OwnedFd>), Failure> {
    let scratch = &setup.scratch;
    make_scratch(scratch)?;
    let root = scratch.join(ROOT);
    fs::create_dir(&root).during("make a folder")?;
    let changes = mount_image(setup, users, &root)?;
    let mut mounts = Vec::new();
    for bind in &setup.binds {
        let tree = users.open(bind).during(format!("take `{}` into the sandbox", bind.source.display()))?;
        mounts.push((bind.target.clone(), tree));
    }
    let device = |name: &&str| {
        let path = Path::new("/dev").join(name);
        clone_tree(&path, false).during(format!("take `{}` into the sandbox", path.display()))
    };
    rustix::process::chdir(&root).during("change the folder")?;
    let devices = DEVICES.iter().map(device).collect::<Result<_, _>>()?;
    Ok((Material { mounts, devices }, changes.map(OwnedFd::from)))
}

/// Mounts the image's layers with the sandbox's changes on top; returns the folder of these where nobody else sees it.
fn mount_image(setup: &Setup, users: &UserNamespace, root: &Path) -> Result<Option<fs::File>, Failure> {
    let mut lower = Vec::new();
    for (n, layer) in setup.layers.iter().enumerate() {
        let step = || format!("take the layer `{}`", layer.display());
        let place = setup.scratch.join(n.to_string());
        fs::create_dir(&place).during(step())?;
        let bind = Bind { source: layer.clone(), target: PathBuf::new(), read_only: true, owner: 0 };
        let tree = users.open(&bind).during(step())?;
        move_mount(&tree, "", CWD, &place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).during(step())?;
        lower.push(n.to_string());
    }
    // The highest one is named first. Names are numbers, as those of 500 layers have to fit on a page, and the two
    // descriptors keep the machine's paths out of what a sandbox reads about its mounts.
    lower.reverse();
    let open = |path: &Path| fs::File::open(path).during(format!("open `{}`", path.display()));
    let (upper, work) = match &setup.disk {
        Some(disk) => make_folders(&mount_disk(&setup.scratch, disk, MountFlags::empty())?, setup.users)?,
        None => (setup.upper.clone(), setup.work.clone()),
    };
    let (upper, work) = (open(&upper)?, open(&work)?);
    let path = |file: &fs::File| format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let attributes = match setup.users {
        Users::Range(_) => "",
        Users::Own => ",userxattr",
    };
    let options = format!("lowerdir={},upperdir={},workdir={}{attributes}", lower.join(":"), path(&upper), path(&work));
    rustix::process::chdir(&setup.scratch).during("change the folder")?;
    mount("sandbox", root, "overlay", MountFlags::NODEV, Some(cstring(&options)).as_deref())
        .during("lay the image's layers over each other")?;
    Ok(setup.disk.as_ref().map(|_| upper))
}

/// Mounts the disk of a sandbox, where nobody else sees it; returns the place.
fn mount_disk(scratch: &Path, disk: &Path, flags: MountFlags) -> Result<PathBuf, Failure> {
    let step = || format!("mount the disk `{}`", disk.display());
    let open = |path: &Path| fs::File::options().read(true).write(true).open(path);
    let (file, control) = (open(disk).during(step())?, open(Path::new("/dev/loop-control")).during(step())?);
    // The device keeps it locked as long as it is there: two mounts at once would spoil it.
    capped::lock(&file).during(format!("use the disk `{}`", disk.display()))?;
    let (device, path) = sys::attach_loop(&control, &file).during("make a block device of the disk")?;
    let place = scratch.join("disk");
    fs::create_dir(&place).during(step())?;
    let flags = flags | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    // Tables that were never used need not be written, and what is removed inside is given back outside.
    mount(path, &place, "ext4", flags, c"noinit_itable,discard").during(step())?;
    // From here on the mount keeps it.
    drop(device);
    Ok(place)
}

/// Makes the two folders of a sandbox on its disk, if they are not there.
fn make_folders(place: &Path, users: Users) -> Result<(PathBuf, PathBuf), Failure> {
    let step = || "make the folders of the disk";
    let (upper, work) = (place.join("upper"), place.join("work"));
    if let (false, Users::Range(first)) = (upper.is_dir(), users) {
        let draft = place.join("upper.new");
        fs::create_dir_all(&work).during(step())?;
        fs::create_dir_all(&draft).during(step())?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).during(step())?;
        std::os::unix::fs::chown(&draft, Some(first), Some(first)).during(step())?;
        fs::rename(draft, &upper).during(step())?;
    }
    Ok((upper, work))
}

fn cstring(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).expect("made of numbers and words")
}

/// The user namespace of a sandbox.
#[derive(Debug)]
enum UserNamespace {
    /// Made by root: mounts are made outside of it, and mapped into it.
    Range { first: u32, namespace: OwnedFd },
    /// Made by an ordinary user, and entered at once: it is what gives the right to mount.
    Own,
}

impl UserNamespace {
    fn of(users: Users) -> io::Result<Self> {
        Ok(match users {
            Users::Range(first) => Self::Range { first, namespace: with_mapping(0, first)? },
            Users::Own => Self::Own,
        })
    }

    fn isolate_mounts(&self) -> io::Result<()> {
        match self {
            Self::Range { .. } => return Self::isolate_mounts_of_root(),
            Self::Own => become_root_of_one_user(UnshareFlags::NEWNS)?,
        }
        keep_mounts_private()
    }

    fn isolate_mounts_of_root() -> io::Result<()> {
        sys::unshare(UnshareFlags::NEWNS)?;
        keep_mounts_private()
    }

    /// Opens what is to be bound as a mount that hangs nowhere, with owners that the sandbox knows.
    fn open(&self, bind: &Bind) -> io::Result<OwnedFd> {
        let change = MountChange { read_only: bind.read_only, no_devices: true, ..MountChange::default() };
        if let Self::Range { first, namespace } = self {
            let tree = clone_tree(&bind.source, false)?;
            let mapping;
            let owners = if bind.owner == 0 {
                namespace.as_fd()
            } else {
                mapping = with_mapping(bind.owner, *first)?;
                mapping.as_fd()
            };
            sys::change_mount(&tree, &MountChange { owners: Some(owners), ..change })?;
            Ok(tree)
        } else {
            let tree = clone_tree(&bind.source, true)?;
            sys::change_mount(&tree, &MountChange { recursive: true, ..change })?;
            Ok(tree)
        }
    }

    fn enter(&self) -> io::Result<()> {
        if let Self::Range { namespace, .. } = self {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
            rustix::thread::set_thread_groups(&[])?;
            rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
            rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
        }
        Ok(())
    }
}

/// Makes a user namespace in which this process's user is root, and there is no other; and further ones.
pub(super) fn become_root_of_one_user(further: UnshareFlags) -> io::Result<()> {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    sys::unshare(UnshareFlags::NEWUSER | further)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))
}

fn keep_mounts_private() -> io::Result<()> {
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

fn clone_tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(CWD, path, flags)?)
}

/// Makes a user namespace in which `inside` and the numbers after it are `outside` and those after it.
///
/// Somebody has to be in it for it to be opened: a child that waits.
fn with_mapping(inside: u32, outside: u32) -> io::Result<OwnedFd> {
    let (mut held, release) = io::pipe()?;
    let Some(child) = sys::fork(libc::CLONE_NEWUSER)? else {
        drop(release);
        let _ = held.read(&mut [0]);
        process::exit(0);
    };
    let result = map(child, inside, outside);
    drop(release);
    waitpid(Some(child), WaitOptions::empty())?;
    result
}

fn map(child: Pid, inside: u32, outside: u32) -> io::Result<OwnedFd> {
    let folder = PathBuf::from(format!("/proc/{}", child.as_raw_nonzero()));
    let line = format!("{inside} {outside} {RANGE_LENGTH}");
    for name in ["uid_map", "gid_map"] {
        fs::File::options().write(true).open(folder.join(name))?.write_all(line.as_bytes())?;
    }
    Ok(fs::File::open(folder.join("ns/user"))?.into())
}

/// Attaches a mount that hangs nowhere.
pub(super) fn attach(tree: BorrowedFd<'_>, place: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

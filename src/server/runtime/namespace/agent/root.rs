//! The file tree of a sandbox, built from inside.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create, fsmount, fsopen, mount,
    mount_bind_recursive, mount_remount, unmount,
};
use rustix::process::{chdir, pivot_root};

use super::super::protocol::Setup;
use super::super::sys;
use super::stage::{DEVICES, Material, ROOT, attach};
use super::{During as _, Failure};

/// What of `/proc` tells about the machine, or about the kernel's secrets.
const MASKED_FILES: &[&str] =
    &["kcore", "keys", "key-users", "kmsg", "kallsyms", "timer_list", "sched_debug", "latency_stats", "sysrq-trigger"];

const MASKED_FOLDERS: &[&str] = &["acpi", "asound", "scsi"];

/// What of `/proc` changes the machine.
const READ_ONLY: &[&str] = &["sys", "irq", "bus", "fs", "driver", "tty"];

/// How many files there may be in shared memory: each takes a kilobyte of the kernel's own.
const SHARED_FILES: u32 = 65_536;

/// Makes the material the root of this process, with nothing of the machine left beside it.
pub(super) fn build(setup: &Setup, material: &Material) -> Result<(), Failure> {
    rustix::process::setsid().during("leave the server's session")?;
    rustix::system::sethostname(setup.hostname.as_bytes()).during("set the host name")?;
    sys::bring_loopback_up().during("bring the loopback interface up")?;
    // The kernel lets a user namespace have a new `/proc` only while it sees the whole of another one.
    let proc = new_proc().during("make a /proc")?;
    change_root().during("change the root")?;

    folder("/proc").and_then(|()| attach(proc.as_fd(), Path::new("/proc"))).during("mount /proc")?;
    devices(&material.devices).during("make /dev")?;
    let options = format!("mode=1777,size={},nr_inodes={SHARED_FILES}", setup.shared_memory);
    let options = CString::new(options).expect("made of numbers and words");
    temporary("/dev/shm", &options).during("mount /dev/shm")?;
    for (place, tree) in &material.mounts {
        place_mount(place, tree).during(format!("mount `{}`", place.display()))?;
    }
    // Namespaces inside of namespaces are where kernels have their holes.
    fs::write("/proc/sys/user/max_user_namespaces", "0").during("forbid more user namespaces")?;
    mask_proc().during("mask /proc")
}

fn new_proc() -> io::Result<OwnedFd> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn change_root() -> io::Result<()> {
    // The stage left this process there: the folders above belong to the machine, and are closed to it. What came with
    // the namespace is locked where it is; a mount of its own on top can be moved.
    mount_bind_recursive(".", ".")?;
    chdir(Path::new("..").join(ROOT))?;
    pivot_root(".", ".")?;
    // The old root lies on top of the new one now.
    unmount(".", UnmountFlags::DETACH)?;
    Ok(chdir("/")?)
}

fn devices(nodes: &[OwnedFd]) -> io::Result<()> {
    // Room for the nodes and links, and not for a way around the limits of disk and memory.
    temporary("/dev", c"mode=0755,size=64k,nr_inodes=256")?;
    for (name, node) in DEVICES.iter().zip(nodes) {
        let place = Path::new("/dev").join(name);
        File::create(&place)?;
        attach(node.as_fd(), &place)?;
    }
    folder("/dev/pts")?;
    mount("devpts", "/dev/pts", "devpts", NO_PROGRAMS, c"newinstance,ptmxmode=0666,mode=0620")?;
    for (name, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, Path::new("/dev").join(name))?;
    }
    Ok(())
}

const NO_PROGRAMS: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC);

/// Mounts a file system in memory.
fn temporary(place: &str, options: &std::ffi::CStr) -> io::Result<()> {
    folder(place)?;
    Ok(mount("tmpfs", place, "tmpfs", NO_PROGRAMS | MountFlags::NODEV, options)?)
}

/// Attaches a file or a folder, making the place for it if need be.
fn place_mount(place: &Path, tree: &OwnedFd) -> io::Result<()> {
    let status = rustix::fs::fstat(tree)?;
    if rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(place)?;
    } else {
        fs::create_dir_all(place.parent().unwrap_or(Path::new("/")))?;
        File::options().create(true).append(true).open(place)?;
    }
    attach(tree.as_fd(), place)
}

fn folder(place: &str) -> io::Result<()> {
    match fs::create_dir(place) {
        Ok(()) => fs::set_permissions(place, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn mask_proc() -> io::Result<()> {
    let there = |name: &&&str| Path::new("/proc").join(name).exists();
    for name in MASKED_FILES.iter().filter(there) {
        mount_bind_recursive("/dev/null", Path::new("/proc").join(name))?;
    }
    for name in MASKED_FOLDERS.iter().filter(there) {
        let flags = NO_PROGRAMS | MountFlags::NODEV | MountFlags::RDONLY;
        mount("tmpfs", Path::new("/proc").join(name), "tmpfs", flags, c"mode=0555")?;
    }
    for name in READ_ONLY.iter().filter(there) {
        let path = Path::new("/proc").join(name);
        mount_bind_recursive(&path, &path)?;
        mount_remount(&path, MountFlags::BIND | MountFlags::RDONLY | NO_PROGRAMS | MountFlags::NODEV, c"")?;
    }
    Ok(())
}

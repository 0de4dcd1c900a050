//! The system calls that no crate offers as safe functions.
//!
//! All `unsafe` of the server is in this file. What is here does one call each and decides nothing.

#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Gid, Pid, Uid};
use rustix::thread::UnshareFlags;
use tokio::io::unix::AsyncFd;

/// The namespaces that a sandbox's first process is made in, beside its user namespace.
pub(super) const SANDBOX_NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// Forks this process into new namespaces; returns the child's id to the parent and `None` to the child.
///
/// `flags` are those of clone(2). The process must have one thread only, as the child has no other.
pub(super) fn fork(flags: libc::c_int) -> io::Result<Option<Pid>> {
    debug_assert_eq!(flags & (libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_SETTLS), 0);
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    let none: libc::c_long = 0;
    // SAFETY: without CLONE_VM and with no stack of its own, the child goes on with a copy of this process, as after
    // fork(2); the pointers that are null are not used without their flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    match i32::try_from(pid) {
        Ok(pid) if pid >= 0 => Ok(Pid::from_raw(pid)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Moves this process into new namespaces.
pub(super) fn unshare(namespaces: UnshareFlags) -> io::Result<()> {
    debug_assert!(!namespaces.contains(UnshareFlags::FILES));
    // SAFETY: the table of open files stays shared, which is the one thing that could make others' descriptors dangle.
    Ok(unsafe { rustix::thread::unshare_unsafe(namespaces) }?)
}

/// What to change of a mount.
#[derive(Debug, Default)]
pub(super) struct MountChange<'a> {
    /// Whether to make it read-only.
    pub(super) read_only: bool,
    /// Whether to ignore device nodes on it.
    pub(super) no_devices: bool,
    /// The user namespace whose numbers its owners are mapped by.
    pub(super) owners: Option<BorrowedFd<'a>>,
    /// Whether to change what is mounted below it too.
    pub(super) recursive: bool,
}

/// Changes a mount that is not attached yet. Set-user-id bits count for nothing on it in any case.
pub(super) fn change_mount(mount: impl AsFd, change: &MountChange<'_>) -> io::Result<()> {
    let mut attributes = libc::MOUNT_ATTR_NOSUID;
    if change.read_only {
        attributes |= libc::MOUNT_ATTR_RDONLY;
    }
    if change.no_devices {
        attributes |= libc::MOUNT_ATTR_NODEV;
    }
    let mut request = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    if let Some(owners) = change.owners {
        request.attr_set |= libc::MOUNT_ATTR_IDMAP;
        request.userns_fd = u64::try_from(owners.as_raw_fd()).expect("descriptors are not negative");
    }
    let depth = if change.recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a constant that ends in a nought, and `request` lives through the call, whose size is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            &raw const request,
            mem::size_of_val(&request),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Brings the loopback interface of this process's network namespace up.
pub(super) fn bring_loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: all-zero bytes are a valid `ifreq`, which is plain data.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = (*from).cast_signed();
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).expect("the lowest bit");
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, which lives through the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whom a command runs as: a user, its group, and what other groups it is in.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) user: Uid,
    pub(super) group: Gid,
    pub(super) others: Vec<Gid>,
}

/// Makes a command the leader of a session of its own, whose terminal is its standard input if `takes_terminal`, and
/// which runs as somebody else if that is given.
pub(super) fn in_its_own_session(command: &mut Command, takes_terminal: bool, identity: Option<Identity>) {
    let prepare = move || {
        rustix::process::setsid()?;
        if takes_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        if let Some(Identity { user, group, others }) = &identity {
            // The user last, with whom the right to change goes.
            rustix::thread::set_thread_groups(others)?;
            rustix::thread::set_thread_res_gid(*group, *group, *group)?;
            rustix::thread::set_thread_res_uid(*user, *user, *user)?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only; it takes no lock and no memory. It runs in the only thread that the
    // child has, which the last calls change.
    unsafe { command.pre_exec(prepare) };
}

/// Makes a block device of a file, which is there as long as somebody has it open or mounted; returns its number and
/// the device.
pub(super) fn attach_loop(control: &File, file: &File) -> io::Result<(File, PathBuf)> {
    let config = LoopConfig { file: file.as_raw_fd().cast_unsigned(), flags: LO_FLAGS_AUTOCLEAR, ..LoopConfig::EMPTY };
    loop {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::options().read(true).write(true).open(&path)?;
        // SAFETY: LOOP_CONFIGURE reads a `struct loop_config`, which lives through the call.
        if unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) } == 0 {
            return Ok((device, path));
        }
        let error = io::Error::last_os_error();
        // Somebody else was faster.
        if error.kind() != io::ErrorKind::ResourceBusy {
            return Err(error);
        }
    }
}

const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// The kernel's `struct loop_config`, of <linux/loop.h>; what stays zero has no name.
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_size: u32,
    device_inode_offset_size: [u64; 5],
    number_encryption: [u32; 3],
    flags: u32,
    names_key_init: [u64; 22],
    reserved: [u64; 8],
}

impl LoopConfig {
    const EMPTY: Self = Self {
        file: 0,
        block_size: 0,
        device_inode_offset_size: [0; 5],
        number_encryption: [0; 3],
        flags: 0,
        names_key_init: [0; 22],
        reserved: [0; 8],
    };
}

/// Its size is part of what the kernel promises not to change.
const _: () = assert!(mem::size_of::<LoopConfig>() == 304);

/// Lets the async runtime watch a descriptor.
pub(super) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` that nobody takes out of the `AsyncFd` stays open, and the same, as long as that is there.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

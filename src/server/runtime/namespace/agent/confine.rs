//! What a sandbox's processes may not do, the first one included: it gives its rights up before it takes requests, and
//! what it starts inherits the lack of them.

use std::collections::BTreeMap;
use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use super::super::protocol::Setup;
use super::{During as _, Failure};

/// What root of a sandbox may do, to what is the sandbox's own: what package managers and servers cannot do without.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// The calls that a sandbox has no need of, and through which kernels have been broken.
const DENIED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
];

/// The flags of clone(2) that make namespaces. `CLONE_NEWTIME` shares its bit with the signal that a child sends, so
/// that only unshare(2) and clone3(2) can have it.
const NAMESPACE_FLAGS: &[libc::c_int] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// The families of sockets that end at the sandbox's own network.
const FAMILIES: &[libc::c_int] = &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Gives this process's rights up.
pub(super) fn apply(setup: &Setup) -> Result<(), Failure> {
    limit(Resource::Nofile, setup.open_files).during("limit the number of open files")?;
    if let Some(processes) = setup.processes {
        limit(Resource::Nproc, processes).during("limit the number of processes")?;
    }
    drop_capabilities().during("drop capabilities")?;
    rustix::thread::set_no_new_privs(true).during("forbid new privileges")?;
    filter_calls().during("filter system calls")?;
    // Nobody else in the sandbox can look into this process then, and take its socket. And it ends with the server:
    // this comes last, as a change of rights takes the wish back.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during("close this process")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during("end with the server")
}

fn limit(resource: Resource, limit: u64) -> io::Result<()> {
    let allowed = rustix::process::getrlimit(resource).maximum.unwrap_or(limit);
    let limit = Some(limit.min(allowed));
    Ok(rustix::process::setrlimit(resource, Rlimit { current: limit, maximum: limit })?)
}

fn drop_capabilities() -> io::Result<()> {
    for capability in CapabilitySet::all().difference(KEPT) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // An older kernel does not know it.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let sets = CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

fn filter_calls() -> io::Result<()> {
    for program in [refused()?, unknown()?, other_abi()?] {
        seccompiler::apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// The filter for calls that fail as forbidden.
fn refused() -> io::Result<BpfProgram> {
    let mut rules: BTreeMap<_, Vec<SeccompRule>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let flags = NAMESPACE_FLAGS.iter().map(|&flag| {
        let flag = u64::from(flag.cast_unsigned());
        rule(vec![SeccompCondition::new(0, Length::Qword, Op::MaskedEq(flag), flag)])
    });
    rules.insert(libc::SYS_clone, flags.collect::<io::Result<_>>()?);
    let other =
        |&family: &libc::c_int| SeccompCondition::new(0, Length::Dword, Op::Ne, u64::from(family.cast_unsigned()));
    let others = rule(FAMILIES.iter().map(other).collect())?;
    rules.insert(libc::SYS_socket, vec![others.clone()]);
    rules.insert(libc::SYS_socketpair, vec![others]);
    // Typing into a terminal on behalf of somebody else.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX]
        .map(|request| rule(vec![SeccompCondition::new(1, Length::Dword, Op::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<io::Result<_>>()?);
    compile(rules, libc::EPERM)
}

/// The filter for calls that are not there: programs fall back to those that can be looked into.
fn unknown() -> io::Result<BpfProgram> {
    compile(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn rule(conditions: Vec<Result<SeccompCondition, seccompiler::BackendError>>) -> io::Result<SeccompRule> {
    let conditions = conditions.into_iter().collect::<Result<_, _>>().map_err(io::Error::other)?;
    SeccompRule::new(conditions).map_err(io::Error::other)
}

fn compile(rules: BTreeMap<libc::c_long, Vec<SeccompRule>>, answer: libc::c_int) -> io::Result<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let answer = SeccompAction::Errno(answer.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

/// Makes the filter for the numbers of the x32 ABI: they have a bit of their own, by which they would pass the others.
fn other_abi() -> io::Result<BpfProgram> {
    let instruction = |code: u32, jf: u8, k: u32| {
        let code = u16::try_from(code).map_err(io::Error::other)?;
        Ok(sock_filter { code, jt: 0, jf, k })
    };
    // Load the number of the call, the first field of what a filter sees, and jump over the refusal if it is small.
    [
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
        (libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        (libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ]
    .into_iter()
    .map(|(code, jf, k)| instruction(code, jf, k))
    .collect()
}

/// The bit of the numbers of the x32 ABI.
const X32: u32 = 0x4000_0000;

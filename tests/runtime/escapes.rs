//! Ways out of a sandbox, tried from inside by its root. Each test is one that some runtime has had open.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use sbx::server::runtime::Mount;
use sbx::types::VolumeId;

use crate::bench::{Bench, command, finish, sh, start};

/// Runs a script in a new sandbox; returns its output, from both streams.
async fn said(script: &str) -> String {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let done = sh(&sandbox, &format!("exec 2>&1\n{script}")).await;
    sandbox.destroy().await;
    done.stdout.trim().to_owned()
}

/// Makes a system call in a new sandbox; returns the error number, 0 for none.
async fn errno(call: libc::c_long, arguments: &str) -> i32 {
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let script = format!(
        "import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(4096)
address = ctypes.addressof(buffer)
result = libc.syscall(ctypes.c_long({call}), {arguments})
print(ctypes.get_errno() if result == -1 else 0, flush=True)
os._exit(0)"
    );
    let session = sandbox.exec(command(&["python3", "-c", &script])).await.expect("python starts");
    let done = finish(session).await;
    sandbox.destroy().await;
    done.stdout.trim().parse().unwrap_or_else(|_| panic!("{done:?}"))
}

macro_rules! refused_calls {
    ($($name:ident: $call:ident($arguments:expr) is $errno:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            engine!();
            assert_eq!(errno(libc::$call, $arguments).await, libc::$errno);
        }
    )*};
}

refused_calls! {
    cannot_mount: SYS_mount("b'none', b'/mnt', b'tmpfs', 0, 0") is EPERM;
    cannot_unmount: SYS_umount2("b'/proc/sys', 2") is EPERM;
    cannot_mount_the_new_way: SYS_fsopen("b'tmpfs', 0") is EPERM;
    cannot_clone_a_mount: SYS_open_tree("-100, b'/', 1") is EPERM;
    cannot_change_a_mount: SYS_mount_setattr("-100, b'/usr', 0, address, 32") is EPERM;
    cannot_pivot: SYS_pivot_root("b'/', b'/'") is EPERM;
    cannot_unshare_users: SYS_unshare("0x10000000") is EPERM;
    cannot_clone_into_a_user_namespace: SYS_clone("0x10000000 | 17, 0, 0, 0, 0") is EPERM;
    cannot_clone_into_a_network: SYS_clone("0x40000000 | 17, 0, 0, 0, 0") is EPERM;
    cannot_clone_into_mounts: SYS_clone("0x00020000 | 17, 0, 0, 0, 0") is EPERM;
    clone3_is_not_there: SYS_clone3("address, 88") is ENOSYS;
    cannot_enter_a_namespace: SYS_setns("0, 0") is EPERM;
    cannot_trace: SYS_ptrace("16, 1, 0, 0") is EPERM;
    cannot_read_memory: SYS_process_vm_readv("1, address, 1, address, 1, 0") is EPERM;
    cannot_steal_a_descriptor: SYS_pidfd_getfd("0, 0, 0") is EPERM;
    cannot_load_programs_into_the_kernel: SYS_bpf("0, address, 64") is EPERM;
    cannot_measure_the_machine: SYS_perf_event_open("address, 0, -1, -1, 0") is EPERM;
    cannot_use_keys: SYS_keyctl("0, -3, 1") is EPERM;
    cannot_add_a_key: SYS_add_key("b'user', b'k', b'v', 1, -3") is EPERM;
    cannot_use_io_uring: SYS_io_uring_setup("1, address") is EPERM;
    cannot_handle_page_faults: SYS_userfaultfd("0") is EPERM;
    cannot_load_modules: SYS_init_module("address, 16, b''") is EPERM;
    cannot_boot_another_kernel: SYS_kexec_load("0, 0, 0, 0") is EPERM;
    cannot_reboot: SYS_reboot("0xfee1dead, 672274793, 0x01234567, 0") is EPERM;
    cannot_set_the_clock: SYS_settimeofday("address, 0") is EPERM;
    cannot_rename_the_host: SYS_sethostname("b'x', 1") is EPERM;
    cannot_open_files_by_handle: SYS_open_by_handle_at("0, address, 0") is EPERM;
    cannot_read_the_kernels_log: SYS_syslog("3, address, 4096") is EPERM;
    cannot_swap: SYS_swapoff("b'/x'") is EPERM;
    cannot_make_a_device: SYS_mknod("b'/home/user/disk', 0o60600, 0xfe00") is EPERM;
    cannot_make_a_device_of_memory: SYS_mknod("b'/home/user/mem', 0o20600, 0x0101") is EPERM;
    cannot_sniff_packets: SYS_socket("17, 3, 0") is EPERM;
    cannot_talk_to_a_hypervisor: SYS_socket("40, 1, 0") is EPERM;
    cannot_reach_the_kernels_cipher: SYS_socket("38, 5, 0") is EPERM;
    cannot_send_raw_packets: SYS_socket("2, 3, 1") is EPERM;
    cannot_type_into_a_terminal: SYS_ioctl("0, 0x5412, b'x'") is EPERM;
}

#[tokio::test]
async fn cannot_use_numbers_of_another_abi() {
    engine!();
    // `mount`, by the number that it has for programs of the x32 ABI.
    assert_eq!(errno(0x4000_0000 | libc::SYS_mount, "0").await, libc::ENOSYS);
}

#[tokio::test]
async fn root_is_not_root_outside() {
    engine!();
    let map = said("cat /proc/self/uid_map").await;
    let numbers: Vec<u32> = map.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    assert_eq!(numbers[0], 0, "{map}");
    assert_ne!(numbers[1], 0, "{map}");
}

#[tokio::test]
async fn sandboxes_of_root_share_no_users() {
    engine!();
    let bench = Bench::new().await;
    let (one, other) = (bench.sandbox(1).await, bench.sandbox(2).await);
    let map = "cat /proc/self/uid_map";
    let (first, second) = (sh(&one, map).await.stdout, sh(&other, map).await.stdout);
    assert_eq!(first == second, !crate::bench::is_root(), "{first} {second}");
    one.destroy().await;
    other.destroy().await;
}

#[tokio::test]
async fn cannot_write_what_rules_the_machine() {
    engine!();
    for path in ["/proc/sys/kernel/panic", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"] {
        let said = said(&format!("if echo 1 > {path}; then echo WRITTEN; fi")).await;
        assert!(!said.contains("WRITTEN") && !said.is_empty(), "{path}: {said}");
    }
}

#[tokio::test]
async fn sysrq_does_nothing() {
    engine!();
    // It is a place where bytes vanish, so that writing may well work.
    let said = said("if test -e /proc/sysrq-trigger; then stat -c %t:%T /proc/sysrq-trigger; else echo none; fi").await;
    assert!(["1:3", "none"].contains(&said.as_str()), "{said}");
}

#[tokio::test]
async fn cannot_read_the_kernels_memory_or_keys() {
    engine!();
    assert_eq!(said("cat 2>/dev/null /proc/kcore /proc/keys /proc/key-users /proc/kallsyms | wc -c").await, "0");
}

#[tokio::test]
async fn has_no_sys() {
    engine!();
    assert_eq!(said("ls -A /sys").await, "");
}

#[tokio::test]
async fn sees_its_own_processes_only() {
    engine!();
    let processes = said("for name in /proc/[0-9]*/comm; do read name < $name; echo $name; done").await;
    assert_eq!(processes.lines().collect::<Vec<_>>(), ["sbx", "sh"]);
}

#[tokio::test]
async fn cannot_signal_the_server() {
    engine!();
    let said = said(&format!("kill -0 {} && echo REACHED", std::process::id())).await;
    assert!(!said.contains("REACHED"), "{said}");
}

#[tokio::test]
async fn cannot_kill_its_first_process() {
    engine!();
    assert_eq!(said("kill -9 1; kill -TERM 1; echo alive").await, "alive");
}

#[tokio::test]
async fn cannot_look_into_its_first_process() {
    engine!();
    for path in ["environ", "maps", "mem", "fd/0", "root/etc/passwd", "exe"] {
        let said = said(&format!("if head -c 1 /proc/1/{path} | grep -q .; then echo READ; fi")).await;
        assert!(!said.contains("READ"), "{path}: {said}");
    }
}

#[tokio::test]
async fn cannot_see_files_of_the_machine() {
    engine!();
    let outside = tempfile::NamedTempFile::new().expect("a temporary file");
    let path = outside.path().display();
    let said = said(&format!("ls {path} /etc/shadow /etc/ssh /var/lib /boot | cat; ls -A /root | wc -l")).await;
    assert_eq!(said.matches("No such file").count(), 5, "{said}");
    assert!(said.ends_with("\n0"), "{said}");
}

#[tokio::test]
async fn sees_no_sockets_of_the_machine() {
    engine!();
    assert_eq!(said("find / -xdev -type s; find /run -mindepth 1; grep -c / /proc/net/unix").await, "0");
}

#[tokio::test]
async fn sees_no_paths_of_the_machine() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let folder = bench.folder.path().display().to_string();
    let done = sh(&sandbox, "grep -E 'sandbox|overlay' /proc/self/mountinfo").await;
    assert!(!done.stdout.is_empty(), "the root is a mount");
    assert!(!done.stdout.contains(&folder), "{}", done.stdout);
    sandbox.destroy().await;
}

#[tokio::test]
async fn has_nothing_of_the_servers_environment() {
    engine!();
    let names = said("env | cut -d= -f1 | sort | tr '\\n' ' '").await;
    assert_eq!(names, "HOME LANG PATH PWD USER");
}

#[tokio::test]
async fn cannot_reach_a_port_of_the_machine() {
    engine!();
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("is bound").port();
    let script = format!("python3 -c \"import socket; socket.create_connection(('127.0.0.1', {port}))\"");
    let said = said(&script).await;
    assert!(said.contains("ConnectionRefusedError"), "{said}");
}

#[tokio::test]
async fn cannot_reach_the_metadata_address_or_any_network() {
    engine!();
    for address in ["169.254.169.254", "10.0.0.1", "8.8.8.8"] {
        let script = format!("python3 -c \"import socket; socket.create_connection(('{address}', 80))\"");
        let said = said(&script).await;
        assert!(said.contains("Network is unreachable"), "{address}: {said}");
    }
}

#[tokio::test]
async fn cannot_reach_another_sandbox() {
    engine!();
    let bench = Bench::new().await;
    let (one, other) = (bench.sandbox(1).await, bench.sandbox(2).await);
    let script = "import socket, time
s = socket.create_server(('0.0.0.0', 8000)); print('up', flush=True); s.accept()";
    let mut listening = one.exec(command(&["python3", "-c", script])).await.expect("python starts");
    listening.output.recv().await.expect("it says that it is up");
    assert!(other.dial(8000).await.is_err());
    assert!(one.dial(8000).await.is_ok());
    one.destroy().await;
    other.destroy().await;
}

#[tokio::test]
async fn has_nine_capabilities_and_gains_none() {
    engine!();
    let status = said("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await;
    for line in status.lines() {
        let (name, value) = line.split_once(":\t").expect("a name and a value");
        match name {
            "NoNewPrivs" => assert_eq!(value, "1"),
            "Seccomp" => assert_eq!(value, "2"),
            _ => {
                let set = u64::from_str_radix(value, 16).expect("a set");
                assert!(set.count_ones() <= 9, "{line}");
            }
        }
    }
    assert_eq!(status.lines().count(), 7, "{status}");
}

#[tokio::test]
async fn has_no_room_for_user_namespaces() {
    engine!();
    assert_eq!(said("cat /proc/sys/user/max_user_namespaces").await, "0");
}

#[tokio::test]
async fn cannot_change_the_machines_programs() {
    engine!();
    let said = said("touch /usr/bin/new; rm -f /bin/sh; echo '#' >> /usr/bin/env; ls -l /bin/sh | wc -l").await;
    // An ordinary user is refused for what the files' owner is, before the mount counts.
    let refused = said.lines().filter(|line| line.contains("Read-only file") || line.contains("Permission denied"));
    assert_eq!(refused.count(), 3, "{said}");
    assert!(said.ends_with("\n1"), "{said}");
}

#[tokio::test]
async fn has_no_disks() {
    engine!();
    assert_eq!(said("find /dev | while read path; do test -b $path && echo $path; done").await, "");
}

#[tokio::test]
async fn has_harmless_devices_only() {
    engine!();
    // Not by what the folder says of them: each is mounted over a file.
    let devices = said("for path in /dev/*; do test -c $path && printf '%s ' $path; done").await;
    assert_eq!(devices, "/dev/full /dev/null /dev/ptmx /dev/random /dev/tty /dev/urandom /dev/zero");
}

#[tokio::test]
async fn sees_no_control_groups() {
    engine!();
    assert_eq!(said("grep -c -v ':/$' /proc/self/cgroup; find / -xdev -name cgroup.procs").await, "0");
}

#[tokio::test]
async fn cannot_reach_an_abstract_socket_of_the_machine() {
    engine!();
    let name = format!("sbx-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("nobody else has it");
    let script = format!("python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')\"");
    let said = said(&script).await;
    assert!(said.contains("ConnectionRefusedError"), "{said}");
}

#[tokio::test]
async fn a_set_user_id_bit_gives_nothing() {
    engine!();
    let script = "cp /usr/bin/id id && chmod 4755 id && chmod 755 . && python3 -c \"
import os
try:
    os.setgroups([]); os.setgid(1000); os.setuid(1000)
except OSError:
    print('has one user only', flush=True)
else:
    os.execv('./id', ['id', '-u'])
\"";
    let expected = if crate::bench::is_root() { "1000" } else { "has one user only" };
    assert_eq!(said(script).await, expected);
}

#[tokio::test]
async fn a_change_of_the_root_leads_nowhere_outside() {
    engine!();
    let outside = tempfile::NamedTempFile::new().expect("a temporary file");
    let script = format!(
        "python3 -c \"
import os
top = os.open('/', os.O_RDONLY)
os.mkdir('cage'); os.chroot('cage'); os.fchdir(top)
for _ in range(64): os.chdir('..')
os.chroot('.')
print(os.path.exists('/usr/bin/python3'), os.path.exists('{}'))
\"",
        outside.path().display()
    );
    assert_eq!(said(&script).await, "True False");
}

#[tokio::test]
async fn cannot_raise_the_number_of_open_files() {
    engine!();
    assert_eq!(said("ulimit -Hn 1000000 && echo RAISED; ulimit -Hn").await.lines().last(), Some("16384"));
}

#[tokio::test]
async fn a_link_leads_nowhere_outside() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let outside = bench.folder.path().join("outside.txt");
    sh(&sandbox, &format!("ln -s {} link; ln -s /../../../../etc/shadow shadow", outside.display())).await;
    assert!(sandbox.read("/home/user/shadow").await.is_err());
    let content = std::io::Cursor::new(b"from inside".to_vec());
    let _ = sandbox.write("/home/user/link", Box::new(content)).await;
    assert!(!outside.exists());
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_pipe_or_a_device_is_no_file() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    sh(&sandbox, "mkfifo pipe").await;
    assert!(sandbox.read("/home/user/pipe").await.is_err());
    assert!(sandbox.read("/dev/zero").await.is_err());
    sandbox.destroy().await;
}

#[tokio::test]
async fn a_mount_point_that_became_a_link_leads_nowhere_outside() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let target = bench.folder.path().join("victim");
    std::fs::create_dir(&target).expect("a folder");
    sh(&sandbox, &format!("ln -s {} /data", target.display())).await;
    drop(sandbox);
    let mounts = vec![Mount { volume: VolumeId::new("v1"), path: "/data".to_owned(), read_only: false }];
    let spec = sbx::server::runtime::LaunchSpec { mounts, ..crate::bench::spec() };
    // Whether it starts does not matter; where it writes does.
    if let Ok(sandbox) = bench.runtime.launch(&crate::bench::id(1), &spec).await {
        sh(&sandbox, "echo inside > /data/file").await;
        sandbox.destroy().await;
    }
    assert_eq!(std::fs::read_dir(&target).expect("is there").count(), 0);
}

#[tokio::test]
async fn what_it_leaves_running_ends_with_it() {
    engine!();
    let bench = Bench::new().await;
    let sandbox = bench.sandbox(1).await;
    let session = start(&sandbox, "setsid setsid sleep 4242.4242 </dev/null >/dev/null 2>&1 & sleep 0.2").await;
    finish(session).await;
    assert!(outside("4242.4242"));
    sandbox.destroy().await;
    assert!(!outside("4242.4242"));
}

/// Returns whether a process of the machine has this word on its command line.
fn outside(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("is mounted");
    let lines = processes.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line.split('\0').any(|argument| argument == word))
}

//! Control groups of machines that are not here: version 1, version 2, both, and none.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;

use super::groups::{Amounts, Groups};
use super::owner::Owner;
use super::plan::{Controller, Missing, Plan, Version, plan};
use super::sweep;
use super::tree::Tree;

const AMOUNTS: Amounts = Amounts { memory_bytes: 64 << 20, millicores: 500, processes: 100 };

/// Version 1, and version 2 beside it with nothing of use, as Debian 10 and WSL have it.
const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:1 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const HYBRID_OWN: &str = "8:pids:/\n4:memory:/jobs/one\n1:cpu,cpuacct:/\n0::/\n";

const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
const UNIFIED_OWN: &str = "0::/user.slice/one.scope\n";
const SCOPE: &str = "/sys/fs/cgroup/user.slice/one.scope";

#[expect(clippy::unnecessary_wraps, reason = "as what reads the file, which may not be there")]
fn all(_: &Path) -> Option<String> {
    Some("cpuset cpu io memory pids\n".to_owned())
}

/// Returns the version, the own folder and the number of controllers of each hierarchy.
fn shape(plan: &Plan) -> Vec<(Version, &str, usize)> {
    let shape = plan.hierarchies.iter().map(|it| (it.version, it.own.to_str().expect("text"), it.controllers.len()));
    shape.collect()
}

fn missing(plan: &Plan) -> Vec<&Missing> {
    plan.missing.iter().map(|(_, missing)| missing).collect()
}

#[test]
fn version_1_has_a_hierarchy_for_each() {
    let plan = plan(HYBRID, HYBRID_OWN, |_| Some(String::new()));
    let expected = [
        (Version::One, "/sys/fs/cgroup/memory/jobs/one", 1),
        (Version::One, "/sys/fs/cgroup/cpu,cpuacct", 1),
        (Version::One, "/sys/fs/cgroup/pids", 1),
    ];
    assert_eq!(shape(&plan), expected);
    assert_eq!(plan.missing, []);
}

#[test]
fn version_2_has_one_for_all() {
    let plan = plan(UNIFIED, UNIFIED_OWN, all);
    assert_eq!(shape(&plan), [(Version::Two, SCOPE, 3)]);
}

#[test]
fn on_a_hybrid_machine_each_controller_has_its_own_version() {
    let mounts = HYBRID.lines().filter(|line| !line.contains("pids")).collect::<Vec<_>>().join("\n");
    let plan = plan(&mounts, HYBRID_OWN, |_| Some("pids hugetlb".to_owned()));
    assert_eq!(shape(&plan)[2], (Version::Two, "/sys/fs/cgroup/unified", 1));
}

#[test]
fn what_was_not_delegated_is_missing() {
    let plan = plan(UNIFIED, UNIFIED_OWN, |_| Some("memory pids".to_owned()));
    assert_eq!(shape(&plan), [(Version::Two, SCOPE, 2)]);
    assert_eq!(plan.missing, [(Controller::Cpu, Missing::NotDelegated)]);
}

#[test]
fn a_machine_may_have_none() {
    let plan = plan("24 1 0:21 / /proc rw - proc proc rw\nno mount at all\n", "", all);
    assert_eq!(missing(&plan), [&Missing::NotMounted; 3]);
}

#[test]
fn a_container_sees_them_read_only_or_not_at_all() {
    let read_only = UNIFIED.replace("rw,nosuid", "ro,nosuid");
    assert_eq!(missing(&plan(&read_only, "0::/\n", all)), [&Missing::ReadOnly; 3]);
    // It was moved out of what its namespace shows.
    assert_eq!(missing(&plan(UNIFIED, "0::/../other\n", all)), [&Missing::OutOfSight; 3]);
    // Version 1 without a namespace: only the container's own part is mounted.
    let part = HYBRID.replace("0:32 / ", "0:32 /docker/abc ");
    let own = HYBRID_OWN.replace("/jobs/one", "/docker/abc/below");
    assert_eq!(shape(&plan(&part, &own, all))[0].1, "/sys/fs/cgroup/memory/below");
    assert_eq!(missing(&plan(&part, HYBRID_OWN, all)), [&Missing::OutOfSight]);
}

#[test]
fn a_blank_in_a_path_is_one() {
    let mounts = UNIFIED.replace("/sys/fs/cgroup", "/a\\040place");
    assert_eq!(shape(&plan(&mounts, "0::/x\n", all)), [(Version::Two, "/a place/x", 3)]);
}

#[test]
fn the_leaf_of_a_server_stands_for_the_group_around_it() {
    let plan = plan(UNIFIED, "0::/user.slice/one.scope/sbx-server\n", all);
    assert_eq!(shape(&plan), [(Version::Two, SCOPE, 3)]);
}

/// A kernel's groups, with its rules of who may do what where.
#[derive(Debug, Default)]
struct Double(Mutex<BTreeMap<PathBuf, Node>>);

#[derive(Debug, Clone, Default)]
struct Node {
    version_2: bool,
    is_writable: bool,
    controllers: Vec<String>,
    delegated: Vec<String>,
    processes: Vec<String>,
    files: BTreeMap<String, String>,
    /// How often it is in use still though nobody is in it.
    busy: u32,
}

impl Double {
    fn with(nodes: &[(&str, Node)]) -> Arc<Self> {
        let nodes = nodes.iter().map(|(path, node)| (PathBuf::from(path), node.clone()));
        Arc::new(Self(Mutex::new(nodes.collect())))
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.0.lock().expect("no test panicked with it")
    }

    fn file(&self, path: &str) -> String {
        let path = Path::new(path);
        self.read(path).unwrap_or_else(|error| panic!("{}: {error}\n{:#?}", path.display(), self.nodes()))
    }
}

fn split(file: &Path) -> (PathBuf, String) {
    let name = file.file_name().expect("a file").to_string_lossy().into_owned();
    (file.parent().expect("in a folder").to_owned(), name)
}

/// The files that the tests look at, by controller and version.
fn files(node: &Node) -> BTreeMap<String, String> {
    let names = node.controllers.iter().flat_map(|controller| match (controller.as_str(), node.version_2) {
        ("memory", false) => ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
        ("memory", true) => ["memory.max", "memory.swap.max"],
        ("cpu", false) => ["cpu.cfs_period_us", "cpu.cfs_quota_us"],
        ("cpu", true) => ["cpu.max", "cpu.weight"],
        _ => ["pids.max", "pids.current"],
    });
    names.map(|name| (name.to_owned(), "max".to_owned())).collect()
}

impl Tree for Double {
    fn make(&self, folder: &Path) -> io::Result<()> {
        let mut nodes = self.nodes();
        if nodes.contains_key(folder) {
            return Err(Errno::EXIST.into());
        }
        let above = nodes.get(folder.parent().expect("in a folder")).ok_or(Errno::NOENT)?;
        if !above.is_writable {
            return Err(Errno::ACCESS.into());
        }
        let controllers = if above.version_2 { above.delegated.clone() } else { above.controllers.clone() };
        let mut node = Node { version_2: above.version_2, is_writable: true, controllers, ..Node::default() };
        node.files = files(&node);
        nodes.insert(folder.to_owned(), node);
        Ok(())
    }

    fn read(&self, file: &Path) -> io::Result<String> {
        let (folder, name) = split(file);
        let nodes = self.nodes();
        let node = nodes.get(&folder).ok_or(Errno::NOENT)?;
        match name.as_str() {
            "cgroup.procs" => Ok(node.processes.join("\n")),
            _ => Ok(node.files.get(&name).ok_or(Errno::NOENT)?.clone()),
        }
    }

    fn write(&self, file: &Path, text: &str) -> io::Result<()> {
        let (folder, name) = split(file);
        let mut nodes = self.nodes();
        let node = nodes.get_mut(&folder).ok_or(Errno::NOENT)?;
        if !node.is_writable {
            return Err(Errno::ACCESS.into());
        }
        match name.as_str() {
            "cgroup.procs" => {
                assert_eq!(text, "0");
                let own = std::process::id().to_string();
                if !node.delegated.is_empty() {
                    return Err(Errno::BUSY.into());
                }
                nodes.values_mut().for_each(|node| node.processes.retain(|pid| *pid != own));
                nodes.get_mut(&folder).expect("it is there").processes.push(own);
            }
            "cgroup.subtree_control" => {
                let controller = text.trim_start_matches('+').to_owned();
                if !node.controllers.contains(&controller) {
                    return Err(Errno::NOENT.into());
                }
                if !node.processes.is_empty() {
                    return Err(Errno::BUSY.into());
                }
                node.delegated.push(controller);
            }
            _ => *node.files.get_mut(&name).ok_or(Errno::NOENT)? = text.to_owned(),
        }
        Ok(())
    }

    fn remove(&self, folder: &Path) -> io::Result<()> {
        let mut nodes = self.nodes();
        let has_children = nodes.keys().any(|path| path.parent() == Some(folder));
        let node = nodes.get_mut(folder).ok_or(Errno::NOENT)?;
        if has_children || !node.processes.is_empty() || node.busy > 0 {
            node.busy = node.busy.saturating_sub(1);
            return Err(Errno::BUSY.into());
        }
        nodes.remove(folder);
        Ok(())
    }

    fn children(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.nodes().keys().filter(|path| path.parent() == Some(folder)).cloned().collect())
    }
}

fn node(version_2: bool, is_writable: bool, processes: &[&str]) -> Node {
    let controllers = ["memory", "cpu", "pids"].map(str::to_owned).to_vec();
    let processes = processes.iter().map(|&pid| pid.to_owned()).collect();
    let node = Node { version_2, is_writable, controllers, processes, ..Node::default() };
    Node { files: files(&node), ..node }
}

fn own_id() -> String {
    std::process::id().to_string()
}

fn open(plan: Plan, tree: &Arc<Double>) -> (Arc<Groups>, Vec<(Controller, Missing)>) {
    let (groups, missing) = Groups::open(plan, "sbx-1", Arc::clone(tree) as Arc<dyn Tree>);
    (Arc::new(groups), missing)
}

#[test]
fn a_sandbox_is_limited_in_version_1_and_leaves_nothing() {
    let folders = ["/sys/fs/cgroup/memory/jobs/one", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/pids"];
    let tree = Double::with(&folders.map(|folder| (folder, node(false, true, &[&own_id()]))));
    let (groups, missing) = open(plan(HYBRID, HYBRID_OWN, all), &tree);
    assert_eq!(missing, []);
    let group = groups.make("a", AMOUNTS).expect("it can be made");
    assert_eq!(group.entrances()[0], Path::new("/sys/fs/cgroup/memory/jobs/one/sbx-1/a/cgroup.procs"));
    for (file, value) in [
        ("memory/jobs/one/sbx-1/a/memory.limit_in_bytes", "67108864"),
        ("memory/jobs/one/sbx-1/a/memory.memsw.limit_in_bytes", "67108864"),
        ("cpu,cpuacct/sbx-1/a/cpu.cfs_period_us", "20000"),
        ("cpu,cpuacct/sbx-1/a/cpu.cfs_quota_us", "10000"),
        ("pids/sbx-1/a/pids.max", "100"),
    ] {
        assert_eq!(tree.file(&format!("/sys/fs/cgroup/{file}")), value, "{file}");
    }
    drop((group, groups));
    assert_eq!(tree.nodes().len(), folders.len(), "{:#?}", tree.nodes());
}

#[test]
fn a_server_alone_in_its_unit_moves_into_a_leaf() {
    let tree = Double::with(&[(SCOPE, node(true, true, &[&own_id()]))]);
    let (groups, missing) = open(plan(UNIFIED, UNIFIED_OWN, all), &tree);
    assert_eq!(missing, []);
    assert_eq!(tree.file(&format!("{SCOPE}/sbx-server/cgroup.procs")).trim(), own_id());
    let group = groups.make("a", AMOUNTS).expect("it can be made");
    let file = |name: &str| tree.file(&format!("{SCOPE}/sbx-1/a/{name}"));
    assert_eq!(file("memory.max"), "67108864");
    assert_eq!(file("memory.swap.max"), "0");
    assert_eq!(file("cpu.max"), "10000 20000");
    assert_eq!(file("pids.max"), "100");
    drop((group, groups));
    // A second time, as after a trial.
    let (_, missing) = open(plan(UNIFIED, "0::/user.slice/one.scope/sbx-server\n", all), &tree);
    assert_eq!(missing, []);
}

#[test]
fn a_server_beside_a_shell_uses_the_group_above() {
    let above = "/sys/fs/cgroup/user.slice";
    let scope = node(true, true, &[&own_id(), "77"]);
    let tree = Double::with(&[(above, node(true, true, &[])), (SCOPE, scope)]);
    let (groups, missing) = open(plan(UNIFIED, UNIFIED_OWN, all), &tree);
    assert_eq!(missing, []);
    let group = groups.make("a", AMOUNTS).expect("it can be made");
    assert_eq!(group.entrances(), [PathBuf::from(format!("{above}/sbx-1/a/cgroup.procs"))]);
    assert_eq!(tree.file(&format!("{SCOPE}/cgroup.procs")).lines().count(), 2, "nobody was moved");
}

#[test]
fn the_limit_of_a_group_is_not_evaded() {
    let mut scope = node(true, true, &[&own_id(), "77"]);
    scope.files.insert("memory.max".to_owned(), "2147483648".to_owned());
    let tree = Double::with(&[("/sys/fs/cgroup/user.slice", node(true, true, &[])), (SCOPE, scope)]);
    let (_, missing) = open(plan(UNIFIED, UNIFIED_OWN, all), &tree);
    assert_eq!(missing, Controller::ALL.map(|controller| (controller, Missing::Shared)));
}

#[test]
fn a_login_session_of_a_user_is_roots() {
    let scope = node(true, false, &[&own_id(), "77"]);
    let tree = Double::with(&[(SCOPE, scope)]);
    let (groups, missing) = open(plan(UNIFIED, UNIFIED_OWN, all), &tree);
    let refused = |(_, missing): &(_, Missing)| matches!(missing, Missing::Refused { version: Version::Two, .. });
    assert!(missing.len() == 3 && missing.iter().all(refused), "{missing:?}");
    let group = groups.make("a", AMOUNTS).expect("there is nothing to be made");
    assert_eq!(group.entrances(), Vec::<PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_in_use_is_removed_later() {
    let tree = Double::with(&[("/sys/fs/cgroup/pids", node(false, true, &[]))]);
    let mounts = HYBRID.lines().find(|line| line.contains("pids")).expect("it has one");
    let (groups, missing) = open(plan(mounts, HYBRID_OWN, all), &tree);
    assert_eq!(missing.len(), 2);
    let set_busy = |name: &str, busy| {
        let path = Path::new("/sys/fs/cgroup/pids/sbx-1").join(name);
        tree.nodes().get_mut(&path).expect("it is there").busy = busy;
    };
    let [soon, late] = ["soon", "late"].map(|name| groups.make(name, AMOUNTS).expect("it can be made"));
    set_busy("soon", 3);
    soon.remove().await;
    set_busy("late", 20);
    late.remove().await;
    let left = || tree.children(Path::new("/sys/fs/cgroup/pids/sbx-1")).expect("it is there").len();
    assert_eq!(left(), 1);
    set_busy("late", 0);
    // Whoever is removed next takes along what was left.
    groups.make("next", AMOUNTS).expect("it can be made").remove().await;
    drop((soon, late));
    drop(groups);
    assert_eq!(tree.nodes().len(), 1);
}

#[test]
fn a_sweep_removes_what_is_written_down_and_nothing_else() {
    let empty = node(false, true, &[]);
    let ours = ["/cg/sbx-1", "/cg/sbx-1/a", "/cg/sbx-1/b"];
    let others = ["/cg", "/cg/sbx-2", "/cg/sbx-2/a", "/cg/theirs", "/cg/theirs/a"];
    let nodes: Vec<_> = ours.iter().chain(&others).map(|&path| (path, empty.clone())).collect();
    let tree = Double::with(&nodes);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let record = folder.path().join("groups");
    std::fs::write(&record, "/cg/sbx-1\n/cg/theirs\nsbx-2\n/cg/sbx-gone\n").expect("it can be written");
    sweep::recorded(&record, &*tree).expect("it can be read");
    assert_eq!(tree.nodes().len(), others.len(), "{:#?}", tree.nodes());
    assert!(!record.exists());
    sweep::recorded(&record, &*tree).expect("nothing to do is no failure");
}

#[test]
fn a_sweep_takes_what_the_dead_left_and_nobody_is_in() {
    let this = Owner::this().expect("it is known");
    let dead = Owner { process: 2_000_000_000, ..this };
    let unseen = Owner { namespace: this.namespace + 1, ..dead };
    let group = |owner: Owner, data: &str| format!("/cg/{}", owner.name_for(Path::new(data)));
    let (left, busy) = (group(dead, "/left"), group(dead, "/busy"));
    let (left_below, busy_below) = (format!("{left}/a"), format!("{busy}/a"));
    let stay = [busy.clone(), group(this, "/a"), group(unseen, "/a"), "/cg/sbx-server".to_owned()];
    let trial = format!("/cg/{}", dead.name_for_trial());
    let empty = node(false, true, &[]);
    let mut nodes: Vec<_> = stay.iter().map(|path| (path.as_str(), empty.clone())).collect();
    nodes.extend([("/cg", empty.clone()), (&left, empty.clone()), (&left_below, empty.clone()), (&trial, empty)]);
    nodes.push((&busy_below, node(false, true, &["77"])));
    let tree = Double::with(&nodes);
    sweep::abandoned(std::iter::once(Path::new("/cg")), this, &*tree);
    let there: BTreeSet<_> = tree.nodes().keys().map(|path| path.display().to_string()).collect();
    let stay: BTreeSet<_> = stay.into_iter().chain(["/cg".to_owned(), busy_below]).collect();
    assert_eq!(there, stay);
}

#[test]
fn a_group_that_somebody_tidied_away_is_made_again_with_all_it_had() {
    let tree = Double::with(&[(SCOPE, node(true, true, &[&own_id()]))]);
    let (groups, _) = open(plan(UNIFIED, UNIFIED_OWN, all), &tree);
    tree.remove(&Path::new(SCOPE).join("sbx-1")).expect("nobody is in it");
    let _group = groups.make("a", AMOUNTS).expect("it can be made");
    assert_eq!(tree.file(&format!("{SCOPE}/sbx-1/a/memory.max")), "67108864");
}

//! Finding out what works on this machine, by doing it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::process::geteuid;
use tokio::sync::OnceCell;

use super::NamespaceRuntime;
use super::cgroup::{self, Groups};
use super::disk::{Disks, Trial};
use super::host::Host;
use super::launch::unschedulable;
use super::limits::Limits;
use crate::server::egress::Egress;
use crate::server::images::{Fallback, ImageOptions};
use crate::server::runtime::{Instance as _, LaunchError, LaunchSpec, Unavailable};
use crate::types::{ByteSize, Cpu, SandboxId};

/// The smallest disk there is.
const DISK: &str = "16Mi";

/// Starts a sandbox in a folder beside the real ones, and ends it; returns what limits it could be held to.
pub(in super::super) async fn try_out(data: &Path, program: &Path) -> Result<Limits, Unavailable> {
    let trial = Trial::new(data).map_err(Unavailable::Setup)?;
    in_folder(&trial.path(), program).await
}

async fn in_folder(folder: &Path, program: &Path) -> Result<Limits, Unavailable> {
    let (groups, missing) = cgroup::try_out().map_err(Unavailable::Setup)?;
    let groups = Arc::new(groups);
    let is_root = geteuid().is_root();
    let counts_processes = !is_root && counts_by_namespace();
    let of = |controller| {
        let missing = missing.iter().find(|(missing, _)| *missing == controller);
        missing.map_or_else(|| Ok(groups.version_of(controller).expect("it is there")), |(_, why)| Err(why.clone()))
    };
    let judge = |disk| Limits::judge(of, (is_root, counts_processes), disk);

    let failed = |error: LaunchError| Unavailable::Setup(io::Error::other(error));
    let without = || Err("an ordinary user cannot mount a file system of its own".to_owned());
    if !is_root {
        let limits = judge(without());
        launch(folder, program, &groups, &limits).await.map_err(failed)?;
        return Ok(limits);
    }
    let limits = judge(Ok(()));
    let Err(error) = launch(folder, program, &groups, &limits).await else { return Ok(limits) };
    // Is it the disk?
    let limits = judge(Err(error.to_string()));
    launch(folder, program, &groups, &limits).await.map_err(failed)?;
    Ok(limits)
}

async fn launch(folder: &Path, program: &Path, groups: &Arc<Groups>, limits: &Limits) -> Result<(), LaunchError> {
    let spec = LaunchSpec {
        image: "host".to_owned(),
        cpu: "1".parse::<Cpu>().expect("a quantity"),
        memory: "64Mi".parse::<ByteSize>().expect("a quantity"),
        storage: Some(DISK.parse().expect("a quantity")),
        mounts: Vec::new(),
        files: None,
        workdir: None,
        user: None,
    };
    let images = ImageOptions::new().fallback(Fallback::Host);
    let disks = Disks::open(folder.to_owned()).map_err(|error| unschedulable("set a trial up", &error))?;
    let runtime = NamespaceRuntime::new(disks, program.to_owned(), images, &Egress::None, limits.clone());
    let mut runtime = runtime.map_err(|error| unschedulable("set a trial up", &io::Error::other(error)))?;
    runtime.groups = OnceCell::from(Arc::clone(groups));
    let host = Host::make_bare(runtime.disks.host_image());
    runtime.host = OnceCell::from(host.map_err(|error| unschedulable("set a trial up", &error))?);
    let sandbox = runtime.launch_sandbox(&SandboxId::new("trial"), &spec).await?;
    sandbox.destroy().await;
    Ok(())
}

/// Returns whether the kernel counts the processes of a user namespace apart from those that its user has elsewhere:
/// since Linux 5.14. Before, a limit would be that of all that the user runs.
fn counts_by_namespace() -> bool {
    kernel_version().is_some_and(|version| version >= (5, 14))
}

/// Returns the first two numbers of the kernel's version.
pub(in super::super) fn kernel_version() -> Option<(u32, u32)> {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().ok()?.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

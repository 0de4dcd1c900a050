//! The agent: what the program does as the first process of a sandbox.
//!
//! The server starts its own program again with one argument, and a socket as its standard input. What comes up is at
//! first a stage on the machine's side ([`stage`]), which gathers what needs the machine's paths and rights; it forks
//! into the sandbox's namespaces and ends. Its child is the sandbox's process 1: it builds the file tree ([`root`]),
//! gives up its rights ([`confine`]), and then does what the server asks for ([`serve`]). It starts commands, so that
//! these have no rights but those that it kept.

mod account;
mod archive;
mod command;
mod confine;
mod files;
mod root;
mod search;
mod serve;
mod stage;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use super::frame::{self, Incoming};
use super::protocol::{Order, Report, Setup, Users, VERSION};
use account::Account;
use command::Home;

/// The argument that makes the program an agent.
pub(super) const ARGUMENT: &str = "__init";

/// Becomes the agent of a sandbox if that is what this process was started for.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let asked = arguments.next().as_deref() == Some(OsStr::new(ARGUMENT)) && arguments.next().is_none();
    asked.then(run)
}

fn run() -> ExitCode {
    // Without a server there is nobody to tell what is wrong.
    let Ok((socket, order, fds)) = receive_order() else { return ExitCode::FAILURE };
    let result = match order {
        Order::SetUp(setup) => match become_sandbox(&socket, &setup) {
            Ok(Next::Stage) => Ok(()),
            Ok(Next::Sandbox(account, proxy)) => {
                let home = Home { workdir: setup.workdir, account, has_users: setup.users != Users::Own };
                serve::until_told_to_end(socket, home, proxy);
                return ExitCode::SUCCESS;
            }
            Err(failure) => Err(failure),
        },
        Order::Archive { version } => is_understood(version).and_then(|()| archive::write(&socket, fds)),
        Order::ShowDisk(disk) => is_understood(disk.version).and_then(|()| stage::show_disk(&socket, &disk)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let report = Report::Failed { step: failure.step, cause: (&failure.source).into() };
            let _ = frame::send(&socket, &report, Vec::new());
            ExitCode::FAILURE
        }
    }
}

/// Takes the socket away from where commands would inherit it, and reads what to do.
fn receive_order() -> io::Result<(OwnedFd, Order, Vec<OwnedFd>)> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let (order, fds) = frame::receive(&socket, &mut Incoming::default())?;
    Ok((socket, order, fds))
}

fn is_understood(version: u32) -> Result<(), Failure> {
    if version == VERSION {
        return Ok(());
    }
    let reason = format!("the server speaks version {version} and the agent {VERSION}");
    Err(io::Error::other(reason)).during("understand the server")
}

fn become_sandbox(socket: &OwnedFd, setup: &Setup) -> Result<Next, Failure> {
    is_understood(setup.version)?;
    let Some(material) = stage::prepare(socket, setup)? else { return Ok(Next::Stage) };
    root::build(setup, &material)?;
    let account = match &setup.user {
        // Then there is one user only, whoever that is called.
        Some(user) if setup.users != Users::Own => {
            Account::find(user).during(format!("find the image's user `{user}`"))?
        }
        _ => Account::root(),
    };
    for folder in [&setup.home, &setup.workdir] {
        let made = files::make_folders(folder, (account.user, account.group));
        made.during(format!("make `{}`", folder.display()))?;
    }
    confine::apply(setup)?;
    // Before any command can ask for it, or take its place.
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let proxy = setup.proxy.map(listen).transpose().during("listen for the proxy")?;
    frame::send(socket, &Report::Ready, Vec::new()).during("report")?;
    Ok(Next::Sandbox(account, proxy))
}

/// What a process goes on as.
enum Next {
    /// The work of this process is done.
    Stage,
    /// This process is the sandbox's first one. Commands run as this user; it listens for the proxy if there is one.
    Sandbox(Account, Option<TcpListener>),
}

/// A step that failed.
#[derive(Debug)]
struct Failure {
    /// What was to be done, to be read after "cannot".
    step: String,
    source: io::Error,
}

/// Says what was being done when something failed.
trait During<T> {
    fn during(self, step: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|source| Failure { step: step.into(), source: source.into() })
    }
}

//! Doing what the server asks for.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, LocalSet};

use super::super::frame::{Incoming, Outgoing};
use super::super::protocol::{Answer, Call, Report, Request};
use super::super::sys;
use super::command::{Commands, Home};
use super::{files, search};

/// How many threads read and write files at most. They wait for disks only, never for who takes or sends a file.
const FILE_THREADS: usize = 16;

/// How many searches go on at a time: they leave most of the threads to files that are read and written.
const SEARCHES: usize = 4;

/// How long a thread for files is kept. Where commands have taken all the processes that there may be, none can be
/// started: one that is there serves all the same.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// How many reports wait to be sent.
const REPORTS: usize = 64;

/// How long to wait after a failed accept: the usual reason is that the process has no descriptor left.
const AFTER_ACCEPT_FAILURE: Duration = Duration::from_millis(100);

type Reports = mpsc::Sender<Outgoing>;

/// Serves until the server closes the socket, or breaks the protocol.
pub(super) fn until_told_to_end(socket: OwnedFd, home: Home, proxy: Option<std::net::TcpListener>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .thread_keep_alive(FOREVER)
        .build();
    let Ok(runtime) = runtime else { return };
    // There is nobody to be told how it ended.
    let _ = LocalSet::new().block_on(&runtime, serve(socket, home, proxy));
    // Threads that read for somebody who takes nothing would hold the process up.
    runtime.shutdown_background();
}

async fn serve(socket: OwnedFd, home: Home, proxy: Option<std::net::TcpListener>) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    let socket = Rc::new(sys::watch(socket)?);
    let (reports, outgoing) = mpsc::channel(REPORTS);
    let mut children = signal(SignalKind::child())?;
    tokio::task::spawn_blocking(|| ()).await.map_err(io::Error::other)?;
    let mut tasks = JoinSet::new();
    tasks.spawn_local(send_all(Rc::clone(&socket), outgoing));
    if let Some(proxy) = proxy {
        proxy.set_nonblocking(true)?;
        tasks.spawn_local(hand_over(TcpListener::from_std(proxy)?, reports.clone()));
    }
    let mut commands = Commands::new(home);
    let mut incoming = Incoming::default();
    let searches = Rc::new(Semaphore::new(SEARCHES));
    loop {
        tokio::select! {
            is_there = socket.async_io(Interest::READABLE, |fd| incoming.receive_some(fd.as_fd())) => {
                if !is_there? {
                    return Ok(());
                }
                while let Some((request, fds)) = incoming.take()? {
                    take_up(request, fds, &mut commands, &mut tasks, &reports, &searches).await?;
                }
            }
            _ = children.recv() => {
                while let Some((id, code)) = commands.reap() {
                    report(&reports, &Report::Exited { id, code }, Vec::new()).await?;
                }
            }
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn take_up(
    Request { id, call }: Request,
    fds: Vec<OwnedFd>,
    commands: &mut Commands,
    tasks: &mut JoinSet<()>,
    reports: &Reports,
    searches: &Rc<Semaphore>,
) -> io::Result<()> {
    let mut fds = fds.into_iter();
    match call {
        Call::Exec(exec) => {
            let (result, terminal) = match commands.start(id, exec, fds.collect()) {
                Ok(started) => (Ok(Answer::Started { pid: started.pid }), started.terminal),
                Err(error) => (Err((&error).into()), None),
            };
            report(reports, &Report::Reply { id, result }, terminal.into_iter().collect()).await?;
        }
        Call::Kill => commands.kill(id),
        Call::Read { path } => {
            let to = fds.next().ok_or(io::ErrorKind::InvalidData)?;
            let reports = reports.clone();
            tasks.spawn_local(async move {
                let (file, result) = match files::open(path).await {
                    Ok((file, size, modified)) => (Some(file), Ok(Answer::File { size, modified })),
                    Err(error) => (None, Err((&error).into())),
                };
                let _ = report(&reports, &Report::Reply { id, result }, Vec::new()).await;
                if let Some(file) = file {
                    files::send(file, to).await;
                }
            });
        }
        Call::Write { path } => {
            let (Some(content), Some(complete)) = (fds.next(), fds.next()) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let reports = reports.clone();
            let owner = commands.owner();
            tasks.spawn_local(async move {
                let result = files::receive(path, content, complete, id, owner).await;
                let result = result.map(|size| Answer::Written { size }).map_err(|error| (&error).into());
                let _ = report(&reports, &Report::Reply { id, result }, Vec::new()).await;
            });
        }
        Call::Glob(search) => {
            let end = Instant::now() + search.scope.time;
            tasks.spawn_local(search_for(id, searches.clone(), reports.clone(), move || {
                search::entries(&search, end).map(Answer::Entries)
            }));
        }
        Call::Grep(search) => {
            let end = Instant::now() + search.scope.time;
            tasks.spawn_local(search_for(id, searches.clone(), reports.clone(), move || {
                search::lines(&search, end).map(Answer::Lines)
            }));
        }
        Call::Dial { port } => {
            let reports = reports.clone();
            tasks.spawn_local(async move {
                let (result, connection) = match dial(port).await {
                    Ok(connection) => (Ok(Answer::Connected), Some(connection)),
                    Err(error) => (Err((&error).into()), None),
                };
                let _ = report(&reports, &Report::Reply { id, result }, connection.into_iter().collect()).await;
            });
        }
    }
    Ok(())
}

/// Searches on a thread when there is one to spare, and reports what was found.
async fn search_for<W>(id: u64, searches: Rc<Semaphore>, reports: Reports, work: W)
where
    W: FnOnce() -> io::Result<Answer> + Send + 'static,
{
    // Nobody closes it.
    let _turn = searches.acquire().await;
    let result = files::blocking(work).await.map_err(|error| (&error).into());
    let _ = report(&reports, &Report::Reply { id, result }, Vec::new()).await;
}

/// Connects to a port of the sandbox, whichever of the two loopback addresses it is on.
async fn dial(port: u16) -> io::Result<OwnedFd> {
    let addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    let mut result = TcpStream::connect(addresses[0]).await;
    if result.is_err() {
        result = TcpStream::connect(addresses[1]).await.or(result);
    }
    let stream = result?;
    let _ = stream.set_nodelay(true);
    Ok(stream.into_std()?.into())
}

/// Gives the server each connection to the proxy, as fast as it takes them.
async fn hand_over(proxy: TcpListener, reports: Reports) {
    loop {
        let connection = match proxy.accept().await {
            Ok((connection, _)) => connection.into_std(),
            Err(error) => Err(error),
        };
        let Ok(connection) = connection else {
            tokio::time::sleep(AFTER_ACCEPT_FAILURE).await;
            continue;
        };
        if report(&reports, &Report::Proxied, vec![connection.into()]).await.is_err() {
            return;
        }
    }
}

async fn report(reports: &Reports, report: &Report, fds: Vec<OwnedFd>) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    reports.send(Outgoing::new(report, fds)?).await.map_err(gone)
}

async fn send_all(socket: Rc<AsyncFd<OwnedFd>>, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(mut frame) = outgoing.recv().await {
        loop {
            match socket.async_io(Interest::WRITABLE, |fd| frame.send_some(fd.as_fd())).await {
                Ok(true) => break,
                Ok(false) => {}
                Err(_) => return,
            }
        }
    }
}

//! The runtime that runs nothing.

use std::future::{pending, ready};
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::AsyncRead;

use super::{
    DialError, Entry, EntrySearch, ExecError, ExecSpec, FileContent, FileError, Found, Instance, LaunchError,
    LaunchSpec, Line, LineSearch, Runtime, Session, Stream,
};
use crate::types::{SandboxId, VolumeId};

/// A runtime that starts no process: sandboxes become ready, and that is all they do.
///
/// It serves whoever needs the control plane only, on any platform. The server says so when it starts, and the data
/// plane of its sandboxes answers 501.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRuntime;

impl Runtime for NoRuntime {
    fn name(&self) -> &'static str {
        "none"
    }

    fn notice(&self) -> Option<&str> {
        Some("sandboxes become ready but run no process: their data plane answers 501")
    }

    fn has_data_plane(&self) -> BoxFuture<'_, bool> {
        Box::pin(ready(false))
    }

    fn prepare<'a>(&'a self, _image: &'a str) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(ready(Ok(())))
    }

    fn launch<'a>(
        &'a self,
        _id: &'a SandboxId,
        _spec: &'a LaunchSpec,
    ) -> BoxFuture<'a, Result<Arc<dyn Instance>, LaunchError>> {
        Box::pin(ready(Ok(Arc::new(Nothing) as Arc<dyn Instance>)))
    }

    fn recover<'a>(&'a self, _ids: &'a [SandboxId]) -> BoxFuture<'a, Vec<(SandboxId, Arc<dyn Instance>)>> {
        Box::pin(ready(Vec::new()))
    }

    fn discard<'a>(&'a self, _id: &'a SandboxId) -> BoxFuture<'a, ()> {
        Box::pin(ready(()))
    }

    fn discard_volume<'a>(&'a self, _id: &'a VolumeId) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(ready(Ok(())))
    }
}

/// A sandbox that is not there.
#[derive(Debug)]
struct Nothing;

impl Instance for Nothing {
    fn exec(&self, _spec: ExecSpec) -> BoxFuture<'_, Result<Session, ExecError>> {
        Box::pin(ready(Err(ExecError::Unsupported)))
    }

    fn read<'a>(&'a self, _path: &'a str) -> BoxFuture<'a, Result<FileContent, FileError>> {
        Box::pin(ready(Err(FileError::Unsupported)))
    }

    fn write<'a>(
        &'a self,
        _path: &'a str,
        _content: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, Result<u64, FileError>> {
        Box::pin(ready(Err(FileError::Unsupported)))
    }

    fn glob<'a>(&'a self, _search: &'a EntrySearch) -> BoxFuture<'a, Result<Found<Entry>, FileError>> {
        Box::pin(ready(Err(FileError::Unsupported)))
    }

    fn grep<'a>(&'a self, _search: &'a LineSearch) -> BoxFuture<'a, Result<Found<Line>, FileError>> {
        Box::pin(ready(Err(FileError::Unsupported)))
    }

    fn dial(&self, _port: u16) -> BoxFuture<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(ready(Err(DialError::Unsupported)))
    }

    fn halt(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn destroy(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    fn ended(&self) -> BoxFuture<'_, String> {
        Box::pin(pending())
    }

    fn has_ended(&self) -> bool {
        false
    }
}

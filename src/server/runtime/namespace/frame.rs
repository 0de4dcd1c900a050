//! Messages over a Unix socket, with descriptors.
//!
//! A frame is the length of its body and the number of its descriptors, four bytes each, and the body as JSON. The
//! kernel hands descriptors over not later than the first byte they were sent with, and in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body. The kernel takes arguments and environment of up to 2 MiB together; JSON may double them.
const LONGEST: usize = 8 << 20;

/// The most descriptors that go with one frame: the three of a command.
const MOST_FDS: usize = 3;

const HEADER: usize = 8;

const READ_AT_ONCE: usize = 16 << 10;

/// A message on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
    fds: Vec<OwnedFd>,
}

impl Outgoing {
    /// Encodes a message.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is too long, or holds a path that is not UTF-8.
    pub(super) fn new(message: &impl Serialize, fds: Vec<OwnedFd>) -> io::Result<Self> {
        assert!(fds.len() <= MOST_FDS, "a frame has at most {MOST_FDS} descriptors");
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
        let mut bytes = vec![0; HEADER];
        serde_json::to_writer(&mut bytes, message).map_err(|error| invalid(error.to_string()))?;
        let length = bytes.len() - HEADER;
        let header = u32::try_from(length).ok().filter(|_| length <= LONGEST);
        let header = header.ok_or_else(|| invalid(format!("a message of {length} bytes; at most {LONGEST}")))?;
        bytes[..4].copy_from_slice(&header.to_le_bytes());
        bytes[4..HEADER].copy_from_slice(&u32::try_from(fds.len()).expect("a few").to_le_bytes());
        Ok(Self { bytes, sent: 0, fds })
    }

    /// Sends what the socket takes; returns whether that was the rest.
    pub(super) fn send_some(&mut self, socket: impl AsFd) -> io::Result<bool> {
        let borrowed: Vec<_> = self.fds.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !borrowed.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&borrowed));
        }
        let rest = IoSlice::new(&self.bytes[self.sent..]);
        self.sent += sendmsg(socket, &[rest], &mut control, SendFlags::NOSIGNAL)?;
        self.fds.clear();
        Ok(self.sent == self.bytes.len())
    }
}

/// What came in and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Incoming {
    /// Receives what is there; returns whether the other side is still there.
    pub(super) fn receive_some(&mut self, socket: impl AsFd) -> io::Result<bool> {
        let mut buffer = [0; READ_AT_ONCE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        self.bytes.extend_from_slice(&buffer[..received.bytes]);
        Ok(received.bytes > 0)
    }

    /// Takes the first message, if all of it is there.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the bytes are no message: the two sides do not understand each other any more.
    pub(super) fn take<T: DeserializeOwned>(&mut self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let Some(header) = self.bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let (length, n_fds) = (number(&header[..4]), number(&header[4..]));
        if length > LONGEST || n_fds > MOST_FDS {
            return Err(invalid(format!("a frame of {length} bytes and {n_fds} descriptors")));
        }
        let Some(body) = self.bytes.get(HEADER..HEADER + length) else { return Ok(None) };
        let message = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
        if self.fds.len() < n_fds {
            return Err(invalid(format!("{n_fds} descriptors were announced, and {} came", self.fds.len())));
        }
        let fds = self.fds.drain(..n_fds).collect();
        self.bytes.drain(..HEADER + length);
        Ok(Some((message, fds)))
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

/// Sends a message over a socket that blocks.
pub(super) fn send(socket: impl AsFd, message: &impl Serialize, fds: Vec<OwnedFd>) -> io::Result<()> {
    let mut outgoing = Outgoing::new(message, fds)?;
    while !outgoing.send_some(socket.as_fd())? {}
    Ok(())
}

/// Receives a message over a socket that blocks.
pub(super) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
    incoming: &mut Incoming,
) -> io::Result<(T, Vec<OwnedFd>)> {
    loop {
        if let Some(received) = incoming.take()? {
            return Ok(received);
        }
        if !incoming.receive_some(socket.as_fd())? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

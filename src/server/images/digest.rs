//! Digests: what content is called, and how it is known to be what was promised.

use std::fmt::{self, Write as _};
use std::io::{self, Read};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::error::ImageError;

/// The digest of some content, such as `sha256:` and 64 hexadecimal digits: the one algorithm that is in use.
///
/// It is safe as the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest {
    hex: String,
}

impl Digest {
    /// Reads a digest; `None` for anything but 64 lower-case digits after `sha256:`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (hex.len() == 64 && hex.bytes().all(is_digit)).then(|| Self { hex: hex.to_owned() })
    }

    /// Returns the digest of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the digits alone.
    pub(super) fn hex(&self) -> &str {
        &self.hex
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex)
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
            .ok_or_else(|| format!("`{text}` is no digest: `sha256:` and 64 hexadecimal digits are expected"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Computes a digest of what comes by piece after piece.
pub(super) struct Hasher {
    context: Context,
}

impl Hasher {
    pub(super) fn new() -> Self {
        Self { context: Context::new(&SHA256) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        let mut hex = String::new();
        for byte in self.context.finish().as_ref() {
            write!(hex, "{byte:02x}").expect("a string takes everything");
        }
        Digest { hex }
    }
}

/// Reads on and computes the digest of what was read.
pub(super) struct Digesting<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Digesting<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new() }
    }

    /// Reads what is left, which must not be more than `limit`, and returns the digest of all.
    pub(super) fn finish_within(mut self, limit: u64) -> io::Result<Digest> {
        if io::copy(&mut (&mut self).take(limit), &mut io::sink())? == limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not end after its archive does"));
        }
        self.finish()
    }

    /// Reads what is left, and returns the digest of all.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finish())
    }
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// Checks that what was read is what was promised; `what` names it.
pub(super) fn agree(what: &str, expected: &Digest, found: &Digest) -> Result<(), ImageError> {
    if expected == found {
        return Ok(());
    }
    Err(ImageError::Digest { what: what.to_owned(), expected: expected.to_string(), found: found.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_digest_is_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::parse(empty), Some(Digest::of(b"")));
        assert_eq!(Digest::of(b"").to_string(), empty);
        let climbing = format!("sha256:../{}", &empty[10..]);
        for text in ["", "sha256:", &empty[1..], &empty[..70], &empty.to_uppercase(), &climbing] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_read_is_digested_to_the_end() {
        let mut reader = Digesting::new(&b"some content"[..]);
        let mut start = [0; 4];
        reader.read_exact(&mut start).expect("is long enough");
        assert_eq!(reader.finish().expect("reads"), Digest::of(b"some content"));
    }
}

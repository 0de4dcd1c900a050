//! Why an image cannot be used.

use std::error::Error;
use std::io;
use std::iter;
use std::path::{Path, PathBuf};

use super::super::runtime::{LaunchError, LaunchErrorKind};

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The reference is none.
    #[error("`{reference}` is no image reference: {reason}")]
    Reference {
        /// The reference.
        reference: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The image reads the host's disk where it may not.
    #[error("`{reference}` may not be used: {reason}")]
    NotAllowed {
        /// The reference.
        reference: String,
        /// Why not, and what would allow it.
        reason: String,
    },
    /// A file or folder of the host cannot be used.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was to be done with it.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Something is not what its format says.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// What is malformed.
        what: String,
        /// In what way.
        reason: String,
    },
    /// There is no image of that name or for this machine in what was found.
    #[error("{what} has no image {wanted}; it has {found}")]
    NoSuchImage {
        /// What was searched.
        what: String,
        /// What was wanted, such as `for linux/arm64`.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// What was read is not what its digest promises.
    #[error("{what} has the digest {found}, not {expected} as promised: fetch or write it again")]
    Digest {
        /// What was read.
        what: String,
        /// The promised digest.
        expected: String,
        /// The actual digest.
        found: String,
    },
    /// A layer cannot be unpacked.
    #[error("layer {layer} cannot be unpacked: {reason}")]
    Layer {
        /// The layer's digest.
        layer: String,
        /// What is in the way.
        reason: String,
    },
    /// A registry does not give the image.
    #[error("cannot pull `{reference}` from {registry}: {reason}")]
    Registry {
        /// The reference.
        reference: String,
        /// The registry's host.
        registry: String,
        /// The HTTP status that it answered with.
        status: Option<u16>,
        /// Whether it may give it at another time: it could not be reached, or failed.
        is_transient: bool,
        /// What it answered, or why it could not be asked, and what to do.
        reason: String,
    },
}

impl ImageError {
    /// Makes the error of a file or folder of the host.
    pub(super) fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { action, path: path.to_owned(), source }
    }
}

impl From<ImageError> for LaunchError {
    fn from(error: ImageError) -> Self {
        Self::new(LaunchErrorKind::ImagePull, format!("{error}{}", causes(&error)))
    }
}

/// Writes what caused an error, each cause after a colon.
pub(super) fn causes(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&error| error.source());
    causes.flat_map(|error| [": ".to_owned(), error.to_string()]).collect()
}

//! One file, from standard input or to standard output.

use sbx::client::Kind;

use super::Job;
use crate::failure::Failure;

impl Job<'_> {
    /// Writes standard input into a file of the sandbox, and returns how many files that were.
    pub(super) async fn take_in(&self, to: &str) -> Result<usize, Failure> {
        if to.ends_with('/') {
            return Err(Failure::usage(format!("what standard input has is no folder: name the file in `{to}`")));
        }
        let written = self.sandbox.write_from(to, tokio::io::stdin()).await;
        written.map_err(|error| self.workspace.failure(error))?;
        Ok(1)
    }

    /// Writes a file of the sandbox to standard output, and returns how many files that were.
    pub(super) async fn put_out(&self, from: &str) -> Result<usize, Failure> {
        let read = self.sandbox.read_to(from, &mut tokio::io::stdout()).await;
        let Err(error) = read else { return Ok(1) };
        // The server says only that it cannot be read.
        if error.is_a(Kind::Operation) && matches!(self.list(from).await, Ok(Some(_))) {
            return Err(Failure::Usage {
                message: format!("`{from}` is a folder, and `-` takes one file"),
                hint: Some(format!("pack it there: sbx exec {} -- tar c -C {from} .", self.sandbox.name)),
            });
        }
        Err(self.workspace.failure(error))
    }
}

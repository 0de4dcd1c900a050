//! `sbx cp`: files and folders, into a sandbox and out of it.

mod download;
mod stream;
mod upload;

use std::path::PathBuf;

use sbx::client::Sandbox;

use crate::args::SandboxPlace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::project::Access;
use crate::workspace::Workspace;

/// How many files are under way at once.
const PARALLEL: usize = 8;

/// Copy files and folders into a sandbox, or out of it
///
/// One side is SANDBOX:PATH, where a relative path starts at the home directory. A folder is copied with all that is in
/// it, file by file; links are left out. A destination that ends with `/`, or is a folder here, gets the source under
/// its own name. `-` is standard input or output, for one file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx cp data.csv box-1:/srv/data.csv
  sbx cp src box-1:/srv/app
  sbx cp box-1:/srv/report.pdf .
  pg_dump shop | sbx cp - box-1:/srv/shop.sql
  sbx cp box-1:/srv/out.tar - | tar x")]
pub(crate) struct Copy {
    /// What to copy: a path here, or SANDBOX:PATH
    #[arg(value_name = "SOURCE", value_parser = place)]
    source: Place,
    /// Where to: a path here, or SANDBOX:PATH
    #[arg(value_name = "DESTINATION", value_parser = place)]
    destination: Place,
    #[command(flatten)]
    place: SandboxPlace,
}

/// One side of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Here(PathBuf),
    /// Standard input as a source, standard output as a destination.
    Stream,
    Inside {
        sandbox: String,
        path: String,
    },
}

impl Copy {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let ((Place::Here(_) | Place::Stream, Place::Inside { sandbox, .. })
        | (Place::Inside { sandbox, .. }, Place::Here(_) | Place::Stream)) = (&self.source, &self.destination)
        else {
            return Err(Failure::Usage {
                message: "one side has to be in a sandbox, and the other here".to_owned(),
                hint: Some("write the one in a sandbox as SANDBOX:PATH, and `./a:b` for a path here".to_owned()),
            });
        };
        let workspace = Workspace::of_sandboxes(&self.place, Access::Writes, cx).await?;
        let copying = async {
            let job = Job { sandbox: workspace.sandbox(sandbox).await?, workspace: &workspace };
            match (&self.source, &self.destination) {
                (Place::Here(from), Place::Inside { path, .. }) => job.upload(from, path, &mut cx.ui).await,
                (Place::Inside { path, .. }, Place::Here(to)) => job.download(path, to).await,
                (Place::Stream, Place::Inside { path, .. }) => job.take_in(path).await,
                (Place::Inside { path, .. }, Place::Stream) => job.put_out(path).await,
                _ => unreachable!("the sides were told apart above"),
            }
        };
        let result = Box::pin(interrupt::or_stop(copying)).await;
        let n = workspace.finish(result, &mut cx.ui).await?;
        cx.ui.status(&if n == 1 { "Copied 1 file.".to_owned() } else { format!("Copied {n} files.") });
        Ok(Exit::Done)
    }
}

/// What a copy works with.
struct Job<'a> {
    sandbox: Sandbox,
    workspace: &'a Workspace,
}

/// Reads `SANDBOX:PATH`; what has a slash before the colon, or no colon, is a path here.
fn place(text: &str) -> Result<Place, String> {
    match text.split_once(':') {
        Some((sandbox, path)) if !sandbox.is_empty() && !sandbox.contains('/') => {
            if path.is_empty() {
                return Err("write the path behind the colon; `.` is the home directory".to_owned());
            }
            Ok(Place::Inside { sandbox: sandbox.to_owned(), path: path.to_owned() })
        }
        _ if text.is_empty() => Err("a path is not empty".to_owned()),
        _ if text == "-" => Ok(Place::Stream),
        _ => Ok(Place::Here(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_before_any_slash_names_a_sandbox() {
        let inside = |sandbox: &str, path: &str| Place::Inside { sandbox: sandbox.to_owned(), path: path.to_owned() };
        assert_eq!(place("box:/a:b"), Ok(inside("box", "/a:b")));
        assert_eq!(place("./a:b"), Ok(Place::Here("./a:b".into())));
        assert_eq!(place("a"), Ok(Place::Here("a".into())));
        assert_eq!((place("-"), place("./-")), (Ok(Place::Stream), Ok(Place::Here("./-".into()))));
        assert!(place("box:").is_err() && place("").is_err());
    }
}

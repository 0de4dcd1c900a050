//! `sbx serve`: the API, on this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sbx::server::egress::{Egress, Rule};
use sbx::server::images::{Fallback, HostPaths, ImageOptions};
use sbx::server::runtime::{self, NamespaceOptions, Unavailable};
use sbx::server::{self, Options};
use sbx::types::Secret;

use crate::context::Context;
use crate::failure::{Exit, Failure, causes_of};
use crate::interrupt::{self, Interrupts};
use crate::{env, project};

/// Serve the API on this machine
///
/// Prints one line with its URL on standard output; logs go to standard error. What it has acknowledged survives any end
/// of the process. The official SDKs talk to it when `LANGSMITH_ENDPOINT` is its URL. While it runs, `--local` commands
/// of the same project use it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx serve
  sbx serve --listen 127.0.0.1:0           On any free port
  sbx serve --listen 0.0.0.0:7290 --api-key-file key.txt
  sbx serve --image-fallback host          Without images and without a network
  sbx serve --egress proxy --egress-allow pypi.org --egress-allow '*.pythonhosted.org'")]
pub(crate) struct Serve {
    /// The address to listen on; other machines get in only with an API key
    #[arg(long, default_value = DEFAULT_ADDRESS, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where to keep the data
    ///
    /// The default is `.sbx/local` in the project, the nearest folder above with `.sbx/` in it.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Require the API key in this file, which is its first line
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// What runs the sandboxes
    #[arg(long, value_enum, default_value_t, value_name = "RUNTIME")]
    runtime: RuntimeChoice,
    /// The registry of images that name none, such as `python:3.12`; a path may follow the host
    #[arg(long, default_value = "docker.io", value_name = "HOST")]
    registry: String,
    /// Passwords of registries, in the form of Docker's `config.json`
    ///
    /// Only passwords that are in the file are read: programs that it names to ask for them are not run.
    #[arg(long, value_name = "FILE")]
    registry_auth_file: Option<PathBuf>,
    /// Ask this registry, a host with its port, over plain HTTP; may be given more than once
    #[arg(long, value_name = "HOST")]
    insecure_registry: Vec<String>,
    /// Allow images from this machine's disk (`oci:`, `oci-archive:`, `docker-archive:`, `rootfs:`) below this folder only
    ///
    /// Without it, they may be anywhere when the address is loopback, and nowhere when other machines reach it.
    #[arg(long, value_name = "DIR")]
    image_root: Option<PathBuf>,
    /// What stands in for images of registries
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    image_fallback: FallbackChoice,
    /// What sandboxes reach of the network
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    egress: EgressChoice,
    /// Let sandboxes reach this host only, or HOST:PORT; may be given more than once
    ///
    /// `*.example.org` stands for all hosts below that name, `*` for all. Names lead to public addresses only: those of
    /// this machine, private networks and clouds' metadata are named as such (`localhost`, `10.1.2.3`, `10.0.0.0/8`),
    /// beside the name if there is one. Without it, the proxy lets sandboxes reach all that is public.
    #[arg(long, value_name = "HOST")]
    egress_allow: Vec<Rule>,
    /// Serve `/_sbx/*` (reset, seed, faults) on other addresses than loopback too
    #[arg(long)]
    admin: bool,
}

/// The letters of "sbx" on a telephone, and a nought: a port that nothing well-known has.
const DEFAULT_ADDRESS: &str = "127.0.0.1:7290";

/// What runs the sandboxes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum RuntimeChoice {
    /// Namespaces where they work, else nothing; what is missing is said
    #[default]
    Auto,
    /// Linux namespaces: sandboxes are real
    Namespace,
    /// Nothing: sandboxes become ready and run no process
    None,
}

/// What stands in for images of registries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum FallbackChoice {
    /// Nothing: they are pulled, or the sandbox fails.
    #[default]
    None,
    /// This machine's own files: no registry is asked, whatever image a template has.
    Host,
}

/// What sandboxes reach of the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum EgressChoice {
    /// Nothing
    #[default]
    None,
    /// Hosts by name, through an HTTP proxy that `HTTP_PROXY` and `HTTPS_PROXY` name to commands
    Proxy,
}

/// What the API's second generation is asked for and no runtime does.
const UNENFORCED: &str = "mounts, proxies and access delegation are kept and not enforced";

impl Serve {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
        let options = self.options(cx).await?;
        let start = async { server::start(options).await.map_err(|source| Failure::Server { source }) };
        let mut handle = interrupt::or_stop(start).await?;
        if let Some(notice) = handle.notice() {
            cx.ui.status(&format!("Note: {notice}; {UNENFORCED}."));
        }
        cx.ui.line(&format!("Serving {}", handle.url()));

        tokio::select! {
            _ = interrupts.next() => {}
            () = handle.wait() => {}
        }
        cx.ui.status("Stopping: running requests finish. Interrupt again to stop now.");
        tokio::select! {
            () = handle.shutdown() => Ok(Exit::Done),
            _ = interrupts.next() => Err(Failure::Interrupted),
        }
    }

    /// Returns which images templates may have, and where they come from.
    fn images(&self) -> ImageOptions {
        let host_paths = match &self.image_root {
            Some(root) => HostPaths::Under(root.clone()),
            None if self.listen.ip().is_loopback() => HostPaths::Anywhere,
            None => HostPaths::Nowhere,
        };
        let fallback = match self.image_fallback {
            FallbackChoice::None => Fallback::None,
            FallbackChoice::Host => Fallback::Host,
        };
        let options = ImageOptions::new()
            .registry(&self.registry)
            .insecure_registries(self.insecure_registry.clone())
            .host_paths(host_paths)
            .fallback(fallback);
        match &self.registry_auth_file {
            Some(path) => options.auth_file(path),
            None => options,
        }
    }

    fn egress(&self) -> Egress {
        match self.egress {
            EgressChoice::None => Egress::None,
            EgressChoice::Proxy => Egress::Proxy(self.egress_allow.clone()),
        }
    }

    fn sandboxes(&self, data_dir: &Path) -> NamespaceOptions {
        NamespaceOptions::new(project::sandbox_data(data_dir)).images(self.images()).egress(self.egress())
    }

    async fn options(&self, cx: &mut Context) -> Result<Options, Failure> {
        if self.egress == EgressChoice::None && !self.egress_allow.is_empty() {
            return Err(Failure::Usage {
                message: "`--egress-allow` lets nothing through without `--egress proxy`".to_owned(),
                hint: Some("add `--egress proxy`".to_owned()),
            });
        }
        if self.egress == EgressChoice::Proxy && self.runtime == RuntimeChoice::None {
            return Err(Failure::Usage {
                message: "with `--runtime none` no sandbox runs, so that none can use `--egress proxy`".to_owned(),
                hint: Some("leave out one of both".to_owned()),
            });
        }
        let data_dir = self.data_dir.clone().unwrap_or_else(|| project::local_data(&env::working_directory()));
        project::ignore_local_data(&data_dir)?;
        let mut options = Options::new().listen(self.listen).data_dir(&data_dir).admin(self.admin);
        if let Some(path) = &self.api_key_file {
            options = options.api_key(read_key(path)?);
        }
        if self.runtime == RuntimeChoice::None {
            return Ok(options);
        }
        match runtime::namespace(self.sandboxes(&data_dir)).await {
            Ok(runtime) => Ok(options.runtime(runtime)),
            Err(error @ (Unavailable::Platform | Unavailable::Setup(_))) if self.runtime == RuntimeChoice::Auto => {
                let reasons: Vec<_> = std::iter::once(error.to_string()).chain(causes_of(&error)).collect();
                cx.ui.status(&format!("Note: {}.", reasons.join(": ")));
                Ok(options)
            }
            Err(source) => Err(Failure::Sandboxes { source }),
        }
    }
}

fn read_key(path: &Path) -> Result<Secret, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| Failure::File { action: "read", path: path.to_owned(), source })?;
    Ok(Secret::new(text.lines().next().unwrap_or_default().trim()))
}

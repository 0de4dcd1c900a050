//! `sbx tunnel`: a port of a sandbox, on this machine.

use sbx::client::TunnelOptions;

use crate::args::SandboxPlace;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupts;
use crate::project::Access;
use crate::workspace::Workspace;

/// Make a port of a sandbox one of this machine, until Ctrl-C
///
/// It listens on 127.0.0.1 only. When the server was gone for a while, connections that come in meanwhile wait for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx tunnel box-1 5432
  sbx tunnel box-1 8000:9000     Port 8000 of the sandbox is 9000 here
  sbx tunnel box-1 8000:0        Any free port, which is printed")]
pub(crate) struct Tunnel {
    /// The sandbox
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    /// The port inside the sandbox, and the port here if that is another
    #[arg(value_name = "PORT[:LOCAL]", value_parser = ports)]
    ports: (u16, u16),
    #[command(flatten)]
    place: SandboxPlace,
}

/// How often to look for a server that is gone, for a connection that waits: for half a minute.
const RECONNECTS: u32 = 8;

impl Tunnel {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let workspace = Workspace::of_sandboxes(&self.place, Access::Writes, cx).await?;
        let work = async {
            let mut interrupts = Interrupts::new().map_err(|source| Failure::Runtime { source })?;
            tokio::select! {
                result = self.forward(&workspace, cx) => result,
                _ = interrupts.next() => Ok(Exit::Done),
            }
        };
        let result = work.await;
        workspace.finish(result, &mut cx.ui).await
    }

    async fn forward(&self, workspace: &Workspace, cx: &mut Context) -> Result<Exit, Failure> {
        let failed = |error| workspace.failure(error);
        let (remote, local) = self.ports;
        let sandbox = workspace.sandbox(&self.sandbox).await?;
        let options = TunnelOptions::default().local_port(local).max_reconnects(RECONNECTS);
        let tunnel = Box::pin(sandbox.tunnel(remote, options)).await;
        let mut tunnel = tunnel.map_err(failed)?;
        cx.ui.line(&format!("Forwarding {} to port {remote} of sandbox/{}", tunnel.local_addr(), self.sandbox));
        loop {
            let failure = tunnel.next_failure().await;
            cx.ui.warning(&failure.to_string());
        }
    }
}

fn ports(text: &str) -> Result<(u16, u16), String> {
    let (remote, local) = text.split_once(':').unwrap_or((text, text));
    match (remote.parse(), local.parse()) {
        (Ok(remote @ 1..), Ok(local)) => Ok((remote, local)),
        _ => Err("write PORT or PORT:LOCAL, such as `8000:9000`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_both() {
        assert_eq!(ports("80"), Ok((80, 80)));
        assert_eq!(ports("80:0"), Ok((80, 0)));
        for text in ["", "0", "80:", "a", "1:2:3", "70000"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }
}

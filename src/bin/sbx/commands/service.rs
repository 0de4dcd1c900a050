//! `sbx service`: a URL for what listens in a sandbox.

use std::time::Duration;

use sbx::client::ServiceOptions;

use crate::args::SandboxPlace;
use crate::context::Context;
use crate::duration;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::perform::Format;
use crate::project::Access;
use crate::workspace::Workspace;

/// Print a URL for a port of a sandbox
///
/// Whoever has the URL reaches the port until it expires: treat it as a secret. JSON has the URL for programs as well,
/// and the token to send to it as `X-Langsmith-Sandbox-Service-Token`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx service box-1 8000
  sbx service box-1 8000 --expires-in 1h -o json")]
pub(crate) struct Service {
    /// The sandbox
    #[arg(value_name = "SANDBOX")]
    sandbox: String,
    /// The port inside the sandbox
    #[arg(value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// For how long it holds, up to 24h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "10m")]
    expires_in: Duration,
    /// How to show it: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    place: SandboxPlace,
}

impl Service {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let workspace = Workspace::of_sandboxes(&self.place, Access::Reads, cx).await?;
        if workspace.ends_with_the_command() {
            let nowhere = Failure::Usage {
                message: "the server that is built in ends with this command, and nobody could reach the URL"
                    .to_owned(),
                hint: Some("start `sbx serve` in this project, and run the same again".to_owned()),
            };
            return workspace.finish(Err(nowhere), &mut cx.ui).await;
        }
        let asking = async {
            let options = ServiceOptions::default().expires_in(self.expires_in);
            let service = workspace.client.service(&self.sandbox, self.port, options).await;
            match service {
                Ok(service) => Ok(service),
                Err(error) => Err(workspace.failure_of(&self.sandbox, error).await),
            }
        };
        let result = interrupt::or_stop(asking).await;
        let url = workspace.finish(result, &mut cx.ui).await?.current();
        match self.output {
            Format::Text => cx.ui.line(&url.browser_url),
            Format::Json => {
                let json = serde_json::to_string_pretty(&url).expect("it is a struct of texts");
                cx.ui.line(&json);
            }
        }
        Ok(Exit::Done)
    }
}

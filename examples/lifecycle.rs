//! Creates a template and a sandbox, waits for it, and cleans up whatever happens in between.
//!
//! ```sh
//! sbx serve &
//! SBX_ENDPOINT=http://127.0.0.1:7290 cargo run --example lifecycle
//! ```

#![expect(clippy::print_stdout, reason = "a program says what it does")]

use std::error::Error;
use std::time::Duration;

use sbx::client::{Client, Config, CreateSandboxOptions, CreateTemplateOptions, WaitOptions};
use sbx::types::{Name, Ttl};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(config())?;
    let name = Name::parse("lifecycle-example")?;
    let options = CreateTemplateOptions::default().cpu("500m".parse()?).memory("512Mi".parse()?);
    let template = client.create_template(&name, "python:3.12-slim", options).await?;
    println!("created template {} of {}", template.name, template.image);

    let result = use_sandbox(&client, &template.name).await;

    // Also when that failed. A template that sandboxes still use is refused, so they go first.
    client.close().await;
    client.delete_template(&template.name).await?;
    println!("deleted template {}", template.name);
    result
}

async fn use_sandbox(client: &Client, template_name: &str) -> Result<(), Box<dyn Error>> {
    // A sandbox that its guard deletes; the time to live is for when this program is killed.
    let options = CreateSandboxOptions::default().ttl(Ttl::from_seconds(600)?);
    let guard = client.sandbox(template_name, options).await?;
    println!("created sandbox {}, which is {}", guard.name, guard.status);

    let options = CreateSandboxOptions::default().wait_for_ready(false);
    let second = client.create_sandbox(template_name, options).await?;
    let wait = WaitOptions::default().timeout(Duration::from_mins(1));
    let second = client.wait_for_sandbox(&second.name, wait).await?;
    println!("waited for sandbox {}, which is {}", second.name, second.status);

    second.delete().await?;
    guard.close().await?;
    println!("deleted both sandboxes");
    Ok(())
}

fn config() -> Config {
    #[expect(clippy::disallowed_methods, reason = "a program may read its environment")]
    match std::env::var("SBX_ENDPOINT") {
        Ok(endpoint) => Config::new(format!("{}/v2/sandboxes", endpoint.trim_end_matches('/'))),
        Err(_) => Config::from_env(),
    }
}

//! Connects to a server and lists what is there.
//!
//! ```sh
//! sbx serve &
//! SBX_ENDPOINT=http://127.0.0.1:7290 cargo run --example connect
//! ```
//!
//! Without `SBX_ENDPOINT` it takes the variables of the official SDKs, `LANGSMITH_ENDPOINT` and `LANGSMITH_API_KEY`.

#![expect(clippy::print_stdout, reason = "a program says what it found")]

use std::error::Error;

use sbx::client::{Client, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::new(config())?;
    println!("connected to {}", client.base_url());

    // A reader has no method that writes: this program cannot change anything.
    let reader = client.reader();
    for volume in reader.list_volumes().await? {
        println!("volume   {:<20} {}", volume.name, volume.size);
    }
    for template in reader.list_templates().await? {
        println!("template {:<20} {}", template.name, template.image);
    }
    for pool in reader.list_pools().await? {
        println!("pool     {:<20} {} of {}", pool.name, pool.replicas, pool.template_name);
    }
    for sandbox in reader.list_sandboxes().await? {
        println!("sandbox  {:<20} {}", sandbox.name, sandbox.status);
    }
    client.close().await;
    Ok(())
}

fn config() -> Config {
    #[expect(clippy::disallowed_methods, reason = "a program may read its environment")]
    match std::env::var("SBX_ENDPOINT") {
        Ok(endpoint) => Config::new(format!("{}/v2/sandboxes", endpoint.trim_end_matches('/'))),
        Err(_) => Config::from_env(),
    }
}

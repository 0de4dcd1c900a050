//! A server that speaks S3, run beside a test or a benchmark: moto's.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What has to be installed for it.
pub(crate) const REQUIREMENT: &str = "moto[server,s3]==5.2.5";

/// The bucket that it has from the start.
pub(crate) const BUCKET: &str = "s3://inventories";

/// A store that runs until this is dropped.
pub(crate) struct ObjectStore {
    process: Child,
    address: String,
}

impl ObjectStore {
    /// Starts it with a Python that has [`REQUIREMENT`].
    pub(crate) fn start(python: &Path) -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/python/object_store.py");
        let mut command = Command::new(python);
        command.arg("-B").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let mut address = String::new();
        let output = process.stdout.take().ok_or("its output is not piped")?;
        BufReader::new(output).read_line(&mut address).map_err(|error| error.to_string())?;
        let store = Self { process, address: address.trim().to_owned() };
        if store.address.is_empty() { Err("the store did not start".to_owned()) } else { Ok(store) }
    }

    /// Returns what tells a program where it is, and who asks.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.address.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "planted-secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ]
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // It ends when its input does.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

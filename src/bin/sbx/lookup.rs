//! Objects that command lines name, and what may have been meant where there is none of that name.

use sbx::client::{Error, Resource, Sandbox};
use sbx::manifest::suggest;

use crate::failure::Failure;
use crate::workspace::Workspace;

impl Workspace {
    /// Returns the sandbox of this name.
    ///
    /// # Errors
    ///
    /// [`Failure::Call`], with the name of one that may have been meant.
    pub(crate) async fn sandbox(&self, name: &str) -> Result<Sandbox, Failure> {
        match self.client.get_sandbox(name).await {
            Ok(sandbox) => Ok(sandbox),
            Err(error) => Err(self.failure_of(name, error).await),
        }
    }

    /// Makes a failure of a call that named an object. If there is none of that name, those that there are are looked
    /// through for one that may have been meant.
    pub(crate) async fn failure_of(&self, name: &str, source: Error) -> Failure {
        let names: Vec<String> = match source.resource().filter(|_| source.is_not_found()) {
            // Where they cannot be listed, nothing is suggested.
            Some(Resource::Template) => {
                self.client.list_templates().await.unwrap_or_default().into_iter().map(|it| it.name).collect()
            }
            Some(Resource::Sandbox) => {
                self.client.list_sandboxes().await.unwrap_or_default().iter().map(|it| it.name.clone()).collect()
            }
            _ => Vec::new(),
        };
        match (self.failure(source), suggest(name, names.iter().map(String::as_str))) {
            (Failure::Call { server, source, .. }, near) => {
                Failure::Call { server, source, near: near.map(ToOwned::to_owned) }
            }
            (failure, _) => failure,
        }
    }
}

//! What every command works with.

use crate::env::Environment;
use crate::failure::Failure;
use crate::ui::Ui;

/// What every command works with.
pub(crate) struct Context {
    /// Where output goes.
    pub(crate) ui: Ui,
    /// The environment variables.
    pub(crate) environment: Environment,
    /// Whether more is to be told than usual.
    pub(crate) is_verbose: bool,
}

impl Context {
    /// Runs a command that waits for something. Commands that do not never start a runtime.
    pub(crate) fn block_on<T>(
        &mut self,
        command: impl AsyncFnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|source| Failure::Runtime { source })?;
        let result = runtime.block_on(command(self));
        // Not waited for: a thread that still reads the terminal would wait for the user's next line.
        runtime.shutdown_background();
        result
    }
}

//! `sbx completion`: the shell's Tab key.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::failure::Exit;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx completion bash > ~/.local/share/bash-completion/completions/sbx
  sbx completion zsh > \"${fpath[1]}/_sbx\"
  sbx completion fish > ~/.config/fish/completions/sbx.fish")]
pub(crate) struct Completion {
    /// The shell
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, cx: &mut Context) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "sbx", &mut script);
        cx.ui.data(&String::from_utf8_lossy(&script));
        Exit::Done
    }
}

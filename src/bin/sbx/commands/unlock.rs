//! `sbx unlock`: take the lock of the inventory away.

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::perform::confirm;
use crate::project::Access;
use crate::record;
use crate::ui::escape;

/// Break the lock that another apply holds
///
/// That is for a lock whose holder hangs: one whose holder is gone dies by itself within half a minute. The apply that
/// held it finds out and stops; it may finish a call that it has begun.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx unlock
  sbx unlock --inventory s3://bucket/prod.json --yes")]
pub(crate) struct Unlock {
    /// Go on without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    place: Whereabouts,
}

impl Unlock {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let ledger = record::ledger(&self.place, Access::Writes, cx)?;
        let Some(held) = interrupt::or_stop(async { Ok(ledger.holder().await?) }).await? else {
            cx.ui.status("Nobody holds the lock.");
            return Ok(Exit::Done);
        };
        let holder = &held.holder;
        let shown = escape(&holder.to_string()).into_owned();
        let since = holder.since.to_second_text();
        let question = format!("Break the lock that {shown} holds since {since}? Only `yes` means yes: ");
        confirm(&question, self.yes, &mut cx.ui).await?;
        ledger.break_lock(holder).await?;
        cx.ui.line(&format!("Took the lock from {}.", escape(&holder.to_string())));
        Ok(Exit::Done)
    }
}

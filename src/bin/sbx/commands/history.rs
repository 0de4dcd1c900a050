//! `sbx history`: what was applied, when and by whom?

use sbx::reconcile::inventory::Run;
use serde_json::{Value as Json, json};

use crate::args::Whereabouts;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;
use crate::perform::Format;
use crate::project::Access;
use crate::record;
use crate::ui::escape;
use crate::ui::json::FORMAT_VERSION;
use crate::ui::table::Table;

/// List the last applies that the inventory remembers
///
/// The latest comes first. An apply that neither did anything nor changed the record is not among them. The workspace is not asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx history
  sbx history --inventory s3://bucket/prod.json
  sbx history -o json | jq '.runs[0].commit'")]
pub(crate) struct History {
    /// How to show them: text or json
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT", hide_possible_values = true)]
    output: Format,
    #[command(flatten)]
    place: Whereabouts,
}

impl History {
    pub(crate) async fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        let ledger = record::ledger(&self.place, Access::Reads, cx)?;
        let reading = interrupt::or_stop(async { Ok(ledger.read().await?) }).await?;
        let runs = reading.inventory.runs;
        match self.output {
            Format::Text if runs.is_empty() => cx.ui.status("Nothing was applied yet."),
            Format::Text => cx.ui.data(&table(&runs).to_text(cx.ui.table_width())),
            Format::Json => {
                let runs: Vec<_> = runs.iter().rev().map(run_to_json).collect();
                let place = ledger.place();
                cx.ui.line(&format!(
                    "{:#}",
                    json!({"format_version": FORMAT_VERSION, "inventory": place, "runs": runs})
                ));
            }
        }
        Ok(Exit::Done)
    }
}

/// How much of a commit's id is shown.
const COMMIT_LEN: usize = 12;

fn table(runs: &[Run]) -> Table {
    let mut table = Table::new(["WHEN", "WHO", "COMMIT", "OUTCOME", "WHAT", "RUN"]);
    for Run { at, by, commit, url, serial, outcome, summary, extra: _ } in runs.iter().rev() {
        let commit: String = commit.as_deref().unwrap_or("-").chars().take(COMMIT_LEN).collect();
        let number = serial.map(|serial| format!("#{serial}"));
        let run: Vec<_> = number.into_iter().chain(url.clone()).collect();
        let run = if run.is_empty() { "-".to_owned() } else { run.join(" ") };
        let cells = [&at.to_second_text(), by, &commit, outcome, summary, &run];
        table.row(cells.map(|cell| escape(cell).into_owned()));
    }
    table
}

fn run_to_json(run: &Run) -> Json {
    let Run { at, by, commit, url, serial, outcome, summary, extra: _ } = run;
    json!({
        "at": at,
        "by": by,
        "commit": commit,
        "url": url,
        "serial": serial,
        "outcome": outcome,
        "summary": summary,
    })
}

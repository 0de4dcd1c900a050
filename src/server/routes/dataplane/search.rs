//! `POST /glob` and `POST /grep`: files by their paths, and lines by what they hold (contract section 6 of the second
//! generation).

use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::Target;
use super::files::{absolute, refuse};
use crate::server::app::App;
use crate::server::error::Failure;
use crate::server::routes::Body;
use crate::server::routes::decode::{Decode, Fields};
use crate::server::runtime::{EntrySearch, Glob, LineSearch, SearchScope};
use crate::wire;

/// How many matches there are when nobody says how many, and at most. The service's numbers are not known; whoever
/// reaches them is told by `truncated`.
const MATCHES: usize = 1000;
const MOST_MATCHES: usize = 10_000;

/// How long a search may take: well below what clients wait for an answer.
const TIME: Duration = Duration::from_secs(10);

pub(crate) async fn glob(
    State(app): State<App>,
    Target(id): Target,
    Body(search): Body<EntrySearch>,
) -> Result<Json<wire::GlobResult>, Failure> {
    let instance = app.instance(&id).await?;
    app.touch(&id).await;
    let found = instance.glob(&search).await;
    let found = found.map_err(|error| refuse(&error, &search.scope.folder, "ReadError"))?;
    let matches = found.matches.into_iter().map(|entry| wire::FileInfo {
        path: entry.path,
        is_dir: entry.is_folder,
        size_bytes: entry.size,
        modified_at: entry.modified,
    });
    Ok(Json(wire::GlobResult { matches: matches.collect(), truncated: found.is_truncated }))
}

pub(crate) async fn grep(
    State(app): State<App>,
    Target(id): Target,
    Body(search): Body<LineSearch>,
) -> Result<Json<wire::GrepResult>, Failure> {
    let instance = app.instance(&id).await?;
    app.touch(&id).await;
    let found = instance.grep(&search).await;
    let found = found.map_err(|error| refuse(&error, &search.scope.folder, "ReadError"))?;
    let matches = found.matches.into_iter();
    let matches = matches.map(|line| wire::GrepMatch { path: line.path, line: line.number, text: line.text });
    Ok(Json(wire::GrepResult { matches: matches.collect(), truncated: found.is_truncated }))
}

impl Decode for EntrySearch {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let (scope, pattern) = (scope(fields), fields.parsed("pattern"));
        Some(Self { scope: scope?, pattern: pattern? })
    }
}

impl Decode for LineSearch {
    fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let text = fields.text("pattern").map(str::to_owned);
        if text.as_ref().is_some_and(String::is_empty) {
            fields.report("pattern", "value_error", "Input should not be empty");
        }
        let files = fields.optional_parsed("glob").map(Glob::at_any_depth);
        let scope = scope(fields);
        Some(Self { scope: scope?, text: text?, files })
    }
}

/// Reads where to search, and how much. More matches than there ever are is no mistake: the answer says that it is cut.
fn scope(fields: &mut Fields<'_>) -> Option<SearchScope> {
    let limit = fields.optional_integer("limit", 1..=i64::MAX);
    let limit = limit.map_or(MATCHES, |limit| usize::try_from(limit).map_or(MOST_MATCHES, |n| n.min(MOST_MATCHES)));
    let folder = fields.text("path")?;
    if folder.is_empty() || folder.contains('\0') {
        fields.report("path", "value_error", "Input should be the path of a folder");
    }
    Some(SearchScope { folder: absolute(folder.to_owned()), limit, time: TIME })
}

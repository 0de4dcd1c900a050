//! What was changed behind the manifests' back, as a comment or the text of an issue.

use sbx::reconcile::Drift;

use super::text::{html, prose};
use super::{MOST_LINES, Page, block, clipped, plain, signed, signed_parts};
use crate::ui::difference::{by_part, lines_of};
use crate::ui::drift::{Report, sign, what};
use crate::ui::output::Subject;

/// Returns a report on drift: what it comes to, then each object with its fields.
pub(crate) fn drift(report: &Report, subject: &Subject<'_>) -> String {
    let mut page = Page::new(subject);
    let mut summary = report.summary().into_iter().map(|line| prose(&plain(&line)));
    page.always(&format!("**{}**\n\n", summary.next().unwrap_or_default()));
    summary.for_each(|line| page.always(&format!("{line}\n\n")));
    let n_shown = report.drifted.iter().take_while(|found| page.offer(&details(found))).count();
    let n_more = report.drifted.len() - n_shown;
    if n_more > 0 {
        page.always(&format!("… and {n_more} more, not shown\n\n"));
    }
    page.text
}

fn details(found: &Drift) -> String {
    let (sign, _) = sign(&found.event);
    let title = html(&clipped(&format!("{sign} {} {}", found.key, what(&found.event))));
    let fields = found.fields.iter().flat_map(|field| {
        if let Some(parts) = by_part(field.path, field.live.as_ref(), field.applied.as_ref()) {
            let swapped = parts.into_iter().map(|(path, live, applied)| (path, applied, live)).collect();
            return signed_parts(swapped, "");
        }
        let side =
            |sign, value: &Option<_>| signed(sign, field.path, &value.as_ref().map(lines_of).unwrap_or_default(), "");
        side('-', &field.applied).into_iter().chain(side('+', &field.live)).collect::<Vec<_>>()
    });
    let mut lines: Vec<_> = fields.map(|line| clipped(&line)).collect();
    let n_more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    lines.extend((n_more > 0).then(|| format!("… and {n_more} more lines, not shown")));
    if lines.is_empty() {
        return format!("<code>{title}</code>\n\n");
    }
    let diff = block("diff", &lines);
    format!("<details><summary><code>{title}</code></summary>\n\n{diff}</details>\n\n")
}

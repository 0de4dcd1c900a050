//! A plan as text that a reviewer understands in five seconds: a block for each change, then one line of counts.

mod lump;
mod sequence;

use anstyle::Style;
use sbx::reconcile::Plan;
use sbx::reconcile::inventory::{Entry, Standing};
use sbx::reconcile::plan::{Action, Change, Note, Peak};

pub(crate) use self::sequence::Sequence;
use super::diagnostic::counted;
use super::difference::values;
use super::escape;
use super::names;
use super::style::{self, paint};

/// A plan, and how it is to be shown.
pub(crate) struct View<'a> {
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// Finds where a change is declared.
    pub(crate) place: &'a dyn Fn(&Change) -> Option<Place>,
    /// What the plan is for.
    pub(crate) purpose: Purpose,
    /// Whether objects that stay as they are get a line too.
    pub(crate) show_unchanged: bool,
    /// What it was planned with of what is owned; `None` where nobody keeps a record.
    pub(crate) inventory: Option<InventorySeen>,
}

/// An inventory as a plan found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InventorySeen {
    /// Where it is; `None` for what was saved with a live state.
    pub(crate) location: Option<String>,
    /// The number of the last apply that had one.
    pub(crate) serial: Option<u64>,
    /// Whether there was one.
    pub(crate) exists: bool,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Bringing the live state to what is declared.
    Apply,
    /// Removing what unfinished replacements left.
    AbortRollouts,
    /// Removing the objects that were named.
    Remove,
    /// Removing all that is managed, or a part of it.
    Destroy,
}

impl Purpose {
    /// Returns the command that does it.
    pub(crate) fn command(self) -> &'static str {
        match self {
            Self::Apply | Self::AbortRollouts => "apply",
            Self::Remove => "delete",
            Self::Destroy => "destroy",
        }
    }
}

/// A place in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file, as the user wrote it.
    pub(crate) file: String,
    /// The line, counted from 1.
    pub(crate) line: u32,
    /// The column in characters, counted from 1.
    pub(crate) column: u32,
}

impl View<'_> {
    /// Returns the whole text, ending in a line break.
    pub(crate) fn to_text(&self) -> String {
        let is_plain_keep = |change: &&Change| change.action == Action::Keep && change.notes.is_empty();
        let (plain_keeps, shown): (Vec<_>, Vec<_>) = self.plan.changes.iter().partition(is_plain_keep);
        let (blocked, rest): (Vec<_>, Vec<_>) = shown.into_iter().partition(|change| change.action == Action::Blocked);
        let plain_keeps = plain_keeps.into_iter().filter(|_| self.show_unchanged);

        let sequence = Sequence::of(self.plan);
        let mut out = String::new();
        let mut last = 0;
        let blocked = lump::lumps(blocked).into_iter().map(|lump| match lump.as_slice() {
            [change] => self.block(change, &sequence),
            changes => lump::block(changes),
        });
        for block in plain_keeps.chain(rest).map(|change| self.block(change, &sequence)).chain(blocked) {
            // Lines that stand alone stand close together.
            if last > 1 || (last == 1 && block.len() > 1) {
                out.push('\n');
            }
            last = block.len();
            out.extend(block.into_iter().map(|line| line + "\n"));
        }
        if last > 0 {
            out.push('\n');
        }
        out.extend(whole_lines(self.plan).into_iter().map(|line| line + "\n"));
        let refusals = refusal_lines(self.plan);
        if !refusals.is_empty() {
            out.extend(refusals.into_iter().map(|line| line + "\n"));
            out.push('\n');
        }
        out + &summary_line(self.plan, self.purpose) + "\n"
    }

    /// Returns the lines about one change.
    fn block(&self, change: &Change, sequence: &Sequence<'_>) -> Vec<String> {
        let mut lines = vec![head(change)];
        lines.extend(values(change).into_iter().map(|text| format!("    {text}")));
        for note in &change.notes {
            let style = if note.is_obstacle() { style::ALERT } else { style::PLAIN };
            lines.push(format!("    {}", paint(style, escape(&note.to_string()))));
            let help = note.help();
            lines.extend(help.map(|help| format!("    {} {}", paint(style::HINT, "help:"), escape(&help))));
        }
        lines.extend(sequence_lines(sequence, change));
        let is_at_fault = change.notes.iter().any(Note::is_obstacle);
        let place = (self.place)(change).filter(|_| is_at_fault);
        lines.extend(place.map(|place| format!("    {} {place}", paint(style::DIM, "at"))));
        lines
    }
}

/// Returns the lines about what a change comes after, or, where it takes several, about its steps.
fn sequence_lines(sequence: &Sequence<'_>, change: &Change) -> Vec<String> {
    let steps = sequence.steps_of(change);
    if steps.is_empty() {
        let before = sequence.before(change);
        let after = || format!("    {} {}", paint(style::DIM, "after"), names(&before));
        return (!before.is_empty()).then(after).into_iter().collect();
    }
    let head = format!("    {}", paint(style::DIM, "steps, in this order:"));
    let line = |(index, step)| format!("      {}. {step}", index + 1);
    std::iter::once(head).chain(steps.into_iter().enumerate().map(line)).collect()
}

/// Returns the lines about a plan as a whole: what it takes on its way, and what it leaves alone.
pub(crate) fn whole_lines(plan: &Plan) -> Vec<String> {
    let peaks = plan.peaks.iter().map(|peak| {
        let Peak { what, before, peak, after, limit } = *peak;
        let limit = limit.map_or_else(String::new, |limit| format!(" (limit {})", what.spell(limit)));
        let (before, peak, after) = (what.spell(before), what.spell(peak), what.spell(after));
        format!("{what}: {before} now, {peak} at the peak{limit}, {after} after")
    });
    let unmanaged = (plan.n_unmanaged > 0).then(|| {
        let are = if plan.n_unmanaged == 1 { "is" } else { "are" };
        let objects = counted(plan.n_unmanaged, "live object");
        format!("{objects} {are} not managed; `sbx get --unmanaged` lists them")
    });
    let undeclared = (plan.n_undeclared > 0).then(|| {
        let (are, stay) = if plan.n_undeclared == 1 { ("is", "stays") } else { ("are", "stay") };
        let objects = counted(plan.n_undeclared, "owned object");
        format!("{objects} {are} declared no longer and {stay}; `--prune` removes what is not declared")
    });
    peaks.chain(unmanaged).chain(undeclared).collect()
}

fn refusal_lines(plan: &Plan) -> Vec<String> {
    let lines = plan.refusals.iter().flat_map(|refusal| {
        let help = format!("    {} {}", paint(style::HINT, "help:"), escape(&refusal.help()));
        [format!("{} {}", paint(style::ALERT, "! refused:"), escape(&refusal.to_string())), help]
    });
    lines.collect()
}

fn head(change: &Change) -> String {
    let (sign, style) = sign(change.action);
    let verb = paint(style, format_args!("{sign} {}", change.action.as_str()));
    match &change.was {
        Some(was) if change.action == Action::Rename => {
            let was = format!("{}/{was}", change.key.kind.info().singular);
            format!("{verb} {} to {}", paint(style::STRONG, was), paint(style::STRONG, &change.key.name))
        }
        // For anything else a note tells the other name.
        _ => head_of(change, &change.key.to_string()),
    }
}

fn head_of(change: &Change, what: &str) -> String {
    let (sign, style) = sign(change.action);
    format!("{} {}", paint(style, format_args!("{sign} {}", change.action.as_str())), paint(style::STRONG, what))
}

/// Returns the sign and the style of an action.
pub(crate) fn sign(action: Action) -> (&'static str, Style) {
    match action {
        Action::Create => ("+", style::ADD),
        Action::Update => ("~", style::CHANGE),
        Action::Rename => (">", style::CHANGE),
        Action::Replace => ("-/+", style::REMOVE),
        Action::Delete => ("-", style::REMOVE),
        Action::Adopt => ("=", style::ADD),
        Action::Keep => ("=", style::DIM),
        _ => ("!", style::ALERT),
    }
}

/// Returns whether an object is not what is declared, and stays so.
fn is_left_otherwise(change: &Change) -> bool {
    let is_said = |note: &Note| matches!(note, Note::DriftHeld { .. } | Note::Expired { is_recreated: false });
    change.action == Action::Keep && change.notes.iter().any(is_said)
}

/// Returns whether an object is not ours any more, and stays.
pub(crate) fn is_let_go_of(change: &Change) -> bool {
    // A saved plan has the notes in words alone.
    let is_released = |entry: &Entry| entry.standing == Standing::Released;
    change.action == Action::Keep && change.record.as_ref().is_some_and(is_released)
}

/// Sums up a plan that sends nothing: what the record says anew, and what stays.
fn nothing_to_send(plan: &Plan) -> String {
    let n = |is_so: fn(&Change) -> bool| plan.changes.iter().filter(|change| is_so(change)).count();
    let (n_left, n_released) = (n(is_left_otherwise), n(is_let_go_of));
    let summary = plan.summary();
    let n_kept = summary.keep - n_left - n_released;
    let it_is = if n_left == 1 { "it is" } else { "they are" };
    let recorded = [(summary.adopt, "to adopt"), (n_released, "to let go of")];
    let recorded: Vec<_> =
        recorded.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", counted(*n, "object"))).collect();
    if recorded.is_empty() {
        let kept = (n_kept > 0 || n_left == 0).then(|| format!("{} as declared", is_or_are(n_kept)));
        let left = (n_left > 0).then(|| format!("{} left as {it_is}", is_or_are(n_left)));
        let stays: Vec<_> = kept.into_iter().chain(left).collect();
        return format!("No changes. Nothing to do: {}.", stays.join(", "));
    }
    let kept = (n_kept > 0).then(|| format!("; {n_kept} as declared"));
    let left = (n_left > 0).then(|| format!("; {n_left} left as {it_is}"));
    let stays: String = kept.into_iter().chain(left).collect();
    format!("No changes. {}, which sends nothing{stays}.", recorded.join(" and "))
}

fn is_or_are(n: usize) -> String {
    format!("{} {}", counted(n, "object"), if n == 1 { "is" } else { "are" })
}

/// Returns the line that sums a plan up.
pub(crate) fn summary_line(plan: &Plan, purpose: Purpose) -> String {
    let summary = plan.summary();
    if summary.n_changes() == 0 && summary.blocked == 0 {
        return match purpose {
            Purpose::Apply => nothing_to_send(plan),
            Purpose::AbortRollouts => "Nothing to delete: no replacement left anything that can go.".to_owned(),
            Purpose::Remove | Purpose::Destroy => "Nothing to delete.".to_owned(),
        };
    }
    let counts = [
        (summary.create, "to create", style::ADD),
        (summary.update, "to update", style::CHANGE),
        (summary.rename, "to rename", style::CHANGE),
        (summary.replace, "to replace", style::REMOVE),
        (summary.delete, "to delete", style::REMOVE),
        (summary.blocked, "blocked", style::ALERT),
        (summary.adopt, "to adopt", style::ADD),
        (summary.keep, if purpose == Purpose::Apply { "unchanged" } else { "kept" }, style::PLAIN),
    ];
    let counts = counts.into_iter().filter(|(n, ..)| *n > 0);
    let counts: Vec<_> = counts.map(|(n, word, style)| paint(style, format_args!("{n} {word}"))).collect();
    format!("{} {}.", paint(style::STRONG, "Plan:"), counts.join(", "))
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", escape(&self.file), self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use sbx::reconcile::plan::{Policy, plan, plan_destroy};

    use super::*;
    use crate::ui::progress::tests::{desired, world};

    fn text(live: &str, declared: &str) -> String {
        let plan = plan(&desired(declared), &world(live), &Policy::default());
        shown(&plan, Purpose::Apply)
    }

    fn shown(plan: &Plan, purpose: Purpose) -> String {
        let place = |_: &Change| Some(Place { file: "a.yaml".to_owned(), line: 3, column: 9 });
        let view = View { plan, place: &place, purpose, show_unchanged: true, inventory: None };
        strip_str(&view.to_text()).to_string()
    }

    const LIVE: &str = "
{apiVersion: sbx/v1, kind: Volume, metadata: {name: data}, spec: {size: 10Gi}}
---
{apiVersion: sbx/v1, kind: Volume, metadata: {name: old}, spec: {size: 1Gi}}
---
apiVersion: sbx/v1
kind: Template
metadata: {name: python}
spec: {image: 'python:3.12', volume_mounts: [{volume_name: data, mount_path: /data}, {volume_name: old, mount_path: /old}]}
---
{apiVersion: sbx/v1, kind: Template, metadata: {name: plain}, spec: {image: 'python:3.12'}}
---
{apiVersion: sbx/v1, kind: Pool, metadata: {name: warm}, spec: {template_name: plain, replicas: 5}}
";

    #[test]
    fn what_is_left_otherwise_is_not_told_as_declared() {
        let mut plan = plan(&desired(LIVE), &world(LIVE), &Policy::default());
        plan.changes[0].notes.push(Note::Expired { is_recreated: false });
        let view =
            View { plan: &plan, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
        let last = strip_str(&view.to_text()).to_string().lines().last().map(ToOwned::to_owned);
        let expected = "No changes. Nothing to do: 4 objects are as declared, 1 object is left as it is.";
        assert_eq!(last.as_deref(), Some(expected));
    }

    #[test]
    fn nothing_to_do_is_one_line() {
        let plan = plan(&desired(LIVE), &world(LIVE), &Policy::default());
        let view =
            View { plan: &plan, place: &|_| None, purpose: Purpose::Apply, show_unchanged: false, inventory: None };
        assert_eq!(view.to_text(), "No changes. Nothing to do: 5 objects are as declared.\n");
    }

    #[test]
    fn creates_show_what_is_made() {
        insta::assert_snapshot!(text("", LIVE), @r"
        + create volume/data
            size: 10Gi

        + create volume/old
            size: 1Gi

        + create template/plain
            image:            python:3.12
            resources.cpu:    500m
            resources.memory: 512Mi

        + create template/python
            image:            python:3.12
            resources.cpu:    500m
            resources.memory: 512Mi
            volume_mounts:
              /data (data)
              /old (old)
            after volume/data, volume/old

        + create pool/warm
            template_name: plain
            replicas:      5
            after template/plain

        Plan: 5 to create.
        ");
    }

    #[test]
    fn each_sort_of_change_has_its_sign() {
        let declared = LIVE
            .replace("size: 10Gi", "size: 20Gi")
            .replace("size: 1Gi", "size: 512Mi")
            .replace("image: 'python:3.12', volume_mounts", "image: 'python:3.13', volume_mounts")
            .replace("mount_path: /old", "mount_path: /older")
            .replace(
                "{name: warm}, spec: {template_name: plain, replicas: 5}}",
                "{name: hot}, lifecycle: {renamed_from: warm}, spec: {template_name: plain, replicas: 6}}",
            );
        insta::assert_snapshot!(text(LIVE, &declared), @r"
        = keep template/plain

        ~ update volume/data
            size: 10Gi -> 20Gi

        > rename pool/warm to hot
            replicas: 5 -> 6
            steps, in this order:
              1. rename pool/warm to hot
              2. update pool/hot

        ! blocked volume/old
            size: 1Gi -> 512Mi
            size cannot shrink from 1Gi to 512Mi
            help: declare at least the live size, or make a new object and move the data
            at a.yaml:3:9

        ! blocked template/python
            image: python:3.12 -> python:3.13
            volume_mounts:
                /data (data)
              - /old (old)
              + /older (old)
            image, volume_mounts cannot change in place
            it needs volume/old, which is blocked
            help: see to what blocks volume/old first
            at a.yaml:3:9

        Plan: 1 to update, 1 to rename, 2 blocked, 1 unchanged.
        ");
    }

    #[test]
    fn lists_grow_from_nothing_and_shrink_to_nothing() {
        let none = "{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x}}";
        let with = |mounts: &str| none.replace("image: x", &format!("image: x, volume_mounts: [{mounts}]"));
        let one = with("{volume_name: v, mount_path: /a}");
        let two = with("{volume_name: v, mount_path: /a}, {volume_name: v, mount_path: /b}");
        let volume = "\n---\n{apiVersion: sbx/v1, kind: Volume, metadata: {name: v}, spec: {size: 1Gi}}";
        let mounts = |live: &str, declared: &str| {
            let text = text(&format!("{live}{volume}"), &format!("{declared}{volume}"));
            let lines = text.lines().skip_while(|line| !line.contains("volume_mounts:"));
            lines.take_while(|line| !line.contains("cannot")).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(mounts(none, &one), @"    volume_mounts: (none) -> /a (v)");
        insta::assert_snapshot!(mounts(none, &two), @r"
        volume_mounts:
          + /a (v)
          + /b (v)
        ");
        insta::assert_snapshot!(mounts(&two, &one), @r"
        volume_mounts:
            /a (v)
          - /b (v)
        ");
    }

    #[test]
    fn a_replacement_under_another_name_tells_both() {
        let live = "{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: x}}";
        let declared =
            "{apiVersion: sbx/v1, kind: Template, metadata: {name: b}, spec: {image: y}, lifecycle: {renamed_from: a}}";
        insta::assert_snapshot!(text(live, declared), @r"
        -/+ replace template/b
            image: x -> y
            it is live as `a`
            image cannot change in place
            deleted first, then made anew, since it is renamed as well
            help: apply the rename by itself first, and it is replaced without a gap
            steps, in this order:
              1. delete template/a
              2. create template/b

        Plan: 1 to replace.
        ");
    }

    #[test]
    fn a_destroy_says_what_stays() {
        insta::assert_snapshot!(shown(&plan_destroy(&desired(LIVE), &world(LIVE)), Purpose::Remove), @r"
        = keep volume/data
            it is kept: `on_remove` is `retain`, the default for what holds data
            help: set `lifecycle.on_remove: delete` to delete it, with what it holds

        = keep volume/old
            it is kept: `on_remove` is `retain`, the default for what holds data
            help: set `lifecycle.on_remove: delete` to delete it, with what it holds

        - delete template/plain
            after pool/warm is gone

        - delete template/python
        - delete pool/warm

        Plan: 3 to delete, 2 kept.
        ");
    }

    #[test]
    fn manifest_text_cannot_move_the_cursor() {
        let declared = "{apiVersion: sbx/v1, kind: Template, metadata: {name: a}, spec: {image: \"a\\e[2Jb\"}}";
        let text = text("", declared);
        assert!(!text.contains('\u{1b}') && text.contains("a\\u{1b}[2Jb"), "{text}");
    }
}

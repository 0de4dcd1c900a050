//! `sbx schema`: what manifests may say.

use sbx::kinds::{self, Explanation};
use sbx::reconcile::inventory::inventory_schema;
use serde_json::Value as Json;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::naming;
use crate::project;
use crate::ui::schema;
use crate::ui::style::{self, paint};

/// Explain a kind or a field, or print the JSON Schema of a file or an output
///
/// Those are `project` (sbx.yaml), `inventory`, `plan` (what `plan -o json` prints), `saved-plan` (what `plan --out`
/// writes), `events` (each line of `apply -o json`) and `drift`; with nothing named it is that of manifests. `sbx init`
/// writes the schema beside the manifests, where editors find it through the first line of each.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sbx schema pool
  sbx schema pool.replicas
  sbx schema pool.lifecycle                How a pool is treated over its life
  sbx schema > manifests/.schema.json      For editors; hidden files are no manifests
  sbx schema project                       The JSON Schema of sbx.yaml
  sbx schema plan                          The JSON Schema of `sbx plan -o json`")]
pub(crate) struct Schema {
    /// What to explain, such as `pool` or `pool.replicas`, or what to print the schema of
    path: Option<String>,
}

/// How wide explanations are.
const WIDTH: usize = 90;

impl Schema {
    pub(crate) fn run(self, cx: &mut Context) -> Result<Exit, Failure> {
        match &self.path {
            None => cx.ui.line(&text()),
            Some(path) => match SCHEMAS.iter().find(|(name, _)| name == path) {
                Some((_, schema)) => cx.ui.line(&format!("{:#}", schema())),
                None => cx.ui.data(&explanation(&kinds::explain(path).ok_or_else(|| unknown(path))?)),
            },
        }
        Ok(Exit::Done)
    }
}

/// Makes a JSON Schema.
type Make = fn() -> Json;

/// What has a schema, beside manifests.
const SCHEMAS: [(&str, Make); 6] = [
    ("project", project::schema),
    ("inventory", inventory_schema),
    ("plan", schema::plan),
    ("saved-plan", schema::saved_plan),
    ("events", schema::events),
    ("drift", schema::drift),
];

/// Returns the JSON Schema of manifests, as it is written into files.
pub(crate) fn text() -> String {
    format!("{:#}", kinds::manifest_schema())
}

/// Returns the JSON Schema of a project's file, as it is written into files.
pub(crate) fn project_text() -> String {
    format!("{:#}", project::schema())
}

fn unknown(path: &str) -> Failure {
    let (word, field) = kinds::split_kind(path);
    let hint = if let Some(kind) = kinds::meant_by(word).first() {
        let lifecycle = kinds::explain(&format!("{word}.lifecycle")).into_iter().flat_map(|known| known.fields);
        let settings = lifecycle.map(|(setting, _)| format!("lifecycle.{setting}"));
        let fields = kind.fields().iter().map(|field| field.path.to_owned());
        let paths: Vec<_> = fields.chain(settings).collect();
        let near = sbx::manifest::suggest(field, paths.iter().map(String::as_str));
        near.map_or_else(
            || format!("its fields are {}", paths.join(", ")),
            |near| format!("did you mean `{word}.{near}`?"),
        )
    } else {
        let others: Vec<_> = SCHEMAS.iter().map(|(name, _)| *name).collect();
        format!("the kinds are {}; the other schemas {}", naming::list(|info| info.singular), others.join(", "))
    };
    Failure::Usage { message: format!("there is nothing called `{path}`"), hint: Some(hint) }
}

fn explanation(explanation: &Explanation) -> String {
    let Explanation { title, shape, doc, facts, fields } = explanation;
    let mut lines = vec![format!("{}: {shape}", paint(style::STRONG, title))];
    if !doc.is_empty() {
        lines.extend([String::new(), wrapped(doc, "  ")]);
    }
    if !facts.is_empty() {
        lines.push(String::new());
        let width = facts.iter().map(|(word, _)| word.len()).max().unwrap_or(0) + 1;
        lines.extend(facts.iter().map(|(word, text)| format!("  {:<width$} {text}", format!("{word}:"))));
    }
    if !fields.is_empty() {
        lines.extend([String::new(), "Fields:".to_owned()]);
        let width = fields.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
        let indent = " ".repeat(width + 5);
        let row = |(path, doc): &(&str, &str)| format!("  {path:<width$}   {}", wrapped(doc, &indent).trim_start());
        lines.extend(fields.iter().map(row));
    }
    lines.join("\n") + "\n"
}

/// Breaks a text into lines that begin with `indent`.
fn wrapped(text: &str, indent: &str) -> String {
    let mut lines = vec![indent.to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.len() > indent.len() && line.len() + word.len() >= WIDTH {
            lines.push(format!("{indent}{word}"));
        } else {
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn explains_a_kind_and_a_field() {
        let explain = |path| strip_str(&explanation(&kinds::explain(path).unwrap())).to_string();
        insta::assert_snapshot!(explain("pool"), @r"
        pool: a kind

          Sandboxes of one template that are kept warm. A sandbox that is created from the
          template takes one of them, and the pool refills.

          also:       pools, po
          kind:       Pool
          apiVersion: sbx/v1
          lifecycle:  prevent_destroy, on_remove, renamed_from, replace, timeout

        Fields:
          template_name   The template, which must have no volume mounts.
          replicas        How many sandboxes to keep warm; 0 pauses the pool.
        ");
        insta::assert_snapshot!(explain("pool.replicas"), @r"
        pool.replicas: a whole number, or {min, max}

          How many sandboxes to keep warm; 0 pauses the pool. With {min, max}, a number in between
          is left to whoever scales it. The server takes at most 100.

          required: yes
          changes:  in place
          example:  5
        ");
        insta::assert_snapshot!(explain("sandbox.lifecycle"), @r"
        sandbox.lifecycle: a mapping, beside `spec`

          How an object is treated over its life.

        Fields:
          prevent_destroy      Refuse every plan that would destroy the object.
          on_remove            What happens when it is declared no longer.
          renamed_from         The name the object had before; none for a new object.
          on_template_change   What happens when what it was made from is superseded.
          on_expiry            What happens when its time to live ended it.
          timeout              How long to wait for it to be ready, such as 10m.
        ");
        insta::assert_snapshot!(explain("template.lifecycle.replace"), @r"
        template.lifecycle.replace: a word

          How it is made anew when it cannot change. `rolling` builds the new one beside the old
          one and swaps their names; `recreate` deletes the old one first.

          words:   rolling, recreate
          default: rolling
          example: recreate
        ");
    }

    #[test]
    fn what_is_unknown_gets_a_way_out() {
        assert_eq!(unknown("pool.replica").hints(), ["did you mean `pool.replicas`?"]);
        assert_eq!(unknown("pool.lifecycle.replce").hints(), ["did you mean `pool.lifecycle.replace`?"]);
        let fields = "its fields are size, lifecycle.prevent_destroy, lifecycle.on_remove, lifecycle.renamed_from, \
                      lifecycle.timeout";
        assert_eq!(unknown("volume.xyz").hints(), [fields]);
        let all = "the kinds are volume, template, pool, sandbox, registry, snapshot; \
                   the other schemas project, inventory, plan, saved-plan, events, drift";
        assert_eq!(unknown("thing").hints(), [all]);
    }
}

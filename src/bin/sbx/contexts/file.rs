//! What the user's file says.

use std::path::{Path, PathBuf};

use sbx::manifest::{Diagnostic, Diagnostics, Document, Entry, Fields, Node};

use super::key::KeySource;
use super::{Contexts, Named};
use crate::env::{self, Environment};
use crate::project::{Reported, name_of, optional, paths};

/// Where `~` is.
pub(super) struct Home(Option<PathBuf>);

impl Home {
    pub(super) fn new(environment: &Environment) -> Self {
        Self(environment.get(env::HOME).map(PathBuf::from))
    }

    /// Returns a path of the file at `file`: relative to its folder, and with `~/` as a shell has it.
    fn path(&self, file: &Path, text: &str) -> PathBuf {
        let from_home = text.strip_prefix("~/").and_then(|rest| Some(self.0.as_ref()?.join(rest)));
        let path = from_home.unwrap_or_else(|| file.parent().unwrap_or(file).join(text));
        paths::normal(&path)
    }
}

/// Words for a key itself. What follows one must not be shown, as a report of an unknown field would.
const WORDS_FOR_KEYS: [&str; 7] = ["api_key", "apikey", "api-key", "key", "token", "secret", "password"];

pub(super) fn decode(document: &Document, path: &Path, home: &Home, out: &mut Diagnostics) -> Option<Contexts> {
    if holds_key(&document.root, "the file", out) {
        return None;
    }
    let mut fields = Fields::new(&document.root, "the configuration", out)?;
    let current = fields.optional("current_context");
    let contexts = fields.optional("contexts");
    fields.finish(out);
    let current = optional(current, |node| text(node, "`current_context`", out));
    let entries = contexts.map_or(Some(&[][..]), |node| node.mapping("`contexts`", out))?;
    let all: Vec<_> = entries.iter().map(|entry| decode_one(entry, path, home, out)).collect();
    Some(Contexts { path: Some(path.to_owned()), current: current.ok()?, all: all.into_iter().collect::<Option<_>>()? })
}

fn decode_one(entry: &Entry, path: &Path, home: &Home, out: &mut Diagnostics) -> Option<Named> {
    let name = name_of(&entry.key, "a context's name", out);
    if holds_key(&entry.value, &format!("context `{}`", entry.name()), out) {
        return None;
    }
    let mut fields = Fields::new(&entry.value, format!("context `{}`", entry.name()), out)?;
    let endpoint = fields.required("endpoint", out);
    let from_variable = fields.optional("api_key_env");
    let from_file = fields.optional("api_key_file");
    let from_command = fields.optional("api_key_command");
    let ca_file = fields.optional("ca_file");
    fields.finish(out);

    let endpoint = endpoint.and_then(|node| text(node, "`endpoint`", out));
    let keys = [
        from_variable.map(|node| (node, text(node, "`api_key_env`", out).map(KeySource::Variable))),
        from_file
            .map(|node| (node, text(node, "`api_key_file`", out).map(|text| KeySource::File(home.path(path, &text))))),
        from_command.map(|node| (node, text(node, "`api_key_command`", out).map(KeySource::Command))),
    ];
    let key = one_key(keys.into_iter().flatten().collect(), out);
    let ca_file = optional(ca_file, |node| Some(home.path(path, &text(node, "`ca_file`", out)?)));
    Some(Named { name: name?.to_string(), endpoint: endpoint?, key: key.ok()?, ca_file: ca_file.ok()? })
}

fn text(node: &Node, what: &str, out: &mut Diagnostics) -> Option<String> {
    let text = node.text(what, out)?;
    if text.trim().is_empty() {
        let diagnostic = Diagnostic::error("empty", format!("{what} is empty"));
        out.push(diagnostic.primary(node.span, "says nothing"));
        return None;
    }
    Some(text.to_owned())
}

/// Returns where the key is, if the file says so and in one way only.
fn one_key(keys: Vec<(&Node, Option<KeySource>)>, out: &mut Diagnostics) -> Result<Option<KeySource>, Reported> {
    if let [(first, _), (second, _), ..] = &keys[..] {
        let diagnostic = Diagnostic::error("two-keys", "the key comes from one place");
        out.push(diagnostic.primary(second.span, "a second one").secondary(first.span, "the first one"));
        return Err(Reported);
    }
    match keys.into_iter().next() {
        None => Ok(None),
        Some((_, source)) => source.map(Some).ok_or(Reported),
    }
}

/// Reports a key in the file, without the line that it stands in.
fn holds_key(node: &Node, what: &str, out: &mut Diagnostics) -> bool {
    let entries = node.as_mapping().unwrap_or_default();
    let Some(entry) = entries.iter().find(|entry| WORDS_FOR_KEYS.contains(&&*entry.name().to_lowercase())) else {
        return false;
    };
    let diagnostic =
        Diagnostic::error("key-in-file", format!("{what} has a field `{}`: keys do not belong here", entry.name()));
    out.push(diagnostic.help("say where the key is: `api_key_env`, `api_key_file` or `api_key_command`"));
    true
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use sbx::manifest::{Input, Limits, load};

    use super::*;
    use crate::ui::diagnostic;

    fn decoded(text: &str) -> (Option<Contexts>, String) {
        let input = Input::Text { name: "config.yaml".to_owned(), text: text.to_owned() };
        let (documents, mut out) = load(&[input], &Limits::default());
        let home = Home(Some("/home/me".into()));
        let contexts = decode(&documents.documents[0], Path::new("/etc/sbx/config.yaml"), &home, &mut out);
        out.sort();
        assert_eq!(contexts.is_some(), !out.has_errors(), "{out:?}");
        (contexts, strip_str(&diagnostic::draw(&out, &documents.sources, 100)).to_string())
    }

    #[test]
    fn contexts_say_where_their_keys_are() {
        let (contexts, _) = decoded(
            "current_context: prod\ncontexts:\n  prod: {endpoint: 'https://a', api_key_env: PROD_KEY, ca_file: ca.pem}\n  \
             staging: {endpoint: 'https://b', api_key_file: ~/keys/b}\n  ci: {endpoint: 'https://c', \
             api_key_command: pass show c}\n  dev: {endpoint: 'http://localhost:7290'}\n",
        );
        let contexts = contexts.unwrap();
        assert_eq!(contexts.current.as_deref(), Some("prod"));
        let keys: Vec<_> = contexts.all.iter().map(|context| context.key.clone()).collect();
        assert_eq!(
            keys,
            [
                Some(KeySource::Variable("PROD_KEY".to_owned())),
                Some(KeySource::File("/home/me/keys/b".into())),
                Some(KeySource::Command("pass show c".to_owned())),
                None
            ]
        );
        assert_eq!(contexts.all[0].ca_file.as_deref(), Some(Path::new("/etc/sbx/ca.pem")));
    }

    #[test]
    fn what_is_wrong_is_shown() {
        let (_, problems) = decoded(
            "contexts:\n  Prod: {endpoint: 'https://a', api_key_env: A, api_key_file: b}\n  b: {endpoit: x}\n  \
             c: {endpoint: ''}\n",
        );
        insta::assert_snapshot!(problems, @r"
        error[bad-name]: a context's name cannot be `Prod`
         --> config.yaml:2:3
          |
        2 |   Prod: {endpoint: 'https://a', api_key_env: A, api_key_file: b}
          |   ^^^^ a name has only lower-case letters, digits and hyphens, not `P`

        error[two-keys]: the key comes from one place
         --> config.yaml:2:63
          |
        2 |   Prod: {endpoint: 'https://a', api_key_env: A, api_key_file: b}
          |                                              - the first one  ^ a second one

        error[missing-field]: missing field `endpoint` in context `b`
         --> config.yaml:3:7
          |
        3 |   b: {endpoit: x}
          |       ^^^^^^^ `endpoint` belongs beside this

        error[unknown-field]: unknown field `endpoit` in context `b`
         --> config.yaml:3:7
          |
        3 |   b: {endpoit: x}
          |       ^^^^^^^ unknown field
          |
          = help: did you mean `endpoint`?

        error[empty]: `endpoint` is empty
         --> config.yaml:4:17
          |
        4 |   c: {endpoint: ''}
          |                 ^^ says nothing
        ");
    }

    #[test]
    fn a_key_in_the_file_is_refused_and_not_shown() {
        for text in
            ["contexts: {a: {endpoint: x, api_key: planted}}", "token: planted", "contexts: {a: {Token: planted}}"]
        {
            let (_, problems) = decoded(text);
            assert!(problems.contains("keys do not belong here") && !problems.contains("planted"), "{problems}");
        }
    }
}

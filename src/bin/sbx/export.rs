//! Manifests for what is live: which objects can be declared, and the texts that declare them.

use std::path::Path;

use sbx::kinds::{self, Health, Key, Live, is_reserved};
use sbx::manifest::{self, Input, Limits};
use sbx::reconcile::World;

use crate::folder::File;

/// An object with the manifest that declares it as it is.
#[derive(Debug)]
pub(crate) struct Exported {
    /// The object.
    pub(crate) key: Key,
    /// The manifest, ending in a line break.
    pub(crate) text: String,
}

/// Objects with their manifests, and what there is no manifest for.
#[derive(Debug, Default)]
pub(crate) struct Export {
    /// In the order in which they can be created: kind by kind, and by name.
    pub(crate) objects: Vec<Exported>,
    /// Each object that is left out, with the reason.
    pub(crate) left_out: Vec<(Key, String)>,
}

impl Export {
    /// Makes manifests for the live objects that are asked for.
    pub(crate) fn of(world: &World, is_asked_for: impl Fn(&Live) -> bool) -> Self {
        let mut export = Self::default();
        for live in world.iter().filter(|live| is_asked_for(live)) {
            match manifest_of(live, world) {
                Ok(text) => export.objects.push(Exported { key: live.key.clone(), text }),
                Err(why) => export.left_out.push((live.key.clone(), why)),
            }
        }
        export
    }

    /// Returns all manifests as one stream.
    pub(crate) fn to_stream(&self) -> String {
        stream(self.objects.iter())
    }

    /// Returns the files of a folder: one for each kind, or one for each object.
    pub(crate) fn files(&self, one_each: bool) -> Vec<File> {
        if one_each {
            return self.objects.iter().map(file_of_one).collect();
        }
        // Kinds of one name share a file, whatever their versions.
        let mut files: Vec<(&str, Vec<&Exported>)> = Vec::new();
        for object in &self.objects {
            let plural = object.key.kind.info().plural;
            match files.iter_mut().find(|(of, _)| *of == plural) {
                Some((_, objects)) => objects.push(object),
                None => files.push((plural, vec![object])),
            }
        }
        let file = |(plural, objects): (&str, Vec<&Exported>)| {
            File::manifest(Path::new(plural).with_extension("yaml"), &stream(objects.into_iter()))
        };
        files.into_iter().map(file).collect()
    }
}

fn file_of_one(object: &Exported) -> File {
    let folder = Path::new(object.key.kind.info().plural);
    File::manifest(folder.join(format!("{}.yaml", object.key.name)), &object.text)
}

fn stream<'a>(objects: impl Iterator<Item = &'a Exported>) -> String {
    objects.map(|object| object.text.as_str()).collect::<Vec<_>>().join("---\n")
}

/// Why what has a reserved name is left out.
const RESERVED: &str = "a replacement built it or left it";

/// Returns the manifest of an object, or why no manifest leaves it as it is.
fn manifest_of(live: &Live, world: &World) -> Result<String, String> {
    let name = &live.key.name;
    if is_reserved(name) {
        return Err(RESERVED.to_owned());
    }
    let owner = live.id.as_ref().and_then(|id| world.siblings.get(&(live.key.kind, id.clone())));
    if let Some(owner) = owner {
        return Err(format!("it is owned by `{owner}`"));
    }
    if let Health::Failed(message) = &live.health {
        return Err(format!("it failed: {message}"));
    }
    let spec = live.spec.as_ref().map_err(ToString::to_string)?;
    for reference in spec.references() {
        let missing =
            || format!("it refers to {} `{}`, which is not there", reference.kind.info().singular, reference.name);
        let key = reference.key().ok_or_else(missing)?;
        if is_reserved(&key.name) {
            return Err(format!("it refers to {key}, which a replacement built or left"));
        }
        world.get(&key).ok_or_else(missing)?;
    }
    if let Some(violation) = live.key.kind.check(spec, world).into_iter().next() {
        return Err(violation.message);
    }
    let manifest = kinds::to_manifest(name, spec);
    let text = serde_yaml::to_string(&manifest).expect("a manifest is plain data with text keys");
    read_back(&text, live)?;
    Ok(undeclarable(live) + &text)
}

/// Returns a comment on what the object has beside its manifest, if it has anything. The names are the server's.
fn undeclarable(live: &Live) -> String {
    let fields: Vec<_> = live.extra.keys().map(|field| field.escape_debug().to_string()).collect();
    if fields.is_empty() {
        return String::new();
    }
    let fields = fields.join(", ");
    format!("# It has more that no manifest can declare, and that goes with it when it is replaced: {fields}\n")
}

/// Reads a manifest as a later plan will, since a server may have what no manifest may say.
fn read_back(text: &str, live: &Live) -> Result<(), String> {
    let (documents, mut diagnostics) = manifest::load(&[Input::Stdin(text.into())], &Limits::default());
    let objects = kinds::decode(&documents, &mut diagnostics);
    if let Some(error) = diagnostics.errors().next() {
        return Err(error.message.clone());
    }
    let is_same = |object: &kinds::Object| object.key == live.key && live.spec.as_ref() == Ok(&object.spec);
    if objects.iter().any(is_same) { Ok(()) } else { Err("its manifest would say something else".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sbx::kinds::{KindId, Reference, TEMPLATE, Unreadable, VOLUME};
    use sbx::types::ObjectId;
    use serde_json::json;

    use super::*;

    fn live(kind: KindId, name: &str, spec: &serde_json::Value) -> Live {
        Live {
            key: Key { kind, name: name.parse().unwrap() },
            id: Some(ObjectId::new(format!("id-of-{name}"))),
            spec: Ok(kinds::spec_from_json(kind, spec).unwrap()),
            health: Health::Good,
            created_at: None,
            expires_at: None,
            mark: None,
            build: None,
            extra: serde_json::Map::new(),
        }
    }

    fn world(objects: impl IntoIterator<Item = Live>) -> World {
        World::new(objects, crate::env::now())
    }

    fn why_not(objects: impl IntoIterator<Item = Live>, name: &str) -> Option<String> {
        let export = Export::of(&world(objects), |live| live.key.name.as_str() == name);
        assert_eq!(export.objects.len() + export.left_out.len(), 1);
        export.left_out.into_iter().next().map(|(_, why)| why)
    }

    fn volume(name: &str) -> Live {
        live(VOLUME, name, &json!({"size": "1Gi"}))
    }

    fn template(name: &str, image: &str) -> Live {
        live(TEMPLATE, name, &json!({"image": image}))
    }

    fn with_mount(name: &str, volume: &str, path: &str) -> Live {
        live(TEMPLATE, name, &json!({"image": "a", "volume_mounts": [{"volume_name": volume, "mount_path": path}]}))
    }

    #[test]
    fn what_a_manifest_can_say_is_exported() {
        for name in ["none", "null", "true", "yes", "on", "n", "e1", "x-1"] {
            assert_eq!(why_not([volume(name)], name), None, "{name}");
        }
        let digest = format!("python@sha256:{}", "a".repeat(64));
        for image in [digest.as_str(), "1.5", "0x10", "null", "~", "localhost:5000/a:1", "b#c", "-", "@a", "{a}"] {
            assert_eq!(why_not([template("t", image)], "t"), None, "{image}");
        }
        for path in ["/data", "/a b", "/#x", "/é: y", "/'\"", "/-\u{a0}"] {
            assert_eq!(why_not([volume("v"), with_mount("t", "v", path)], "t"), None, "{path}");
        }
    }

    #[test]
    fn what_no_manifest_can_say_is_left_out_with_its_reason() {
        let failed = Live { health: Health::Failed("no such image".to_owned()), ..template("t", "a") };
        let unreadable = Unreadable { why: "its size: no number".to_owned(), references: Vec::new() };
        let unreadable = Live { spec: Err(unreadable), ..volume("v") };
        let pool = live(kinds::POOL, "p", &json!({"template_name": "t", "replicas": 1}));
        let cases = [
            (why_not([volume("v--sbx-01234567")], "v--sbx-01234567"), RESERVED),
            (why_not([failed], "t"), "it failed: no such image"),
            (why_not([unreadable], "v"), "its size: no number"),
            (why_not([template("t", "a b")], "t"), "`a b` is not a container image"),
            (why_not([volume("v"), with_mount("t", "v", "/a/")], "t"), "`/a/` is not a mount path"),
            (why_not([with_mount("t", "v", "/a")], "t"), "it refers to volume `v`, which is not there"),
            (why_not([with_mount("t", "V", "/a")], "t"), "it refers to volume `V`, which is not there"),
            (
                why_not([volume("v"), with_mount("t", "v", "/a"), pool], "p"),
                "template `t` has volume mounts, so it cannot be pooled",
            ),
        ];
        for (why, expected) in cases {
            assert_eq!(why.as_deref(), Some(expected));
        }
        let reference = Reference { kind: TEMPLATE, name: Arc::from("t--sbx-01234567") };
        let pool = live(kinds::POOL, "p", &json!({"template_name": reference.name, "replicas": 1}));
        let why = why_not([template("t--sbx-01234567", "a"), pool], "p");
        assert_eq!(why.as_deref(), Some("it refers to template/t--sbx-01234567, which a replacement built or left"));
    }

    #[test]
    fn what_no_manifest_can_declare_is_told_in_a_comment() {
        let mut live = template("t", "a");
        live.extra.insert("proxy_config".to_owned(), json!({"rules": []}));
        live.extra.insert("a\nkind: Volume".to_owned(), json!(1));
        let export = Export::of(&world([live]), |_| true);
        let text = &export.objects[0].text;
        let first = text.lines().next().unwrap();
        assert!(first.starts_with("# ") && first.contains("proxy_config") && first.contains("a\\nkind"), "{text}");
        assert!(text.lines().nth(1).unwrap().starts_with("apiVersion"), "{text}");
    }

    #[test]
    fn what_another_project_owns_is_left_out() {
        let mut world = world([volume("a"), volume("b")]);
        world.siblings.insert((VOLUME, ObjectId::new("id-of-a")), Arc::from("theirs"));
        let export = Export::of(&world, |_| true);
        assert_eq!(export.objects.iter().map(|object| object.key.to_string()).collect::<Vec<_>>(), ["volume/b"]);
        assert_eq!(export.left_out[0].1, "it is owned by `theirs`");
    }

    #[test]
    fn files_are_by_kind_or_by_object() {
        let export = Export::of(&world([volume("b"), volume("a"), template("t", "x")]), |_| true);
        let paths = |one_each| -> Vec<_> {
            export.files(one_each).into_iter().map(|file| file.path.display().to_string()).collect()
        };
        assert_eq!(paths(false), ["volumes.yaml", "templates.yaml"]);
        assert_eq!(paths(true), ["volumes/a.yaml", "volumes/b.yaml", "templates/t.yaml"]);
        assert!(export.files(false)[0].text.starts_with("# yaml-language-server: $schema=.schema.json\n"));
        assert!(export.files(true)[0].text.starts_with("# yaml-language-server: $schema=../.schema.json\n"));
    }
}

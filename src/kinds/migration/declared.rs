//! All that is declared before a move, by what it is looked for.

use std::collections::{HashMap, HashSet};

use crate::kinds::kind::Key;
use crate::kinds::object::Object;
use crate::kinds::sandbox::SandboxSpec;
use crate::kinds::template::TemplateSpec;
use crate::kinds::volume::VolumeSpec;
use crate::kinds::{SANDBOX_V2, SNAPSHOT, snapshot};
use crate::types::Name;

/// What is declared.
#[derive(Debug, Default)]
pub(super) struct Declared<'a> {
    templates: HashMap<&'a str, &'a TemplateSpec>,
    volumes: HashMap<&'a str, &'a VolumeSpec>,
    /// The sandboxes of each template.
    sandboxes: HashMap<&'a str, Vec<&'a Key>>,
    /// Where each volume is mounted: the template, and the path in its sandboxes.
    mounts: HashMap<&'a str, Vec<(&'a Key, &'a str)>>,
    /// The snapshots that moved already, without the tag that goes without saying.
    snapshots: HashMap<&'a str, &'a Key>,
    /// The sandboxes that moved already.
    moved_sandboxes: HashSet<&'a Name>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(objects: &[&'a Object]) -> Self {
        let mut declared = Self::default();
        for &object in objects {
            declared.add(object);
        }
        declared
    }

    fn add(&mut self, object: &'a Object) {
        let (key, name) = (&object.key, object.key.name.as_str());
        if let Some(template) = object.spec.downcast::<TemplateSpec>() {
            self.templates.insert(name, template);
            for (path, volume) in &template.volume_mounts {
                self.mounts.entry(&volume.name).or_default().push((key, &**path));
            }
        } else if let Some(volume) = object.spec.downcast() {
            self.volumes.insert(name, volume);
        } else if let Some(sandbox) = object.spec.downcast::<SandboxSpec>() {
            self.sandboxes.entry(&sandbox.template_name).or_default().push(key);
        } else if key.kind == SANDBOX_V2 {
            self.moved_sandboxes.insert(&key.name);
        } else if key.kind == SNAPSHOT && snapshot::split(name).1 == snapshot::LATEST {
            self.snapshots.insert(snapshot::split(name).0, key);
        }
    }

    /// Returns the template of this name.
    pub(super) fn template(&self, name: &str) -> Option<&'a TemplateSpec> {
        self.templates.get(name).copied()
    }

    /// Returns the volume of this name.
    pub(super) fn volume(&self, name: &str) -> Option<&'a VolumeSpec> {
        self.volumes.get(name).copied()
    }

    /// Returns the sandboxes that are made from a template.
    pub(super) fn sandboxes_of(&self, template: &str) -> &[&'a Key] {
        self.sandboxes.get(template).map_or(&[], Vec::as_slice)
    }

    /// Returns where a volume is mounted: the template, and the path.
    pub(super) fn mounts_of(&self, volume: &str) -> &[(&'a Key, &'a str)] {
        self.mounts.get(volume).map_or(&[], Vec::as_slice)
    }

    /// Returns the snapshot of this name, if one is declared.
    pub(super) fn snapshot(&self, name: &str) -> Option<&'a Key> {
        self.snapshots.get(name).copied()
    }

    /// Returns whether a sandbox of this name is declared in the second version.
    pub(super) fn has_moved_sandbox(&self, name: &Name) -> bool {
        self.moved_sandboxes.contains(name)
    }
}

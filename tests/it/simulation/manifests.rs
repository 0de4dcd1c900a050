//! Random manifests over a few names, and random edits of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use fastrand::Rng;

/// How many names there are of each kind.
const N_NAMES: usize = 4;

/// A manifest set that is valid whatever is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifests {
    volumes: BTreeMap<usize, Volume>,
    templates: BTreeMap<usize, Template>,
    pools: BTreeMap<usize, Pool>,
    sandboxes: BTreeMap<usize, Sandbox>,
}

/// Where an object comes from, as an index of a name.
type Origin = Option<usize>;

#[derive(Debug, Clone)]
struct Volume {
    gib: usize,
    origin: Origin,
}

#[derive(Debug, Clone)]
struct Template {
    image: char,
    mount: Option<usize>,
    origin: Origin,
}

#[derive(Debug, Clone)]
struct Pool {
    template: usize,
    replicas: usize,
    origin: Origin,
}

#[derive(Debug, Clone)]
struct Sandbox {
    template: usize,
    ttl_minutes: usize,
    follows: bool,
    origin: Origin,
}

impl Manifests {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut drawn = Self::default();
        for _ in 0..rng.usize(6..18) {
            drawn.declare_one(rng);
        }
        drawn
    }

    /// Returns a manifest set that differs in a few places.
    pub(crate) fn edited(&self, rng: &mut Rng) -> Self {
        let mut edited = self.clone();
        for _ in 0..rng.usize(2..8) {
            match rng.usize(0..6) {
                0 => edited.drop_one(rng),
                1 | 2 => edited.rename_one(rng),
                _ => edited.declare_one(rng),
            }
        }
        edited
    }

    /// Returns this set with everything declared that it refers to.
    pub(crate) fn closed(mut self) -> Self {
        let of_pools = self.pools.values().map(|pool| pool.template);
        let wanted: Vec<_> = of_pools.chain(self.sandboxes.values().map(|sandbox| sandbox.template)).collect();
        for name in wanted {
            self.templates.entry(name).or_insert(Template { image: 'a', mount: None, origin: None });
        }
        for name in self.templates.values().filter_map(|template| template.mount) {
            self.volumes.entry(name).or_insert(Volume { gib: 1, origin: None });
        }
        self
    }

    /// Declares an object anew, or with other values.
    fn declare_one(&mut self, rng: &mut Rng) {
        let (name, other) = (rng.usize(0..N_NAMES), rng.usize(0..N_NAMES));
        match rng.usize(0..4) {
            0 => drop(self.volumes.insert(name, Volume { gib: rng.usize(1..5), origin: None })),
            1 => {
                let mount = rng.bool().then_some(other);
                self.templates.insert(name, Template { image: rng.char('a'..='b'), mount, origin: None });
            }
            2 => drop(self.pools.insert(name, Pool { template: other, replicas: rng.usize(0..4), origin: None })),
            _ => {
                let (ttl_minutes, follows) = (rng.usize(1..4) * 60, rng.bool());
                self.sandboxes.insert(name, Sandbox { template: other, ttl_minutes, follows, origin: None });
            }
        }
    }

    fn drop_one(&mut self, rng: &mut Rng) {
        let name = rng.usize(0..N_NAMES);
        match rng.usize(0..4) {
            0 => drop(self.volumes.remove(&name)),
            1 => drop(self.templates.remove(&name)),
            2 => drop(self.pools.remove(&name)),
            _ => drop(self.sandboxes.remove(&name)),
        }
    }

    /// Moves a declaration to another name, with what refers to it most of the time.
    fn rename_one(&mut self, rng: &mut Rng) {
        let (from, to) = (rng.usize(0..N_NAMES), rng.usize(0..N_NAMES));
        let with_references = rng.usize(0..4) > 0;
        let follow = |name: &mut usize| {
            if with_references && *name == from {
                *name = to;
            }
        };
        match rng.usize(0..4) {
            _ if from == to => {}
            0 => {
                let Some(volume) = self.volumes.remove(&from) else { return };
                self.volumes.insert(to, Volume { origin: Some(from), ..volume });
                self.templates.values_mut().filter_map(|template| template.mount.as_mut()).for_each(follow);
            }
            1 => {
                let Some(template) = self.templates.remove(&from) else { return };
                self.templates.insert(to, Template { origin: Some(from), ..template });
                self.pools.values_mut().map(|pool| &mut pool.template).for_each(follow);
                self.sandboxes.values_mut().map(|sandbox| &mut sandbox.template).for_each(follow);
            }
            2 => {
                let Some(pool) = self.pools.remove(&from) else { return };
                self.pools.insert(to, Pool { origin: Some(from), ..pool });
            }
            _ => {
                let Some(sandbox) = self.sandboxes.remove(&from) else { return };
                self.sandboxes.insert(to, Sandbox { origin: Some(from), ..sandbox });
            }
        }
    }

    /// Returns the names from which objects are to be renamed, such as `volume/v1`.
    pub(crate) fn origins(&self) -> BTreeSet<String> {
        let volumes = self.volumes.values().filter_map(|volume| Some(format!("volume/v{}", volume.origin?)));
        let templates = self.templates.values().filter_map(|template| Some(format!("template/t{}", template.origin?)));
        let pools = self.pools.values().filter_map(|pool| Some(format!("pool/p{}", pool.origin?)));
        let sandboxes = self.sandboxes.values().filter_map(|sandbox| Some(format!("sandbox/s{}", sandbox.origin?)));
        volumes.chain(templates).chain(pools).chain(sandboxes).collect()
    }

    /// Returns the text of the manifests. Of two objects with one origin the first keeps it; a pool whose template has
    /// mounts is left out.
    pub(crate) fn to_text(&self) -> String {
        let mut out = Text::default();
        for (name, Volume { gib, origin }) in &self.volumes {
            out.add("Volume", 'v', *name, &format!("size: {gib}Gi"), *origin, None);
        }
        for (name, Template { image, mount, origin }) in &self.templates {
            let mounts = mount.map(|volume| format!(", volume_mounts: [{{volume_name: v{volume}, mount_path: /v}}]"));
            out.add("Template", 't', *name, &format!("image: {image}{}", mounts.unwrap_or_default()), *origin, None);
        }
        let has_mounts = |template| self.templates.get(template).is_some_and(|template| template.mount.is_some());
        for (name, Pool { template, replicas, origin }) in &self.pools {
            if !has_mounts(template) {
                out.add(
                    "Pool",
                    'p',
                    *name,
                    &format!("template_name: t{template}, replicas: {replicas}"),
                    *origin,
                    None,
                );
            }
        }
        for (name, Sandbox { template, ttl_minutes, follows, origin }) in &self.sandboxes {
            let spec = format!("template_name: t{template}, ttl_seconds: {}", ttl_minutes * 60);
            out.add("Sandbox", 's', *name, &spec, *origin, follows.then_some("on_template_change: replace"));
        }
        out.text
    }
}

#[derive(Default)]
struct Text {
    text: String,
    origins: BTreeSet<(char, usize)>,
}

impl Text {
    fn add(&mut self, kind: &str, prefix: char, name: usize, spec: &str, origin: Origin, lifecycle: Option<&str>) {
        let origin = origin.filter(|origin| *origin != name && self.origins.insert((prefix, *origin)));
        let renamed = origin.map(|origin| format!("renamed_from: {prefix}{origin}"));
        let lifecycle: Vec<_> = renamed.as_deref().into_iter().chain(lifecycle).collect();
        let lifecycle = lifecycle.join(", ");
        writeln!(
            self.text,
            "---\n{{apiVersion: sbx/v1, kind: {kind}, metadata: {{name: {prefix}{name}}}, spec: {{{spec}}}, \
             lifecycle: {{{lifecycle}}}}}"
        )
        .expect("a string takes everything");
    }
}

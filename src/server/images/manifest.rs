//! The documents of an image: index, manifest, configuration; Docker's forms of them too, which differ in names only.

use std::collections::BTreeMap;
use std::env::consts;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::digest::Digest;
use super::error::ImageError;

/// How large a document may be. Registries take 4 MiB.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// As many layers as anybody makes; overlayfs stacks 500.
const MAX_LAYERS: usize = 500;

/// A pointer to some content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) digest: Digest,
    pub(super) size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// An index or a manifest, told apart by what they have.
#[derive(Debug)]
pub(super) enum Document {
    Index(Vec<Descriptor>),
    Manifest(Manifest),
}

/// What an image consists of.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// What an image says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default, rename = "config")]
    execution: Option<Execution>,
    rootfs: RootFs,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    #[serde(default)]
    env: Option<Vec<String>>,
    #[serde(default)]
    working_dir: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

impl Document {
    /// Reads an index or a manifest; `what` names it in errors.
    pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Self, ImageError> {
        #[derive(Deserialize)]
        struct Either {
            manifests: Option<Vec<Descriptor>>,
            config: Option<Descriptor>,
            layers: Option<Vec<Descriptor>>,
        }
        match read::<Either>(what, bytes)? {
            Either { manifests: Some(manifests), config: None, layers: None } => Ok(Self::Index(manifests)),
            Either { manifests: None, config: Some(config), layers: Some(layers) } => {
                Ok(Self::Manifest(Manifest { config, layers }))
            }
            _ => Err(malformed(what, "it is neither an index nor a manifest of an image")),
        }
    }
}

impl Config {
    /// Reads a configuration, and checks that this machine can run the image.
    pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Self, ImageError> {
        let config: Self = read(what, bytes)?;
        let built_for = |own: &str, found: &str| found.is_empty() || found == own;
        if !built_for(architecture(), &config.architecture) || !built_for("linux", &config.os) {
            let found = format!("one for {}/{}", config.os, config.architecture);
            return Err(ImageError::NoSuchImage { what: what.to_owned(), wanted: wanted_platform(), found });
        }
        if config.rootfs.diff_ids.len() > MAX_LAYERS {
            return Err(malformed(what, &format!("it has more than {MAX_LAYERS} layers")));
        }
        Ok(config)
    }

    /// Returns the digests of the layers' archives without compression, lowest first.
    pub(super) fn diff_ids(&self) -> &[Digest] {
        &self.rootfs.diff_ids
    }

    /// Returns the variables that its commands get.
    pub(super) fn env(&self) -> BTreeMap<String, String> {
        let variables = self.execution.iter().filter_map(|execution| execution.env.as_ref()).flatten();
        let pairs = variables.filter_map(|variable| variable.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(super) fn workdir(&self) -> Option<String> {
        self.text(|execution| &execution.working_dir)
    }

    pub(super) fn user(&self) -> Option<String> {
        self.text(|execution| &execution.user)
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        self.execution.as_ref().and_then(|execution| execution.labels.clone()).unwrap_or_default()
    }

    fn text(&self, field: impl Fn(&Execution) -> &String) -> Option<String> {
        self.execution.as_ref().map(|execution| field(execution).clone()).filter(|text| !text.is_empty())
    }
}

/// Picks the image for this machine.
///
/// An index of one image needs to say no platform: its configuration does.
pub(super) fn for_this_machine<'a>(what: &str, found: &'a [Descriptor]) -> Result<&'a Descriptor, ImageError> {
    if let [only] = found
        && only.platform.is_none()
    {
        return Ok(only);
    }
    let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
    found.iter().find(|descriptor| descriptor.platform.as_ref().is_some_and(fits)).ok_or_else(|| {
        let platforms: Vec<_> = found
            .iter()
            .filter_map(|descriptor| descriptor.platform.as_ref())
            .filter(|platform| platform.os != "unknown")
            .map(|platform| format!("{}/{}", platform.os, platform.architecture))
            .collect();
        ImageError::NoSuchImage { what: what.to_owned(), wanted: wanted_platform(), found: list(&platforms) }
    })
}

/// Picks the images of a layout that have a tag, or all when no tag is asked for.
pub(super) fn tagged<'a>(
    what: &str,
    found: &'a [Descriptor],
    tag: Option<&str>,
) -> Result<Vec<&'a Descriptor>, ImageError> {
    const NAME: &str = "org.opencontainers.image.ref.name";
    let Some(tag) = tag else { return Ok(found.iter().collect()) };
    let name = |descriptor: &'a Descriptor| descriptor.annotations.get(NAME);
    let chosen: Vec<_> = found.iter().filter(|descriptor| name(descriptor).is_some_and(|name| name == tag)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = found.iter().filter_map(name).cloned().collect();
        let wanted = format!("with the tag `{tag}`");
        return Err(ImageError::NoSuchImage { what: what.to_owned(), wanted, found: list(&names) });
    }
    Ok(chosen)
}

/// Writes what there is, or that there is nothing.
pub(super) fn list(found: &[String]) -> String {
    if found.is_empty() { "none".to_owned() } else { found.join(", ") }
}

/// Reads a document of JSON.
pub(super) fn read<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(what, &error.to_string()))
}

pub(super) fn malformed(what: &str, reason: &str) -> ImageError {
    ImageError::Malformed { what: what.to_owned(), reason: reason.to_owned() }
}

fn wanted_platform() -> String {
    format!("for linux/{}", architecture())
}

/// Returns what Go, and so every image, calls this machine's architecture.
fn architecture() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(platform: Option<(&str, &str)>, size: u64) -> Descriptor {
        let platform = platform.map(|(os, architecture)| Platform { os: os.into(), architecture: architecture.into() });
        Descriptor { digest: Digest::of(b""), size, platform, annotations: BTreeMap::new() }
    }

    #[test]
    fn the_machines_own_platform_is_picked() {
        let own = Some(("linux", architecture()));
        let found =
            [descriptor(Some(("linux", "z80")), 1), descriptor(Some(("unknown", "unknown")), 2), descriptor(own, 3)];
        assert_eq!(for_this_machine("x", &found).expect("has one").size, 3);
        let error = for_this_machine("x", &found[..2]).expect_err("has none").to_string();
        assert!(error.ends_with("it has linux/z80"), "{error}");
        assert!(for_this_machine("x", &[descriptor(None, 1)]).is_ok());
    }

    #[test]
    fn a_configuration_says_how_commands_run() {
        let text = br#"{"config":{"Env":["PATH=/bin","A=b=c","bad"],"WorkingDir":"/srv","User":""},
            "rootfs":{"type":"layers","diff_ids":[]}}"#;
        let config = Config::read("x", text).expect("is one");
        let env = config.env();
        assert_eq!(
            env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
            ["A=b=c", "PATH=/bin"]
        );
        assert_eq!((config.workdir().as_deref(), config.user()), (Some("/srv"), None));
    }

    #[test]
    fn an_image_for_another_machine_is_refused() {
        let text = br#"{"architecture":"z80","os":"linux","rootfs":{"diff_ids":[]}}"#;
        assert!(matches!(Config::read("x", text), Err(ImageError::NoSuchImage { .. })));
    }

    #[test]
    fn what_is_no_document_is_malformed() {
        for text in ["", "[]", "{}", r#"{"manifests":[{"digest":"sha256:../x","size":1}]}"#] {
            assert!(matches!(Document::read("x", text.as_bytes()), Err(ImageError::Malformed { .. })), "{text}");
        }
    }
}

//! From a list of images to the files of a workspace; the benchmark uses it too.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

/// How many volumes and pools go with how many templates.
pub(crate) const VOLUMES: usize = 200;
pub(crate) const POOLS: usize = 500;
pub(crate) const TEMPLATES: usize = 9_849;

/// Every so many templates one mounts a volume; a pool cannot use it then.
pub(crate) const MOUNTED_EVERY: usize = 10;

/// The longest name that the API takes.
pub(crate) const MAX_NAME_LEN: usize = 63;

/// What is written into the folder.
const WRITTEN: [&str; 3] = ["templates", "volumes.yaml", "pools.yaml"];

/// Reads the list and writes the manifests below `folder`. What an earlier run wrote there goes first; a folder with anything
/// else in it is refused.
pub(crate) fn generate(images: &Path, folder: &Path, first: Option<usize>) -> io::Result<String> {
    let list = fs::read_to_string(images)?;
    let fleet = Fleet::new(list.lines().take(first.unwrap_or(usize::MAX)));
    if folder.exists() {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if !WRITTEN.iter().any(|written| name == *written) {
                let why = format!("{} has other files in it, such as {}", folder.display(), name.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
            }
        }
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("templates"))?;
    for (file, text) in fleet.files() {
        fs::write(folder.join(file), text)?;
    }
    let Fleet { templates, n_volumes, n_pools } = &fleet;
    Ok(format!("{} templates, {n_volumes} volumes and {n_pools} pools in {}", templates.len(), folder.display()))
}

/// The workspace that a list of images becomes.
pub(crate) struct Fleet {
    pub(crate) templates: Vec<Template>,
    pub(crate) n_volumes: usize,
    pub(crate) n_pools: usize,
}

pub(crate) struct Template {
    pub(crate) name: String,
    image: String,
}

impl Fleet {
    pub(crate) fn new<'a>(images: impl Iterator<Item = &'a str>) -> Self {
        let mut taken = BTreeSet::new();
        let templates: Vec<_> = images
            .map(str::trim)
            .filter(|image| !image.is_empty())
            .map(|image| Template { name: unique_name(image, &mut taken), image: image.to_owned() })
            .collect();
        let share = |whole: usize| (whole * templates.len()).div_ceil(TEMPLATES).min(whole);
        Self { n_volumes: share(VOLUMES), n_pools: share(POOLS), templates }
    }

    /// Returns each file's name and text: templates of one repository share a file, as a person would have it.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let mut files = vec![("volumes.yaml".to_owned(), self.volumes()), ("pools.yaml".to_owned(), self.pools())];
        for (at, template) in self.templates.iter().enumerate() {
            let repository = template.image.split(':').next().unwrap_or_default().replace('/', "-");
            let file = format!("templates/{repository}.yaml");
            let document = self.template(at, template);
            match files.last_mut() {
                Some((last, text)) if *last == file => text.push_str(&document),
                _ => files.push((file, document)),
            }
        }
        files
    }

    fn volumes(&self) -> String {
        let mut text = String::new();
        for number in 0..self.n_volumes {
            let size = 1 + number % 64;
            document(&mut text, "Volume", &volume_name(number), &format!("  size: {size}Gi\n"));
        }
        text
    }

    fn template(&self, at: usize, template: &Template) -> String {
        let cpu = ["500m", "\"1\"", "\"2\"", "250m"][at % 4];
        let memory = ["512Mi", "1Gi", "4Gi"][at % 3];
        let mut spec = format!("  image: \"{}\"\n  resources: {{cpu: {cpu}, memory: {memory}}}\n", template.image);
        if at.is_multiple_of(MOUNTED_EVERY) && self.n_volumes > 0 {
            let volume = volume_name(at / MOUNTED_EVERY % self.n_volumes);
            let mounts = format!("  volume_mounts:\n    - {{volume_name: {volume}, mount_path: /data}}\n");
            spec.push_str(&mounts);
        }
        let mut text = String::new();
        document(&mut text, "Template", &template.name, &spec);
        text
    }

    pub(crate) fn pools(&self) -> String {
        let templates = self.templates.iter().enumerate();
        let usable: Vec<_> = templates.filter(|(at, _)| !at.is_multiple_of(MOUNTED_EVERY)).collect();
        let step = (usable.len() / self.n_pools.max(1)).max(1);
        let mut text = String::new();
        for (number, (_, template)) in usable.into_iter().step_by(step).take(self.n_pools).enumerate() {
            let spec = format!("  template_name: {}\n  replicas: {}\n", template.name, 1 + number % 3);
            document(&mut text, "Pool", &format!("pool-{number:03}"), &spec);
        }
        text
    }
}

fn volume_name(number: usize) -> String {
    format!("volume-{number:03}")
}

fn document(text: &mut String, kind: &str, name: &str, spec: &str) {
    write!(text, "---\napiVersion: sbx/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}")
        .expect("a string takes any text");
}

/// Turns an image into a name that the API takes and that no other image has.
pub(crate) fn unique_name(image: &str, taken: &mut BTreeSet<String>) -> String {
    let mut name: String =
        image.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "image-");
    }
    name.truncate(MAX_NAME_LEN);
    let name = name.trim_end_matches('-');
    let numbered = (2..).map(|number| {
        let suffix = format!("-{number}");
        format!("{}{suffix}", name[..name.len().min(MAX_NAME_LEN - suffix.len())].trim_end_matches('-'))
    });
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.expect("there are more numbers than images");
    taken.insert(free.clone());
    free
}

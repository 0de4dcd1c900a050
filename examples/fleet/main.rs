//! Writes a large workspace to try `sbx` on: a template for each image of a list, 200 volumes and 500 pools.
//!
//! ```sh
//! cargo run --example fleet -- examples/fleet/official-images.txt target/fleet
//! sbx validate -f target/fleet
//! ```
//!
//! `--first N` takes only the first N images, and volumes and pools in proportion. The same list gives the same files.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program says what it did")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many volumes and pools go with how many templates.
const VOLUMES: usize = 200;
const POOLS: usize = 500;
const TEMPLATES: usize = 9_849;

/// Every so many templates one mounts a volume; a pool cannot use it then.
const MOUNTED_EVERY: usize = 10;

/// The longest name that the API takes.
const MAX_NAME_LEN: usize = 63;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (images, folder, first) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [images, folder] => (PathBuf::from(images), PathBuf::from(folder), None),
        [images, folder, "--first", n] if n.parse::<usize>().is_ok() => {
            (PathBuf::from(images), PathBuf::from(folder), n.parse().ok())
        }
        _ => {
            eprintln!("usage: fleet IMAGES FOLDER [--first N]");
            return ExitCode::from(64);
        }
    };
    match generate(&images, &folder, first) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the list and writes the manifests below `folder`, which is emptied first if it is there.
fn generate(images: &Path, folder: &Path, first: Option<usize>) -> io::Result<String> {
    let list = fs::read_to_string(images)?;
    let fleet = Fleet::new(list.lines().take(first.unwrap_or(usize::MAX)));
    if folder.exists() {
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
struct Fleet {
    templates: Vec<Template>,
    n_volumes: usize,
    n_pools: usize,
}

struct Template {
    name: String,
    image: String,
}

impl Fleet {
    fn new<'a>(images: impl Iterator<Item = &'a str>) -> Self {
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
    fn files(&self) -> Vec<(String, String)> {
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

    fn pools(&self) -> String {
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
fn unique_name(image: &str, taken: &mut BTreeSet<String>) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = include_str!("official-images.txt");

    #[test]
    fn names_are_valid_and_unique() {
        let fleet = Fleet::new(LIST.lines());
        assert_eq!((fleet.templates.len(), fleet.n_volumes, fleet.n_pools), (TEMPLATES, VOLUMES, POOLS));
        let names: BTreeSet<_> = fleet.templates.iter().map(|template| template.name.as_str()).collect();
        assert_eq!(names.len(), TEMPLATES);
        for name in names {
            assert!(sbx::types::Name::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn clashing_and_long_images_still_get_names() {
        let mut taken = BTreeSet::new();
        let long = format!("a:{}", "b".repeat(80));
        let names = ["a:1.2", "a:1-2", "A:1_2", "3:x", &long, &long].map(|image| unique_name(image, &mut taken));
        assert_eq!(names[..4], ["a-1-2", "a-1-2-2", "a-1-2-3", "image-3-x"]);
        assert_eq!((names[4].len(), names[5].len()), (MAX_NAME_LEN, MAX_NAME_LEN));
        assert!(names[5].ends_with("b-2"));
    }

    #[test]
    fn pools_are_all_there_and_on_templates_without_mounts() {
        for n_images in [1, 200, TEMPLATES] {
            let fleet = Fleet::new(LIST.lines().take(n_images));
            let pools = fleet.pools();
            let mounted: BTreeSet<_> =
                fleet.templates.iter().step_by(MOUNTED_EVERY).map(|template| template.name.as_str()).collect();
            let used: Vec<_> = pools.lines().filter_map(|line| line.strip_prefix("  template_name: ")).collect();
            let expected = if n_images == 1 { 0 } else { fleet.n_pools };
            assert_eq!(used.len(), expected, "{n_images} images");
            assert!(used.iter().all(|name| !mounted.contains(name)), "{n_images} images");
        }
    }

    #[test]
    fn a_file_for_each_repository() {
        let files = Fleet::new(LIST.lines()).files();
        let names: BTreeSet<_> = files.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), files.len(), "the list is sorted by repository");
        let documents: usize = files.iter().map(|(_, text)| text.matches("---\n").count()).sum();
        assert_eq!(documents, TEMPLATES + VOLUMES + POOLS);
    }
}

//! Writes a large workspace to try `sbx` on: a template for each image of a list, 200 volumes and 500 pools.
//!
//! ```sh
//! cargo run --example fleet -- examples/fleet/official-images.txt target/fleet
//! sbx validate -f target/fleet
//! ```
//!
//! `--first N` takes only the first N images, and volumes and pools in proportion. The same list gives the same files. What
//! an earlier run wrote into the folder is deleted first; a folder with other files in it is refused.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program says what it did")]

mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

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
    match workspace::generate(&images, &folder, first) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::workspace::{Fleet, MAX_NAME_LEN, MOUNTED_EVERY, POOLS, TEMPLATES, VOLUMES, unique_name};

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

//! Images on the host's disk, in every form.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::build::{Built, Entry, archive, file, folder, gzip, image, zstd};
use crate::server::images::{Fallback, HostPaths, Image, ImageError, ImageOptions, ImageSource, Images};
use crate::server::runtime::{LaunchError, LaunchErrorKind};

fn open(dir: &TempDir) -> Images {
    let options = ImageOptions::new().host_paths(HostPaths::Anywhere);
    Images::open(dir.path().join("data/images"), options).expect("opens")
}

fn two_layers() -> Built {
    image(&[(&[folder("srv"), file("srv/a", "lower")], gzip), (&[file("srv/b", "upper")], zstd)])
}

fn contents(image: &Image) -> Vec<String> {
    let read = |(layer, name): (&std::path::PathBuf, &str)| fs::read_to_string(layer.join(name)).expect("is there");
    image.layers.iter().zip(["srv/a", "srv/b"]).map(read).collect()
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).expect("is a folder").count()
}

#[tokio::test]
async fn every_form_gives_the_same_image_and_layers_are_shared() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let built = two_layers();
    built.write_layout(&dir.path().join("layout"), "3.12");
    built.write_docker_archive(&dir.path().join("docker.tar"), "py:3.12");
    let entries: Vec<_> =
        built.layout("3.12").into_iter().map(|(name, content)| Entry { content, ..file(&name, "") }).collect();
    fs::write(dir.path().join("oci.tar"), archive(&entries)).expect("can be written");
    let images = open(&dir);
    let at = |form: &str, name: &str| format!("{form}:{}/{name}", dir.path().display());
    let first = images.resolve(&at("oci", "layout")).await.expect("is one");
    assert_eq!(contents(&first), ["lower", "upper"]);
    assert_eq!((first.workdir.as_deref(), first.user.as_deref()), (Some("/srv"), Some("1000")));
    assert_eq!(first.env["LANG"], "C");
    assert_eq!(first.source, ImageSource::Archive);
    for reference in [
        at("oci", "layout:3.12"),
        at("oci-archive", "oci.tar"),
        at("oci-archive", "oci.tar:3.12"),
        at("docker-archive", "docker.tar"),
        at("docker-archive", "docker.tar:py:3.12"),
    ] {
        assert_eq!(images.resolve(&reference).await.expect(&reference), first, "{reference}");
    }
    assert_eq!(count(first.layers[0].parent().expect("has one")), 2);
    assert_eq!(count(&dir.path().join("data/images/drafts")), 0);
}

#[tokio::test]
async fn a_tag_that_is_not_there_is_answered_with_those_that_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    two_layers().write_layout(&dir.path().join("layout"), "3.12");
    two_layers().write_docker_archive(&dir.path().join("docker.tar"), "py:3.12");
    let images = open(&dir);
    for (reference, found) in
        [("oci:{}/layout:3", "it has 3.12"), ("docker-archive:{}/docker.tar:py", "it has py:3.12")]
    {
        let reference = reference.replace("{}", &dir.path().display().to_string());
        let error = images.resolve(&reference).await.expect_err(&reference);
        assert!(error.to_string().ends_with(found), "{error}");
    }
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let built = two_layers();
    for victim in [&built.layers[0], &built.layers[1], &built.config, &built.manifest] {
        let layout = tempfile::tempdir().expect("a temporary folder");
        built.write_layout(layout.path(), "1");
        let name = crate::server::images::digest::Digest::of(victim);
        let path = layout.path().join("blobs/sha256").join(name.hex());
        // The same archive in another compression, and the same document with a space more.
        let other =
            if built.layers.contains(victim) { archive(&[file("x", "other")]) } else { [victim, &b" "[..]].concat() };
        fs::write(path, other).expect("can be written");
        let images = open(&dir);
        let error = images.resolve(&format!("oci:{}", layout.path().display())).await.expect_err("is not right");
        assert!(matches!(error, ImageError::Digest { .. }), "{error}");
    }
    assert_eq!(count(&dir.path().join("data/images/drafts")), 0);
}

#[tokio::test]
async fn many_who_want_one_image_at_once_unpack_it_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    two_layers().write_layout(&dir.path().join("layout"), "1");
    let images = open(&dir);
    let reference = format!("oci:{}/layout", dir.path().display());
    let found = futures_util::future::join_all((0..8).map(|_| images.resolve(&reference))).await;
    let first = found[0].as_ref().expect("is one");
    assert!(found.iter().all(|image| image.as_ref().expect("is one") == first));
    assert_eq!(count(&dir.path().join("data/images/drafts")), 0);
}

#[tokio::test]
async fn whoever_gives_up_leaves_nothing_half_done() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    two_layers().write_layout(&dir.path().join("layout"), "1");
    let reference = format!("oci:{}/layout", dir.path().display());
    // Given up after every number of steps that the future takes.
    for steps in 0..6 {
        let images = open(&dir);
        let mut resolving = Box::pin(images.resolve(&reference));
        for _ in 0..steps {
            if futures_util::poll!(&mut resolving).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(resolving);
        assert_eq!(contents(&images.resolve(&reference).await.expect("is one")), ["lower", "upper"]);
    }
}

#[tokio::test]
async fn a_directory_is_used_as_it_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir_all(dir.path().join("root/bin")).expect("can be made");
    let image = open(&dir).resolve(&format!("rootfs:{}/root", dir.path().display())).await.expect("is one");
    assert_eq!(image.layers, [fs::canonicalize(dir.path().join("root")).expect("is there")]);
    assert_eq!(image.source, ImageSource::Directory);
}

#[tokio::test]
async fn with_the_fallback_no_registry_is_asked() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Nobody listens on port 1: a pull would fail.
    let options = ImageOptions::new().fallback(Fallback::Host).registry("127.0.0.1:1");
    let images = Images::open(dir.path().join("data/images"), options).expect("opens");
    for reference in ["python:3.12", "ghcr.io/a/b", "host"] {
        assert_eq!(images.resolve(reference).await.expect(reference).source, ImageSource::Host, "{reference}");
    }
    let refused = images.resolve("oci:/srv/py").await.expect_err("reads the host's disk");
    assert!(matches!(refused, ImageError::NotAllowed { .. }), "{refused}");
}

#[tokio::test]
async fn a_failure_is_an_image_pull_with_its_whole_reason() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = open(&dir).resolve("oci:/nowhere/at/all").await.expect_err("is not there");
    let failure = LaunchError::from(error);
    assert_eq!(failure.kind, LaunchErrorKind::ImagePull);
    assert_eq!(failure.message, "cannot find `/nowhere/at/all`: No such file or directory (os error 2)");
}

//! Images of a registry.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::build::{Built, descriptor, file, folder, gzip, image};
use super::served::{Answers, Manner, Registry};
use crate::server::images::{Image, ImageError, ImageOptions, ImageSource, Images};

fn built() -> Built {
    image(&[(&[folder("srv"), file("srv/a", "lower")], gzip), (&[file("srv/b", "upper")], gzip)])
}

fn options(registry: &Registry) -> ImageOptions {
    ImageOptions::new().registry(registry.host()).insecure_registries(vec![registry.host().to_owned()])
}

fn open(dir: &TempDir, options: ImageOptions) -> Images {
    Images::open(dir.path().join("images"), options).expect("opens")
}

fn folder_for_data() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn assert_whole(image: &Image) {
    assert_eq!(fs::read_to_string(image.layers[0].join("srv/a")).expect("is there"), "lower");
    assert_eq!(fs::read_to_string(image.layers[1].join("srv/b")).expect("is there"), "upper");
    assert_eq!((image.source, image.workdir.as_deref()), (ImageSource::Registry, Some("/srv")));
}

fn drafts(dir: &TempDir) -> usize {
    fs::read_dir(dir.path().join("images/drafts")).expect("is a folder").count()
}

#[tokio::test]
async fn an_image_is_pulled_once_however_many_want_it() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let images = open(&dir, options(&registry));
    let found = futures_util::future::join_all((0..6).map(|_| images.resolve("py:1"))).await;
    for image in found {
        assert_whole(&image.expect("is there"));
    }
    images.resolve(&format!("{}/py:1", registry.host())).await.expect("is the same image");
    assert_eq!((registry.asked("manifests"), registry.asked("blobs")), (1, 3));
    assert_eq!(drafts(&dir), 0);
}

#[tokio::test]
async fn a_registry_that_wants_a_token_gets_it() {
    let manner = Manner { answers: Answers::Tokens, redirects: true, ..Manner::default() };
    let (registry, dir) = (Registry::with(&built(), manner).await, folder_for_data());
    assert_whole(&open(&dir, options(&registry)).resolve("py:1").await.expect("is there"));
    assert_eq!(registry.asked("/token"), 1);
    assert_eq!(registry.asked("/elsewhere"), 3);
}

#[tokio::test]
async fn a_password_comes_from_the_file() {
    // `user:pass`, as a request has it.
    let manner = Manner { answers: Answers::TokensFor("dXNlcjpwYXNz"), ..Manner::default() };
    let (registry, dir) = (Registry::with(&built(), manner).await, folder_for_data());
    let error = open(&dir, options(&registry)).resolve("py:1").await.expect_err("has no password");
    assert!(matches!(error, ImageError::Registry { status: Some(401), .. }), "{error}");
    assert!(error.to_string().ends_with("give one with `--registry-auth-file`"), "{error}");
    let path = dir.path().join("auth.json");
    let auths = json!({"auths": {registry.host(): {"auth": "dXNlcjpwYXNz"}}});
    fs::write(&path, auths.to_string()).expect("can be written");
    assert_whole(&open(&dir, options(&registry).auth_file(path)).resolve("py:1").await.expect("has one"));
}

#[tokio::test]
async fn an_index_gives_the_image_for_this_machine() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut entry = descriptor(&built().manifest);
    entry["platform"] = json!({"os": "linux", "architecture": own});
    let mut other = descriptor(b"nobody asks for it");
    other["platform"] = json!({"os": "linux", "architecture": "z80"});
    registry.put_file("/v2/py/manifests/multi", json!({"manifests": [other, entry]}).to_string().as_bytes());
    registry.put_file("/v2/py/manifests/z80", json!({"manifests": [other]}).to_string().as_bytes());
    let images = open(&dir, options(&registry));
    assert_whole(&images.resolve("py:multi").await.expect("is there"));
    let error = images.resolve("py:z80").await.expect_err("has none").to_string();
    assert!(error.ends_with("it has linux/z80"), "{error}");
}

#[tokio::test]
async fn a_layer_that_is_cut_off_is_asked_for_again() {
    let (registry, dir) = (Registry::with(&built(), Manner { cuts: 2, ..Manner::default() }).await, folder_for_data());
    assert_whole(&open(&dir, options(&registry)).resolve("py:1").await.expect("is there in the end"));
    assert_eq!(drafts(&dir), 0);
}

#[tokio::test]
async fn what_is_not_as_promised_is_refused_and_nothing_stays() {
    for (manner, expected) in [
        (Manner { lies: true, ..Manner::default() }, "as promised: fetch or write it again"),
        (Manner { overflows: true, ..Manner::default() }, "than it should"),
        (Manner { cuts: 1000, ..Manner::default() }, "than it should"),
    ] {
        let (registry, dir) = (Registry::with(&built(), manner).await, folder_for_data());
        let error = open(&dir, options(&registry)).resolve("py:1").await.expect_err("is not right").to_string();
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(drafts(&dir), 0);
        assert_eq!(fs::read_dir(layers(dir.path())).expect("is a folder").count(), 0);
    }
}

fn layers(dir: &Path) -> std::path::PathBuf {
    let found = fs::read_dir(dir.join("images")).expect("is a folder").map(|entry| entry.expect("is one").path());
    found.into_iter().find(|path| path.to_string_lossy().contains("layers")).expect("is there")
}

#[tokio::test]
async fn a_manifest_is_checked_against_the_digest_in_its_name() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let digest = format!("sha256:{}", "0".repeat(64));
    registry.put_file(&format!("/v2/py/manifests/{digest}"), &built().manifest);
    let images = open(&dir, options(&registry));
    let error = images.resolve(&format!("py@{digest}")).await.expect_err("is another");
    assert!(matches!(error, ImageError::Digest { .. }), "{error}");
}

#[tokio::test]
async fn failures_say_who_what_why_and_what_to_do() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let images = open(&dir, options(&registry));
    let host = registry.host();
    let error = images.resolve("py:2").await.expect_err("is not there").to_string();
    let expected = "it answered 404 Not Found; it has no such image or tag: check the template's `image`";
    assert_eq!(error, format!("cannot pull `{host}/py:2` from {host}: {expected}"));
    for (status, advice) in [(403, "takes a password"), (429, "takes no more requests"), (503, "try again later")] {
        registry.set(Manner { status: Some(status), ..Manner::default() });
        let error = images.resolve("py:1").await.expect_err("is refused").to_string();
        assert!(error.contains(&status.to_string()) && error.contains(advice), "{error}");
    }
}

#[tokio::test]
async fn without_its_registry_an_image_is_what_it_was() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let options = options(&registry);
    let first = open(&dir, options.clone()).resolve("py:1").await.expect("is there");
    drop(registry);
    let images = open(&dir, options);
    assert_eq!(images.resolve("py:1").await.expect("was pulled before"), first);
    let error = images.resolve("py:2").await.expect_err("was never pulled").to_string();
    assert!(error.contains("cannot be reached") && error.contains("--image-fallback host"), "{error}");
}

#[tokio::test]
async fn a_tag_that_moved_is_seen_by_the_next_run() {
    let (registry, dir) = (Registry::with(&built(), Manner::default()).await, folder_for_data());
    let options = options(&registry);
    let images = open(&dir, options.clone());
    let first = images.resolve("py:1").await.expect("is there");
    registry.put("py", "1", &image(&[(&[file("srv/a", "moved")], gzip)]));
    assert_eq!(images.resolve("py:1").await.expect("is there"), first);
    let moved = open(&dir, options).resolve("py:1").await.expect("is there");
    assert_eq!(fs::read_to_string(moved.layers[0].join("srv/a")).expect("is there"), "moved");
}

#[tokio::test]
async fn a_layer_that_comes_twice_is_given_once_where_it_counts() {
    let twice = [file("srv/a", "again")];
    let built = image(&[(&twice, gzip), (&[file("srv/b", "between")], gzip), (&twice, gzip)]);
    let (registry, dir) = (Registry::with(&built, Manner::default()).await, folder_for_data());
    let image = open(&dir, options(&registry)).resolve("py:1").await.expect("is there");
    assert_eq!(image.layers.len(), 2);
    assert!(image.layers[1].join("srv/a").exists());
}

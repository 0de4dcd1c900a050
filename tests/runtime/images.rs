//! Sandboxes on images of layers.

use std::sync::Arc;

use sbx::server::images::{HostPaths, ImageOptions};
use sbx::server::runtime::{Instance, LaunchError, LaunchErrorKind, LaunchSpec};
use serde_json::{Value, json};

use crate::bench::{Bench, id, is_root, sh, spec};
use crate::packed::{Layer, Packed, Registry};
use crate::served::entries;

const PASSWD: &str = "root:x:0:0::/root:/bin/sh\napp:x:1000:100::/home/app:/bin/sh\n";
const GROUPS: &str = "root:x:0:\nusers:x:100:\naudio:x:29:app\nvideo:x:44:other,app\n";

fn base() -> Layer {
    Layer::new().programs().folder("etc", 0).file("etc/passwd", PASSWD).file("etc/group", GROUPS)
}

/// An image with everything in it that a layer can do to those below it.
fn image() -> Packed {
    let base = base()
        .file("data/kept", "1")
        .file("data/gone", "1")
        .file("opaque/a", "1")
        .file("opaque/b", "1")
        .file("replaced/below", "1")
        .file("folder", "1");
    let second = Layer::new()
        .file("data/.wh.gone", "")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/c", "2")
        .file(".wh.replaced", "")
        .file("folder/inside", "2");
    let third = Layer::new().file("replaced/above", "3").file("data/kept", "3").folder("srv/app", 1000);
    let execution = json!({
        "Env": ["PATH=/bin", "COLOR=blue"], "WorkingDir": "/srv/app", "User": "app",
        "Entrypoint": ["/bin/touch", "/entered"], "Cmd": ["/entered-too"],
    });
    Packed::new(vec![base, second, third], &execution)
}

fn anywhere() -> ImageOptions {
    ImageOptions::new().host_paths(HostPaths::Anywhere)
}

impl Bench {
    async fn on(&self, number: u32, image: &str) -> Result<Arc<dyn Instance>, LaunchError> {
        self.runtime.launch(&id(number), &LaunchSpec { image: image.to_owned(), ..spec() }).await
    }
}

async fn said(sandbox: &Arc<dyn Instance>, script: &str) -> String {
    let done = sh(sandbox, &format!("exec 2>&1; {script}")).await;
    assert_eq!(done.code, 0, "{script}: {done:?}");
    done.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_as_it_was_packed_wherever_it_comes_from() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let image = image();
    let registry = Registry::with(&image).await;
    let bench = Bench::with_images(anywhere().insecure_registries(vec![registry.host.clone()])).await;
    let references = [
        image.layout(&folder.path().join("layout")),
        image.oci_archive(&folder.path().join("oci.tar")),
        image.docker_archive(&folder.path().join("docker.tar")),
        registry.reference(),
    ];
    let user = if is_root() { "1000 100 100 29 44 app" } else { "0 0 0 root" };
    for (number, reference) in (0..).zip(&references) {
        let sandbox = bench.on(number, reference).await.unwrap_or_else(|error| panic!("{reference}: {error}"));
        assert_eq!(said(&sandbox, "pwd; echo $COLOR $PATH $HOME").await, "/srv/app\nblue /bin /home/user\n");
        let files = "cd /; echo data/* opaque/* replaced/* folder/*; cat data/kept; [ -e /entered ] || echo none";
        let expected = "data/kept opaque/c replaced/above folder/inside\n3none\n";
        assert_eq!(said(&sandbox, files).await, expected, "{reference}");
        assert_eq!(said(&sandbox, "echo $(id -u; id -g; id -G) $USER").await.trim(), user, "{reference}");
        // What is the user's can be written by them, and what the server makes for them is theirs.
        assert_eq!(said(&sandbox, "touch here ~/there").await, "");
        sandbox.write("/home/user/new/file", Box::new(&b"1"[..])).await.expect("can be written");
        assert_eq!(said(&sandbox, "echo 2 >> ~/new/file; rm ~/new/file").await, "");
        sandbox.destroy().await;
    }
    assert_eq!(layers(&bench), 3, "each is unpacked once");
}

fn layers(bench: &Bench) -> usize {
    let name = if is_root() { "layers" } else { "layers-unprivileged" };
    entries(&bench.folder.path().join("runtime/images").join(name)).len()
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_share_layers_and_nothing_else() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let reference = Packed::new(vec![base(), Layer::new().file("shared", "1")], &json!({})).layout(folder.path());
    let bench = Bench::with_images(anywhere()).await;
    let one = bench.on(1, &reference).await.expect("it starts");
    let other = bench.on(2, &reference).await.expect("it starts");
    assert_eq!(
        said(&one, "rm /shared; rm -r /etc; echo own > /own; chmod 700 /bin/cat; ls /etc || true")
            .await
            .lines()
            .count(),
        1
    );
    assert_eq!(said(&other, "cat /shared; stat -c %a /bin/cat; ls /own || true; echo /etc/*").await.lines().count(), 3);
    one.destroy().await;
    let third = bench.on(3, &reference).await.expect("it starts");
    assert_eq!(said(&third, "cat /shared /etc/group").await, format!("1{GROUPS}"));
    assert_eq!(layers(&bench), 2);
    other.destroy().await;
    third.destroy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_may_have_very_many_layers() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench::with_images(anywhere()).await;
    // Docker makes up to 127; overlayfs takes 500, and their names have to fit on one page.
    for (number, n_layers) in [(1, 127), (2, 500)] {
        let above = (1..n_layers).map(|n| {
            let removed = format!("chain/.wh.{}", n - 1);
            Layer::new().file(&removed, "").file(&format!("chain/{n}"), "").file("last", &n.to_string())
        });
        let image = Packed::new(std::iter::once(base()).chain(above).collect(), &json!({}));
        let reference = image.layout(&folder.path().join(n_layers.to_string()));
        let sandbox = bench.on(number, &reference).await.unwrap_or_else(|error| panic!("{n_layers}: {error}"));
        let expected = format!("{0}/chain/{0}\n", n_layers - 1);
        assert_eq!(said(&sandbox, "cat /last; echo /chain/*").await, expected);
        sandbox.destroy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_as_the_images_user() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench::with_images(anywhere()).await;
    let users = [
        ("", "0 0 0 root"),
        ("app", "1000 100 100 29 44 app"),
        ("1000", "1000 100 100 29 44 app"),
        ("app:audio", "1000 29 29 app"),
        ("33:44", "33 44 44 33"),
        ("33", "33 0 0 33"),
    ];
    for (number, (user, expected)) in (1..).zip(users) {
        let execution: Value = json!({"User": user, "Env": ["PATH=/bin"]});
        let reference = Packed::new(vec![base()], &execution).layout(&folder.path().join(number.to_string()));
        let sandbox = bench.on(number, &reference).await.unwrap_or_else(|error| panic!("{user}: {error}"));
        // An ordinary user's sandboxes have one user, whom all of an image stand for.
        let expected = if is_root() { expected } else { "0 0 0 root" };
        let found = said(&sandbox, "echo $(id -u; id -g; id -G) $USER; touch mine; cat mine").await;
        assert_eq!(found.trim(), expected, "{user}");
        sandbox.destroy().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_image_does_not_have_is_refused() {
    engine!();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bench = Bench::with_images(anywhere()).await;
    for (number, user) in (1..).zip(["nobody-here", "app:nobody-here", "70000"]) {
        let reference =
            Packed::new(vec![base()], &json!({"User": user})).layout(&folder.path().join(number.to_string()));
        let launched = bench.on(number, &reference).await;
        if !is_root() {
            launched.expect("there is one user only").destroy().await;
            continue;
        }
        let error = launched.err().expect("nobody is called that");
        assert_eq!(error.kind, LaunchErrorKind::SandboxConfig);
        assert!(error.message.starts_with(&format!("cannot find the image's user `{user}`: ")), "{error}");
    }
}

use std::time::Duration;

use sbx::client::{
    Client, CreatePoolOptions, CreateSandboxOptions, CreateTemplateOptions, CreateVolumeOptions, Kind, RunOptions,
    Sandbox, UpdatePoolOptions, UpdateSandboxOptions, WaitOptions,
};
use sbx::types::{ByteSize, Ttl};
use sbx::wire::SandboxStatus;

use super::world::{World, name, within};

fn ttl(seconds: i64) -> Ttl {
    Ttl::from_seconds(seconds).expect("whole minutes")
}

fn options() -> CreateSandboxOptions {
    CreateSandboxOptions::default()
}

async fn until_gone(client: &Client, name: &str) {
    let gone = async {
        while client.get_sandbox(name).await.map_or_else(|error| !error.is_not_found(), |_| true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(gone).await;
}

impl World {
    async fn pass_time(&self, seconds: u32) {
        self.control("POST", "/_sbx/clock", &format!(r#"{{"advance_seconds": {seconds}}}"#)).await;
    }

    async fn is_alive(&self, sandbox: &Sandbox) {
        let output = sandbox.run("true", RunOptions::default()).await.expect("it lives");
        assert!(output.is_success());
    }
}

#[tokio::test]
async fn a_time_to_live() {
    engine!();
    let world = World::new().await;
    let mut sandbox = world.client.create_sandbox("python", options().ttl(ttl(3600))).await.expect("it starts");
    assert!(sandbox.expires_at.is_some());
    sandbox.update(UpdateSandboxOptions::default().ttl(ttl(7200))).await.expect("it is there");
    world.pass_time(3700).await;
    world.is_alive(&sandbox).await;
    world.pass_time(3700).await;
    until_gone(&world.client, &sandbox.name).await;

    let mut sandbox = world.client.create_sandbox("python", options().ttl(ttl(60))).await.expect("it starts");
    let lives_on = UpdateSandboxOptions::default().ttl(Ttl::DISABLED).new_name(name("lives-on"));
    sandbox.update(lives_on).await.expect("it is there");
    assert_eq!((sandbox.name.as_str(), &sandbox.expires_at), ("lives-on", &None));
    world.pass_time(1000).await;
    world.is_alive(&sandbox).await;
}

#[tokio::test]
async fn an_idle_time_to_live() {
    engine!();
    let world = World::new().await;
    let sandbox = world.client.create_sandbox("python", options().idle_ttl(ttl(600))).await.expect("it starts");
    world.pass_time(500).await;
    world.is_alive(&sandbox).await;
    world.pass_time(500).await;
    sandbox.write("a", "b").await.expect("it lives");
    world.pass_time(500).await;
    sandbox.read("a").await.expect("it lives");
    world.pass_time(700).await;
    until_gone(&world.client, &sandbox.name).await;
}

#[tokio::test]
async fn nobody_waits_for_it() {
    engine!();
    let world = World::new().await;
    let sandbox = world.client.create_sandbox("python", options().wait_for_ready(false)).await.expect("it is made");
    assert_eq!(sandbox.status, SandboxStatus::Provisioning);
    let error = sandbox.run("true", RunOptions::default()).await.expect_err("it is not ready");
    assert_eq!(error.kind(), Kind::NotReady, "{error}");
    let wait = WaitOptions::default().poll_interval(Duration::from_millis(20));
    let sandbox = world.client.wait_for_sandbox(&sandbox.name, wait).await.expect("it becomes ready");
    world.is_alive(&sandbox).await;
}

#[tokio::test]
async fn for_a_while_and_to_keep() {
    engine!();
    let world = World::new().await;
    let guard = world.client.sandbox("python", options()).await.expect("it starts");
    world.is_alive(&guard).await;
    let name = guard.name.clone();
    guard.close().await.expect("it is deleted");
    assert!(world.client.get_sandbox(&name).await.expect_err("it is gone").is_not_found());
    world.sh("echo kept > file").await;
    let again = world.client.get_sandbox(&world.sandbox.name).await.expect("it is there");
    assert_eq!(&again.read("file").await.expect("it is there")[..], b"kept\n");
}

#[tokio::test]
async fn volumes_and_pools() {
    engine!();
    let World { client, .. } = &World::new().await;
    let size: ByteSize = "1Gi".parse().expect("a quantity");
    client.create_volume(&name("data"), &size, CreateVolumeOptions::default()).await.expect("it is made");
    let mounted = CreateTemplateOptions::default().volume_mount(&name("data"), "/data");
    client.create_template(&name("mounted"), "python:3.12", mounted).await.expect("it is made");
    let sandbox = client.sandbox("mounted", options()).await.expect("it starts");
    sandbox.write("/data/state.txt", "persistent data").await.expect("it is written");
    sandbox.close().await.expect("it is deleted");
    let sandbox = client.sandbox("mounted", options()).await.expect("it starts");
    assert_eq!(&sandbox.read("/data/state.txt").await.expect("it is there")[..], b"persistent data");
    sandbox.close().await.expect("it is deleted");

    client.create_pool(&name("warm"), "python", 2, CreatePoolOptions::default()).await.expect("one is ready");
    for _ in 0..3 {
        let sandbox = client.sandbox("python", options()).await.expect("it starts");
        let output = sandbox.run("ls -A; echo warm", RunOptions::default()).await.expect("it runs");
        assert_eq!(output.stdout, "warm\n", "nobody was there before");
        sandbox.close().await.expect("it is deleted");
    }
    let pool = client.update_pool("warm", UpdatePoolOptions::default().replicas(0)).await.expect("it is there");
    assert_eq!(pool.replicas, 0);
    client.delete_pool("warm").await.expect("it is deleted");
}

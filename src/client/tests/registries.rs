//! Registries: what is sent, what answers mean, and what is nowhere to be seen.

use serde_json::json;

use super::mock::{Mock, Reply, answer, dropped, refusal};
use super::name;
use crate::client::{CreateRegistryOptions, Error, Kind, RegistryAuth, Resource, UpdateRegistryOptions};
use crate::types::{RegistryId, Secret};
use crate::wire::{Registry, RegistryAuthType};

const POST: &str = "POST /registries";
const GET: &str = "GET /registries/r";
const PATCH: &str = "PATCH /registries/r";

fn login() -> RegistryAuth {
    RegistryAuth::login("me", Secret::new("hunter2"))
}

fn registry() -> Reply {
    answer(201, r#"{"id":"1","name":"r","url":"ghcr.io/acme","provider":"GHCR","created_by":null,"new":[1]}"#)
}

async fn create(server: &std::sync::Arc<Mock>) -> Result<Registry, Error> {
    let options = CreateRegistryOptions::default().auth(login());
    server.client().create_registry(&name("r"), "ghcr.io/acme", options).await
}

#[tokio::test]
async fn what_is_sent() {
    let server = Mock::new([
        (POST, registry()),
        (POST, registry()),
        (POST, registry()),
        (PATCH, registry()),
        (PATCH, registry()),
        (PATCH, registry()),
        (GET, registry()),
        ("DELETE /registries/r", answer(204, "")),
    ]);
    let client = server.client();
    let made = create(&server).await.expect("201");
    assert_eq!((made.id.as_ref().map(RegistryId::as_str), made.extra["new"][0].as_u64()), (Some("1"), Some(1)));
    let role = RegistryAuth::aws_role("arn:aws:iam::1:role/pull");
    let options = CreateRegistryOptions::default().auth(role.clone());
    client.create_registry(&name("r"), "1.dkr.ecr.eu-west-1.amazonaws.com", options).await.expect("201");
    client.create_registry(&name("r"), "docker.io", CreateRegistryOptions::default()).await.expect("201");
    let update = UpdateRegistryOptions::default;
    client.update_registry("r", update().new_name(name("q"))).await.expect("200");
    client.update_registry("r", update().url("ghcr.io/acme").auth(login())).await.expect("200");
    client.update_registry("r", update().auth(role)).await.expect("200");
    client.update_registry("r", update()).await.expect("an update of nothing is a read");
    client.delete_registry("r").await.expect("204");

    let role = "arn:aws:iam::1:role/pull";
    let expected = [
        json!({"name": "r", "url": "ghcr.io/acme", "username": "me", "password": "hunter2"}),
        json!({"name": "r", "url": "1.dkr.ecr.eu-west-1.amazonaws.com", "auth_type": "AWS_ROLE", "aws_role_arn": role}),
        json!({"name": "r", "url": "docker.io"}),
        json!({"name": "q"}),
        json!({"url": "ghcr.io/acme", "username": "me", "password": "hunter2", "auth_type": "DOCKER_CONFIG"}),
        json!({"auth_type": "AWS_ROLE", "aws_role_arn": role}),
    ];
    for (n, body) in expected.into_iter().enumerate() {
        assert_eq!(server.body(n), body);
    }
}

#[tokio::test]
async fn a_login_needs_its_url() {
    let server = Mock::new([]);
    let options = UpdateRegistryOptions::default().auth(login());
    let error = server.client().update_registry("r", options).await.expect_err("nothing is sent");
    assert_eq!((error.kind(), error.field()), (Kind::InvalidArgument, Some("url")));
}

#[tokio::test]
async fn lists_of_both_styles_are_read_to_the_end() {
    let page = |from: u32, to: u32| (from..to).map(|n| json!({"name": format!("r{n}"), "id": n.to_string()}));
    let page = |from, to| page(from, to).collect::<Vec<_>>();
    let server = Mock::new([
        ("GET /registries?limit=500&offset=0", answer(200, json!({"registries": page(0, 500)}).to_string())),
        ("GET /registries?limit=500&offset=500", answer(200, json!({"registries": page(500, 520)}).to_string())),
    ]);
    assert_eq!(server.client().list_registries().await.expect("200").len(), 520);

    let first = json!({"registries": page(0, 20), "items": page(0, 20), "offset": 20, "next_cursor": "a/b="});
    let second = json!({"items": page(20, 25), "next_cursor": null});
    let server = Mock::new([
        ("GET /registries?limit=500&offset=0", answer(200, first.to_string())),
        ("GET /registries?page_size=100&cursor=a%2Fb%3D", answer(200, second.to_string())),
    ]);
    assert_eq!(server.client().reader().list_registries().await.expect("200").len(), 25);
}

#[tokio::test]
async fn what_answers_mean() {
    let server = Mock::new([(POST, refusal(409, "Conflict", "registry 'r' exists"))]);
    let error = create(&server).await.expect_err("409");
    assert_eq!((error.kind(), error.resource()), (Kind::AlreadyExists, Some(Resource::Registry)));

    let server = Mock::new([
        (GET, refusal(404, "NotFound", "Registry 'r' not found")),
        ("DELETE /registries/r", refusal(409, "Conflict", "in use by snapshots: s")),
        (PATCH, refusal(409, "Conflict", "taken")),
        (PATCH, answer(422, r#"{"detail":[{"loc":["body","name"],"msg":"too long","type":"value_error"}]}"#)),
    ]);
    let client = server.client();
    let error = client.get_registry("r").await.expect_err("404");
    assert_eq!(error.to_string(), "cannot get registry `r`: registry `r` not found");
    let error = client.delete_registry("r").await.expect_err("409");
    assert_eq!((error.kind(), error.resource()), (Kind::InUse, Some(Resource::Registry)));
    let rename = || UpdateRegistryOptions::default().new_name(name("q"));
    assert_eq!(client.update_registry("r", rename()).await.expect_err("409").kind(), Kind::NameConflict);
    let error = client.update_registry("r", rename()).await.expect_err("422");
    assert_eq!((error.kind(), error.field()), (Kind::Validation, Some("name")));
}

#[tokio::test]
async fn a_server_of_the_other_generation_is_recognised_by_every_call() {
    for not_found in [r#"{"detail":"Not Found"}"#, "404 page not found", ""] {
        let server = Mock::new([
            (POST, answer(404, not_found)),
            (GET, answer(404, not_found)),
            ("GET /registries?limit=500&offset=0", answer(404, not_found)),
            ("GET /templates/t", answer(404, not_found)),
        ]);
        let client = server.client();
        let errors = [
            create(&server).await.expect_err("404"),
            client.get_registry("r").await.expect_err("404"),
            client.list_registries().await.expect_err("404"),
            client.get_template("t").await.expect_err("404"),
        ];
        for error in errors {
            assert_eq!(error.kind(), Kind::WrongGeneration, "{error} after {not_found}");
            assert!(error.message().contains("it speaks another generation of the API"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up() {
    let found = |body: &'static str| Mock::new([(POST, dropped()), (GET, answer(200, body))]);
    for same in [r#"{"name":"r","url":"ghcr.io/acme"}"#, r#"{"url":"ghcr.io/acme","auth_type":"DOCKER_CONFIG"}"#] {
        create(&found(same)).await.expect(same);
    }
    for other in [r#"{"url":"ghcr.io/other"}"#, r#"{"url":"ghcr.io/acme","auth_type":"AWS_ROLE","aws_role_arn":"a"}"#] {
        assert_eq!(create(&found(other)).await.expect_err(other).kind(), Kind::AlreadyExists);
    }
}

#[test]
fn words_that_servers_may_add() {
    let registry: Registry = serde_json::from_str(r#"{"name":"r","auth_type":"OIDC"}"#).expect("any word will do");
    assert_eq!(registry.auth_type, Some(RegistryAuthType::Other("OIDC".to_owned())));
    assert_eq!(serde_json::to_value(&registry).expect("JSON")["auth_type"], "OIDC");
}

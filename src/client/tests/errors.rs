//! What each answer means for each call (contract sections 2 and 3).

use serde_json::json;

use super::mock::{Mock, Reply, answer, refusal};
use super::name;
use crate::client::{
    Client, Config, CreatePoolOptions, CreateSandboxOptions, CreateTemplateOptions, CreateVolumeOptions, Error, Kind,
    QuotaType, Resource, UpdatePoolOptions, UpdateSandboxOptions, UpdateVolumeOptions,
};

/// A call of each sort.
#[derive(Debug, Clone, Copy)]
enum Call {
    CreateVolume,
    GetVolume,
    UpdateVolume,
    DeleteVolume,
    CreateTemplate,
    GetTemplate,
    RenameTemplate,
    DeleteTemplate,
    CreatePool,
    UpdatePool,
    DeletePool,
    CreateSandbox,
    GetSandbox,
    UpdateSandbox,
    DeleteSandbox,
    SandboxStatus,
    Service,
    Usage,
}

impl Call {
    fn line(self) -> &'static str {
        match self {
            Self::CreateVolume => "POST /volumes",
            Self::GetVolume => "GET /volumes/x",
            Self::UpdateVolume => "PATCH /volumes/x",
            Self::DeleteVolume => "DELETE /volumes/x",
            Self::CreateTemplate => "POST /templates",
            Self::GetTemplate => "GET /templates/x",
            Self::RenameTemplate => "PATCH /templates/x",
            Self::DeleteTemplate => "DELETE /templates/x",
            Self::CreatePool => "POST /pools",
            Self::UpdatePool => "PATCH /pools/x",
            Self::DeletePool => "DELETE /pools/x",
            Self::CreateSandbox => "POST /boxes",
            Self::GetSandbox => "GET /boxes/x",
            Self::UpdateSandbox => "PATCH /boxes/x",
            Self::DeleteSandbox => "DELETE /boxes/x",
            Self::SandboxStatus => "GET /boxes/x/status",
            Self::Service => "POST /boxes/x/service-url",
            Self::Usage => "GET /usage",
        }
    }

    async fn send(self, client: &Client) -> Result<(), Error> {
        let size = "1Gi".parse().expect("a quantity");
        let x = name("x");
        let y = name("y");
        match self {
            Self::CreateVolume => client.create_volume(&x, &size, CreateVolumeOptions::default()).await.map(drop),
            Self::GetVolume => client.get_volume("x").await.map(drop),
            Self::UpdateVolume => client.update_volume("x", UpdateVolumeOptions::default().size(size)).await.map(drop),
            Self::DeleteVolume => client.delete_volume("x").await,
            Self::CreateTemplate => {
                client.create_template(&x, "python", CreateTemplateOptions::default()).await.map(drop)
            }
            Self::GetTemplate => client.get_template("x").await.map(drop),
            Self::RenameTemplate => client.update_template("x", &y).await.map(drop),
            Self::DeleteTemplate => client.delete_template("x").await,
            Self::CreatePool => client.create_pool(&x, "t", 2, CreatePoolOptions::default()).await.map(drop),
            Self::UpdatePool => {
                client.update_pool("x", UpdatePoolOptions::default().new_name(y).replicas(2)).await.map(drop)
            }
            Self::DeletePool => client.delete_pool("x").await,
            Self::CreateSandbox => client.create_sandbox("t", CreateSandboxOptions::default().name(x)).await.map(drop),
            Self::GetSandbox => client.get_sandbox("x").await.map(drop),
            Self::UpdateSandbox => {
                client.update_sandbox("x", UpdateSandboxOptions::default().new_name(y)).await.map(drop)
            }
            Self::DeleteSandbox => client.delete_sandbox("x").await,
            Self::SandboxStatus => client.get_sandbox_status("x").await.map(drop),
            Self::Service => client.service("x", 80, crate::client::ServiceOptions::default()).await.map(drop),
            Self::Usage => client.usage().await.map(drop),
        }
    }

    /// Makes the call, once, against a server that answers with `reply`.
    async fn fails_with(self, reply: Reply) -> Error {
        let server = Mock::new([(self.line(), reply)]);
        let config = Config::new("http://server/v2/sandboxes").max_retries(0);
        self.send(&server.client_with(config)).await.expect_err("no success")
    }
}

#[tokio::test]
async fn statuses_with_a_meaning_of_their_own() {
    use Resource::{Pool, Sandbox, Template, Volume};
    /// The call, the answer's status and type; the kind, resource and type of the error.
    type Case = (Call, u16, &'static str, Kind, Option<Resource>, Option<&'static str>);
    let cases: &[Case] = &[
        (Call::CreateVolume, 503, "Other", Kind::Creation, Some(Volume), Some("VolumeProvisioning")),
        (Call::CreateVolume, 504, "Timeout", Kind::Timeout, Some(Volume), Some("Timeout")),
        (Call::CreateVolume, 409, "Conflict", Kind::AlreadyExists, Some(Volume), Some("Conflict")),
        (Call::CreateVolume, 404, "NotFound", Kind::NotFound, None, Some("NotFound")),
        (Call::GetVolume, 404, "NotFound", Kind::NotFound, Some(Volume), Some("NotFound")),
        (Call::UpdateVolume, 404, "NotFound", Kind::NotFound, Some(Volume), Some("NotFound")),
        (Call::UpdateVolume, 400, "ResizeError", Kind::Validation, Some(Volume), Some("VolumeResize")),
        (Call::UpdateVolume, 409, "Conflict", Kind::NameConflict, Some(Volume), Some("Conflict")),
        (Call::DeleteVolume, 404, "NotFound", Kind::NotFound, Some(Volume), Some("NotFound")),
        (Call::DeleteVolume, 409, "Conflict", Kind::InUse, Some(Volume), Some("Conflict")),
        (Call::CreateTemplate, 400, "VolumeNotFound", Kind::NotFound, Some(Volume), Some("VolumeNotFound")),
        (Call::CreateTemplate, 404, "VolumeNotFound", Kind::NotFound, Some(Volume), Some("VolumeNotFound")),
        (Call::CreateTemplate, 404, "Other", Kind::NotFound, None, Some("Other")),
        (Call::CreateTemplate, 409, "Conflict", Kind::AlreadyExists, Some(Template), Some("Conflict")),
        (Call::CreateTemplate, 400, "Other", Kind::Client, None, Some("Other")),
        (Call::GetTemplate, 404, "NotFound", Kind::NotFound, Some(Template), Some("NotFound")),
        (Call::RenameTemplate, 404, "NotFound", Kind::NotFound, Some(Template), Some("NotFound")),
        (Call::RenameTemplate, 409, "Conflict", Kind::NameConflict, Some(Template), Some("Conflict")),
        (Call::DeleteTemplate, 404, "NotFound", Kind::NotFound, Some(Template), Some("NotFound")),
        (Call::DeleteTemplate, 409, "Conflict", Kind::InUse, Some(Template), Some("Conflict")),
        (Call::CreatePool, 400, "TemplateNotFound", Kind::NotFound, Some(Template), Some("TemplateNotFound")),
        (Call::CreatePool, 400, "ValidationError", Kind::Validation, Some(Pool), Some("ValidationError")),
        (Call::CreatePool, 400, "Other", Kind::Client, None, Some("Other")),
        (Call::CreatePool, 409, "Conflict", Kind::AlreadyExists, Some(Pool), Some("Conflict")),
        (Call::CreatePool, 504, "Timeout", Kind::Timeout, Some(Pool), Some("Timeout")),
        (Call::UpdatePool, 404, "NotFound", Kind::NotFound, Some(Pool), Some("NotFound")),
        (Call::UpdatePool, 400, "TemplateNotFound", Kind::NotFound, Some(Template), Some("TemplateNotFound")),
        (Call::UpdatePool, 400, "ValidationError", Kind::Validation, Some(Pool), Some("ValidationError")),
        (Call::UpdatePool, 409, "Conflict", Kind::NameConflict, Some(Pool), Some("Conflict")),
        (Call::UpdatePool, 504, "Timeout", Kind::Timeout, Some(Pool), Some("Timeout")),
        (Call::DeletePool, 404, "NotFound", Kind::NotFound, Some(Pool), Some("NotFound")),
        (Call::DeletePool, 409, "Conflict", Kind::Client, None, Some("Conflict")),
        (Call::CreateSandbox, 400, "TemplateNotFound", Kind::NotFound, Some(Template), Some("TemplateNotFound")),
        (Call::CreateSandbox, 404, "NotFound", Kind::NotFound, None, Some("NotFound")),
        (Call::CreateSandbox, 408, "Timeout", Kind::Timeout, Some(Sandbox), Some("Timeout")),
        (Call::CreateSandbox, 409, "Conflict", Kind::AlreadyExists, Some(Sandbox), Some("Conflict")),
        (Call::CreateSandbox, 422, "ImagePull", Kind::Creation, Some(Sandbox), Some("ImagePull")),
        (Call::CreateSandbox, 503, "CrashLoop", Kind::Creation, Some(Sandbox), Some("CrashLoop")),
        (Call::GetSandbox, 404, "NotFound", Kind::NotFound, Some(Sandbox), Some("NotFound")),
        (Call::UpdateSandbox, 404, "NotFound", Kind::NotFound, Some(Sandbox), Some("NotFound")),
        (Call::UpdateSandbox, 409, "Conflict", Kind::NameConflict, Some(Sandbox), Some("Conflict")),
        (Call::DeleteSandbox, 404, "NotFound", Kind::NotFound, Some(Sandbox), Some("NotFound")),
        (Call::SandboxStatus, 404, "NotFound", Kind::NotFound, Some(Sandbox), Some("NotFound")),
        (Call::Service, 404, "NotFound", Kind::NotFound, Some(Sandbox), Some("NotFound")),
        (Call::Service, 501, "NotImplemented", Kind::Client, None, Some("NotImplemented")),
        (Call::Usage, 404, "NotFound", Kind::NotFound, None, Some("NotFound")),
    ];
    for &(call, status, error_type, kind, resource, mapped_type) in cases {
        let error = call.fails_with(refusal(status, error_type, "the server's words")).await;
        let found = (error.kind(), error.resource(), error.error_type());
        assert_eq!(found, (kind, resource, mapped_type), "{call:?} {status} {error_type}");
    }
}

#[tokio::test]
async fn statuses_that_mean_the_same_everywhere() {
    let calls = [Call::CreateVolume, Call::GetTemplate, Call::UpdatePool, Call::DeleteSandbox, Call::Usage];
    let cases = [
        (401, "Unauthorized", Kind::Authentication),
        (403, "Forbidden", Kind::Authentication),
        (422, "", Kind::Validation),
        (429, "", Kind::RateLimited),
        (500, "", Kind::Api),
        (502, "ConnectionError", Kind::Connection),
        (502, "", Kind::Client),
        (501, "", Kind::Client),
        (418, "", Kind::Client),
        (302, "", Kind::Client),
    ];
    for call in calls {
        for (status, error_type, kind) in cases {
            let error = call.fails_with(refusal(status, error_type, "words")).await;
            assert_eq!((error.kind(), error.resource()), (kind, None), "{call:?} {status} {error_type}");
            assert!(error.is_a(Kind::Client) && error.message() == "words");
        }
    }
}

#[tokio::test]
async fn what_a_validation_refuses() {
    let items = json!({"detail": [
        {"loc": ["body", "resources", "cpu"], "msg": "too much", "type": "value_error"},
        {"loc": ["body", "name"], "msg": "too long", "type": "missing"},
    ]});
    for call in [Call::CreateTemplate, Call::CreateSandbox] {
        let error = call.fails_with(answer(422, items.to_string())).await;
        assert_eq!((error.kind(), error.field(), error.details().len()), (Kind::Validation, Some("cpu"), 2));
        assert_eq!(error.message(), "too much; too long");
        assert_eq!(error.error_type(), None);
    }
    // A sandbox that cannot be made of what its template says is no mistake in the request.
    let items = json!({"detail": [{"loc": ["body", "name"], "msg": "missing", "type": "missing"}]});
    let error = Call::CreateSandbox.fails_with(answer(422, items.to_string())).await;
    assert_eq!((error.kind(), error.error_type()), (Kind::Creation, None));
    let error = Call::CreateSandbox.fails_with(answer(422, r#"{"detail":"no"}"#)).await;
    assert_eq!((error.kind(), error.error_type()), (Kind::Creation, None));
}

#[tokio::test]
async fn quotas_by_their_messages() {
    for (message, quota) in [
        ("Limit of 10 sandbox(es) per organization exceeded.", Some(QuotaType::SandboxCount)),
        ("CPU quota exceeded: 4 of 4", Some(QuotaType::Cpu)),
        ("Storage quota exceeded: 1Gi", Some(QuotaType::Storage)),
        ("Registry limit exceeded", None),
    ] {
        let error = Call::CreatePool.fails_with(answer(429, json!({ "detail": message }).to_string())).await;
        assert_eq!((error.kind(), error.quota_type()), (Kind::QuotaExceeded, quota), "{message}");
        assert!(!error.is_ambiguous(), "a refusal has no effect");
    }
}

#[tokio::test]
async fn a_volume_in_use_is_not_a_sandbox_that_exists() {
    let error = Call::CreateSandbox.fails_with(refusal(409, "Conflict", "Volume 'v' is mounted elsewhere")).await;
    assert_eq!((error.kind(), error.resource()), (Kind::InUse, Some(Resource::Volume)));
}

#[tokio::test]
async fn what_is_missing_is_known_by_the_message_too() {
    for (call, message, resource) in [
        (Call::CreateTemplate, "Volume 'v' not found", Resource::Volume),
        (Call::CreateSandbox, "Template 't' not found", Resource::Template),
    ] {
        for status in [400, 404] {
            let error = call.fails_with(refusal(status, "NotFound", message)).await;
            assert_eq!((error.kind(), error.resource()), (Kind::NotFound, Some(resource)), "{call:?} {status}");
        }
    }
}

#[tokio::test]
async fn texts_for_people() {
    let cases = [
        (
            Call::GetTemplate,
            answer(404, r#"{"detail":"Template 'x' not found"}"#),
            "cannot get template `x`: template `x` not found",
        ),
        (
            Call::DeleteTemplate,
            refusal(409, "Conflict", "Template 'x' is in use by pools: p1. Delete the dependent resources first."),
            "cannot delete template `x`: Template 'x' is in use by pools: p1. Delete the dependent resources first",
        ),
        (
            Call::CreateSandbox,
            refusal(422, "ImagePull", "no such image"),
            "cannot create sandbox `x`: no such image [ImagePull]",
        ),
        (
            Call::CreateSandbox,
            answer(503, ""),
            "cannot create sandbox `x`: the server answered 503 Service Unavailable [Unschedulable]",
        ),
        (
            Call::UpdateSandbox,
            refusal(409, "Conflict", "taken"),
            "cannot rename sandbox `x` to `y`: the name `y` is already in use",
        ),
        (
            Call::Usage,
            answer(308, "").header("location", "https://server/usage?token=1"),
            "cannot read the usage: the server answered 308 Permanent Redirect, to `https://server/usage`",
        ),
        (Call::Usage, answer(401, "<html>"), "cannot read the usage: the server answered 401 Unauthorized"),
    ];
    for (call, reply, text) in cases {
        assert_eq!(call.fails_with(reply).await.to_string(), text);
    }
}

#[tokio::test]
async fn an_error_knows_its_request() {
    let error = Call::DeletePool.fails_with(answer(500, "")).await;
    assert_eq!((error.method().as_str(), error.path(), error.attempts()), ("DELETE", "/pools/x", 1));
    assert_eq!(error.status().map(|status| status.as_u16()), Some(500));
}

#[tokio::test]
async fn a_create_with_an_unreadable_answer_had_its_effect() {
    let error = Call::CreateVolume.fails_with(answer(201, "created")).await;
    assert_eq!((error.kind(), error.is_ambiguous()), (Kind::InvalidBody, true));
}

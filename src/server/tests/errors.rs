//! Every refusal of the contract: its status, and its body to the letter.

use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::Server;
use crate::server::options::Limits;
use crate::server::runtime::NoRuntime;

/// A workspace with one of each, and a template that has a mount.
async fn workspace() -> Server {
    let server = Server::new().await;
    seed(&server).await;
    server
}

async fn seed(server: &Server) {
    let seed = json!({
        "volumes": [{"name": "v", "size": "10Gi"}, {"name": "v2", "size": "1Gi"}],
        "templates": [
            {"name": "t", "image": "x"}, {"name": "t2", "image": "x"},
            {"name": "mounted", "image": "x", "volume_mounts": [{"volume_name": "v", "mount_path": "/data"}]},
        ],
        "pools": [{"name": "p", "template_name": "t", "replicas": 1}, {"name": "p2", "template_name": "t", "replicas": 1}],
        "boxes": [{"name": "s", "template_name": "t"}, {"name": "s2", "template_name": "mounted"}],
    });
    let reply = server.root("POST", "/_sbx/seed", seed).await;
    assert_eq!(reply.status, 201, "{reply:?}");
}

fn standard(kind: &str, message: &str) -> Value {
    json!({"detail": {"error": kind, "message": message}})
}

#[tokio::test(start_paused = true)]
async fn shape_a_and_c() {
    let server = workspace().await;
    let rename = |name: &str| json!({"name": name});
    let mount = |volume: &str| json!({"name": "n", "image": "x", "volume_mounts": [{"volume_name": volume, "mount_path": "/d"}]});
    let pool = |name: &str, template: &str| json!({"name": name, "template_name": template, "replicas": 1});
    let gone = |kind: &str| standard("NotFound", &format!("{kind} 'gone' not found"));
    let taken = |kind: &str, name: &str| standard("Conflict", &format!("{kind} name '{name}' is already in use"));
    let exists = |kind: &str, name: &str| standard("Conflict", &format!("{kind} '{name}' already exists"));
    let shrunk = "Volume 'v' resize failed: Storage cannot be decreased. Current: 10.00Gi, Requested: 5.00Gi";
    let mounted = "Template 'mounted' has volumes attached. Pools only support stateless templates.";
    let t_in_use = "Template 't' is in use by sandboxes: s; pools: p, p2. Delete the dependent resources first.";
    let v_in_use = "Volume 'v' is in use by templates: mounted. Delete or update the templates first.";
    let names = json!({"names": []});
    let cases = [
        ("POST", "/volumes", json!({"name": "v", "size": "1Gi"}), 409, exists("Volume", "v")),
        ("GET", "/volumes/gone", Value::Null, 404, gone("Volume")),
        ("PATCH", "/volumes/gone", json!({}), 404, gone("Volume")),
        ("DELETE", "/volumes/gone", Value::Null, 404, gone("Volume")),
        ("PATCH", "/volumes/v", json!({"size": "5Gi"}), 400, standard("ResizeError", shrunk)),
        ("PATCH", "/volumes/v", rename("v2"), 409, taken("Volume", "v2")),
        ("DELETE", "/volumes/v", Value::Null, 409, standard("Conflict", v_in_use)),
        ("POST", "/templates", json!({"name": "t", "image": "x"}), 409, exists("Template", "t")),
        ("POST", "/templates", mount("gone"), 400, standard("VolumeNotFound", "Volume 'gone' not found.")),
        ("GET", "/templates/gone", Value::Null, 404, gone("Template")),
        ("PATCH", "/templates/gone", rename("x"), 404, gone("Template")),
        ("PATCH", "/templates/t", rename("t2"), 409, taken("Template", "t2")),
        ("DELETE", "/templates/gone", Value::Null, 404, gone("Template")),
        ("DELETE", "/templates/t", Value::Null, 409, standard("Conflict", t_in_use)),
        ("POST", "/pools", pool("p", "t"), 409, json!({"detail": "Pool 'p' already exists"})),
        ("POST", "/pools", pool("n", "gone"), 400, standard("TemplateNotFound", "Template 'gone' not found.")),
        ("POST", "/pools", pool("n", "mounted"), 400, standard("ValidationError", mounted)),
        ("GET", "/pools/gone", Value::Null, 404, gone("Pool")),
        ("PATCH", "/pools/gone", json!({"replicas": 1}), 404, gone("Pool")),
        ("PATCH", "/pools/p", rename("p2"), 409, taken("Pool", "p2")),
        ("DELETE", "/pools/gone", Value::Null, 404, gone("Pool")),
        ("POST", "/boxes", json!({"name": "s", "template_name": "t"}), 409, exists("Sandbox", "s")),
        (
            "POST",
            "/boxes",
            json!({"template_name": "gone"}),
            400,
            standard("TemplateNotFound", "Template 'gone' not found."),
        ),
        ("GET", "/boxes/gone", Value::Null, 404, gone("Sandbox")),
        ("GET", "/boxes/gone/status", Value::Null, 404, gone("Sandbox")),
        ("PATCH", "/boxes/gone", json!({}), 404, gone("Sandbox")),
        ("PATCH", "/boxes/s", rename("s2"), 409, taken("Sandbox", "s2")),
        ("DELETE", "/boxes/gone", Value::Null, 404, gone("Sandbox")),
        ("POST", "/boxes/gone/service-url", json!({"port": 80}), 404, gone("Sandbox")),
        (
            "POST",
            "/boxes/s/service-url",
            json!({"port": 80, "expires_in_seconds": 60}),
            501,
            standard(
                "NotImplemented",
                "`create_service_url` is not available: the runtime `none` of this server starts no process.",
            ),
        ),
        ("GET", "/nothing", Value::Null, 404, standard("NotFound", "There is no such endpoint.")),
        (
            "PUT",
            "/volumes",
            names.clone(),
            405,
            standard("MethodNotAllowed", "This endpoint does not take that method."),
        ),
        (
            "PUT",
            "/boxes/batch-delete",
            names,
            405,
            standard("MethodNotAllowed", "This endpoint does not take that method."),
        ),
    ];
    for (method, path, body, status, expected) in cases {
        let reply = server.call(method, path, body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body), (status, &expected), "{method} {path} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn shape_b() {
    let server = workspace().await;
    let template = |resources: Value| json!({"name": "n", "image": "x", "resources": resources});
    let mounts = |mounts: Value| json!({"name": "n", "image": "x", "volume_mounts": mounts});
    let pool = |replicas: Value| json!({"name": "n", "template_name": "t", "replicas": replicas});
    let ttl = |seconds: Value| json!({"template_name": "t", "ttl_seconds": seconds});
    let long = "a".repeat(64);
    let cases = [
        ("POST", "/volumes", json!({}), vec!["name missing", "size missing"]),
        ("POST", "/volumes", json!({"name": 1, "size": null}), vec!["name string_type", "size string_type"]),
        ("POST", "/volumes", json!({"name": "A", "size": "0"}), vec!["name value_error", "size value_error"]),
        (
            "POST",
            "/volumes",
            json!({"name": long, "size": "1Gi", "timeout": 4}),
            vec!["name value_error", "timeout value_error"],
        ),
        ("POST", "/volumes", json!({"name": "n", "size": "1Gi", "timeout": 301}), vec!["timeout value_error"]),
        (
            "POST",
            "/volumes",
            json!({"name": "n", "size": "1Gi", "storage_class": "fast"}),
            vec!["storage_class value_error"],
        ),
        (
            "POST",
            "/volumes",
            json!({"name": "n", "size": "1Gi", "wait_for_ready": "yes"}),
            vec!["wait_for_ready bool_type"],
        ),
        ("PATCH", "/volumes/v", json!({"size": "lots"}), vec!["size value_error"]),
        ("PATCH", "/volumes/gone", json!({"size": 5}), vec!["size string_type"]),
        ("POST", "/templates", json!({"name": "n"}), vec!["image missing"]),
        ("POST", "/templates", json!({"name": "n", "image": " "}), vec!["image value_error"]),
        ("POST", "/templates", template(json!([])), vec!["resources model_attributes_type"]),
        (
            "POST",
            "/templates",
            template(json!({"cpu": "-1", "memory": 1, "storage": ""})),
            vec!["resources/cpu value_error", "resources/memory string_type", "resources/storage value_error"],
        ),
        ("POST", "/templates", mounts(json!({})), vec!["volume_mounts list_type"]),
        (
            "POST",
            "/templates",
            mounts(json!([{}])),
            vec!["volume_mounts/0/volume_name missing", "volume_mounts/0/mount_path missing"],
        ),
        (
            "POST",
            "/templates",
            mounts(json!([{"volume_name": "v", "mount_path": "/"}])),
            vec!["volume_mounts/0/mount_path value_error"],
        ),
        (
            "POST",
            "/templates",
            mounts(json!([{"volume_name": "v", "mount_path": "/a"}, {"volume_name": "v2", "mount_path": "/a"}])),
            vec!["volume_mounts value_error"],
        ),
        ("POST", "/pools", json!({}), vec!["name missing", "template_name missing", "replicas missing"]),
        ("POST", "/pools", pool(json!(0)), vec!["replicas value_error"]),
        ("POST", "/pools", pool(json!(101)), vec!["replicas value_error"]),
        ("POST", "/pools", pool(json!(null)), vec!["replicas int_type"]),
        ("POST", "/pools", pool(json!("many")), vec!["replicas int_parsing"]),
        ("POST", "/pools", pool(json!(1.5)), vec!["replicas int_from_float"]),
        (
            "POST",
            "/pools",
            json!({"name": "n", "template_name": "t", "replicas": 1, "timeout": 9}),
            vec!["timeout value_error"],
        ),
        ("PATCH", "/pools/p", json!({"replicas": 101}), vec!["replicas value_error"]),
        ("PATCH", "/pools/p", json!({"replicas": -1}), vec!["replicas value_error"]),
        ("POST", "/boxes", json!({"template_name": 1}), vec!["template_name string_type"]),
        ("POST", "/boxes", ttl(json!(61)), vec!["ttl_seconds value_error"]),
        ("POST", "/boxes", ttl(json!(-60)), vec!["ttl_seconds value_error"]),
        ("POST", "/boxes", ttl(json!("x")), vec!["ttl_seconds int_parsing"]),
        ("POST", "/boxes", json!({"template_name": "t", "timeout": 0}), vec!["timeout value_error"]),
        ("POST", "/boxes", json!({"template_name": "t", "timeout": 601}), vec!["timeout value_error"]),
        ("PATCH", "/boxes/s", json!({"idle_ttl_seconds": 1}), vec!["idle_ttl_seconds value_error"]),
        (
            "POST",
            "/boxes/s/service-url",
            json!({"port": 0, "expires_in_seconds": 86_401}),
            vec!["port value_error", "expires_in_seconds value_error"],
        ),
        ("POST", "/boxes/batch-delete", json!({}), vec!["names missing"]),
        ("POST", "/boxes/batch-delete", json!({"names": [1]}), vec!["names string_type"]),
        ("POST", "/volumes", json!([1]), vec![" model_attributes_type"]),
        ("POST", "/volumes", Value::Null, vec![" missing"]),
        ("POST", "/volumes", json!("{"), vec!["0 json_invalid"]),
    ];
    for (method, path, body, expected) in cases {
        let reply = server.call(method, path, body.clone()).await;
        assert_eq!(reply.status, 422, "{method} {path} {body}: {reply:?}");
        assert_eq!(items(&reply.body, "body"), expected, "{method} {path} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn queries() {
    let server = workspace().await;
    let cases = [
        ("/volumes?limit=0", "limit value_error"),
        ("/volumes?limit=501", "limit value_error"),
        ("/templates?limit=ten", "limit int_parsing"),
        ("/pools?offset=-1", "offset value_error"),
        ("/volumes?sort_by=size", "sort_by value_error"),
        ("/templates?sort_by=status", "sort_by value_error"),
        ("/boxes?sort_direction=up", "sort_direction value_error"),
        ("/boxes?status=gone", "status value_error"),
    ];
    for (path, expected) in cases {
        let reply = server.call("GET", path, Value::Null).await;
        assert_eq!(reply.status, 422, "{path}: {reply:?}");
        assert_eq!(items(&reply.body, "query"), [expected], "{path}");
    }
}

/// Writes each item of shape B as its place, without the first step, and its type.
fn items(body: &Value, root: &str) -> Vec<String> {
    let show = |item: &Value| {
        assert!(item["msg"].as_str().is_some_and(|message| !message.is_empty()));
        let loc = item["loc"].as_array().expect("a list");
        assert_eq!(loc[0], root);
        let steps: Vec<_> =
            loc[1..].iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
        format!("{} {}", steps.join("/"), item["type"].as_str().expect("a text"))
    };
    body["detail"].as_array().expect("shape B").iter().map(show).collect()
}

#[tokio::test(start_paused = true)]
async fn quotas() {
    let gi = 1 << 30;
    let limits = Limits {
        sandboxes: 5,
        volumes: 2,
        cpu_millicores: 3_000,
        memory_bytes: 4 * gi,
        storage_bytes: 12 * gi,
        max_cpu_millicores: 8_000,
        max_memory_bytes: 8 * gi,
        max_storage_bytes: 20 * gi,
        max_volume_bytes: 100 * gi,
    };
    let server = Server::with(Arc::new(NoRuntime), limits).await;
    seed(&server).await;
    for (name, cpu, memory, storage) in
        [("cpu", "4", "1Mi", "1"), ("memory", "1m", "4Gi", "1"), ("disk", "1m", "1", "2Gi")]
    {
        let resources = json!({"cpu": cpu, "memory": memory, "storage": storage});
        server.ok("POST", "/templates", json!({"name": name, "image": "x", "resources": resources})).await;
    }
    let pool = |replicas: u32| json!({"name": "n", "template_name": "t", "replicas": replicas});
    let sandboxes =
        "Limit of 5 sandbox(es) per organization exceeded. Current usage: 4 sandboxes, Requested: 2 additional.";
    let volumes = "Volume count quota exceeded. Allowed: 2, Current usage: 2, Requested: 1 additional.";
    let cases = [
        ("POST", "/pools", pool(2), sandboxes),
        ("PATCH", "/pools/p", json!({"replicas": 3}), sandboxes),
        ("POST", "/volumes", json!({"name": "n", "size": "1"}), volumes),
        (
            "POST",
            "/boxes",
            json!({"template_name": "cpu"}),
            "CPU quota exceeded. Allowed: 3000m, Current usage: 2000m, Requested: 4000m additional.",
        ),
        (
            "POST",
            "/boxes",
            json!({"template_name": "memory"}),
            "Memory quota exceeded. Allowed: 4294967296 bytes, Current usage: 2147483648 bytes, Requested: 4294967296 bytes additional.",
        ),
        (
            "POST",
            "/boxes",
            json!({"template_name": "disk"}),
            "Storage quota exceeded. Allowed: 12884901888 bytes, Current usage: 11811160064 bytes, Requested: 2147483648 bytes additional.",
        ),
        (
            "PATCH",
            "/volumes/v",
            json!({"size": "12Gi"}),
            "Storage quota exceeded. Allowed: 12884901888 bytes, Current usage: 11811160064 bytes, Requested: 2147483648 bytes additional.",
        ),
    ];
    for (method, path, body, expected) in cases {
        let reply = server.call(method, path, body.clone()).await;
        assert_eq!((reply.status.as_u16(), &reply.body), (429, &json!({"detail": expected})), "{method} {path} {body}");
        assert_eq!(reply.headers["retry-after"], "0");
    }
    server.ok("PATCH", "/pools/p", json!({"replicas": 2})).await;
    server.ok("PATCH", "/pools/p", json!({"replicas": 0})).await;

    let resources = |cpu: &str, memory: &str, storage: &str| json!({"name": "n", "image": "x", "resources": {"cpu": cpu, "memory": memory, "storage": storage}});
    let cases = [
        ("/templates", resources("9", "1", "1"), "resources/cpu value_error"),
        ("/templates", resources("1", "9Gi", "1"), "resources/memory value_error"),
        ("/templates", resources("1", "1", "21Gi"), "resources/storage value_error"),
        ("/volumes", json!({"name": "n", "size": "101Gi"}), "size value_error"),
    ];
    for (path, body, expected) in cases {
        let reply = server.call("POST", path, body).await;
        assert_eq!((reply.status.as_u16(), items(&reply.body, "body")), (422, vec![expected.to_owned()]));
    }
}

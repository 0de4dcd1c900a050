//! The paths of the API's operations, relative to its base URL.
//!
//! A `{name}` is the object's current display name, percent-encoded by the client and decoded by the server.

/// The two prefixes under which a server answers; a client adds the first to `LANGSMITH_ENDPOINT`.
pub const PREFIXES: [&str; 2] = ["/v2/sandboxes", "/api/v2/sandboxes"];

/// `POST` creates, `GET` lists.
pub const VOLUMES: &str = "/volumes";
/// `GET`, `PATCH`, `DELETE`.
pub const VOLUME: &str = "/volumes/{name}";

/// `POST` creates, `GET` lists.
pub const TEMPLATES: &str = "/templates";
/// `POST` deletes several.
pub const TEMPLATES_BATCH_DELETE: &str = "/templates/batch-delete";
/// `GET`, `PATCH`, `DELETE`.
pub const TEMPLATE: &str = "/templates/{name}";

/// `POST` creates, `GET` lists.
pub const POOLS: &str = "/pools";
/// `GET`, `PATCH`, `DELETE`.
pub const POOL: &str = "/pools/{name}";

/// `POST` creates, `GET` lists.
pub const SANDBOXES: &str = "/boxes";
/// `POST` deletes several.
pub const SANDBOXES_BATCH_DELETE: &str = "/boxes/batch-delete";
/// `GET`, `PATCH`, `DELETE`.
pub const SANDBOX: &str = "/boxes/{name}";
/// `GET`, for polling.
pub const SANDBOX_STATUS: &str = "/boxes/{name}/status";
/// `POST` makes a URL for a port of the sandbox.
pub const SANDBOX_SERVICE_URL: &str = "/boxes/{name}/service-url";

/// `POST` creates, `GET` lists. Like those of snapshots, of the second generation only.
pub const REGISTRIES: &str = "/registries";
/// `GET`, `PATCH`, `DELETE`.
pub const REGISTRY: &str = "/registries/{name}";

/// `POST` builds one from an image, `GET` lists.
pub const SNAPSHOTS: &str = "/snapshots";
/// `GET`, `DELETE`. The name is an id, `name:tag` or `name`, in which a `/` is encoded.
pub const SNAPSHOT: &str = "/snapshots/{name}";
/// `GET` tells the tags of a name.
pub const SNAPSHOT_TAGS: &str = "/snapshots-by-name/{name}";

/// `POST` captures a snapshot of the sandbox. Like those below, of the second generation only.
pub const SANDBOX_SNAPSHOT: &str = "/boxes/{name}/snapshot";
/// `POST` starts the sandbox.
pub const SANDBOX_START: &str = "/boxes/{name}/start";
/// `POST` stops the sandbox.
pub const SANDBOX_STOP: &str = "/boxes/{name}/stop";
/// `GET` lists who gets in to which port, `DELETE` with `?port=` ends that, and without it for all ports.
pub const SANDBOX_SERVICE_URLS: &str = "/boxes/{name}/service-urls";
/// `POST` makes a URL for a file of the sandbox.
pub const SANDBOX_DOWNLOAD_URL: &str = "/boxes/{name}/download-url";

/// `GET`.
pub const USAGE: &str = "/usage";
/// `GET` tells what was used and what it costs, of the second generation only.
pub const USAGE_COSTS: &str = "/usage/costs";

/// `POST` runs a command; like those below, relative to a sandbox's own URL.
pub const EXECUTE: &str = "/execute";
/// `GET`, a WebSocket: runs a command and follows it.
pub const EXECUTE_STREAM: &str = "/execute/ws";
/// `POST` writes a file.
pub const UPLOAD: &str = "/upload";
/// `GET` reads a file.
pub const DOWNLOAD: &str = "/download";
/// `POST` finds files and folders by their paths, of the second generation only.
pub const GLOB: &str = "/glob";
/// `POST` finds lines in files, of the second generation only.
pub const GREP: &str = "/grep";
/// `GET`, a WebSocket: connections to ports.
pub const TUNNEL: &str = "/tunnel";

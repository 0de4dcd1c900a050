//! `/usage` (contract section 2.1).

use axum::Json;
use axum::extract::State;

use crate::server::app::App;
use crate::server::error::Failure;
use crate::wire;

pub(crate) async fn get(State(app): State<App>) -> Result<Json<wire::Usage>, Failure> {
    let usage = app.usage().await?;
    Ok(Json(wire::Usage {
        sandboxes_used: usage.direct_sandboxes + usage.pool_replicas,
        sandboxes_limit: usage.limits.sandboxes,
        sandbox_direct_count: usage.direct_sandboxes,
        sandbox_pool_replicas_count: usage.pool_replicas,
        volumes_used: usage.volumes,
        volumes_limit: usage.limits.volumes,
        templates_count: usage.templates,
        pools_count: usage.pools,
        registries_count: usage.registries,
        cpu_used_millicores: usage.millicores,
        cpu_limit_millicores: usage.limits.cpu_millicores,
        memory_used_bytes: usage.memory_bytes,
        memory_limit_bytes: usage.limits.memory_bytes,
        storage_used_bytes: usage.storage_bytes,
        storage_limit_bytes: usage.limits.storage_bytes,
    }))
}

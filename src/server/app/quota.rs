//! Quotas of the workspace, and the largest object that it takes.

use super::{App, Error, Quota, Tx};
use crate::server::store::settings::Settings;
use crate::server::store::templates::Resources;
use crate::server::store::{pools, registries, sandboxes, templates, volumes};
use crate::types::ByteSize;

/// What an operation adds to what is in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Demand {
    pub(super) sandboxes: u64,
    pub(super) volumes: u64,
    pub(super) millicores: u64,
    pub(super) memory: u64,
    pub(super) storage: u64,
}

impl Demand {
    /// Returns what `n` sandboxes with these resources take.
    pub(super) fn of_sandboxes(resources: &Resources, n: u64) -> Self {
        Self {
            sandboxes: n,
            volumes: 0,
            millicores: resources.cpu.millicores().saturating_mul(n),
            memory: resources.memory.bytes().saturating_mul(n),
            storage: resources.storage.as_ref().map_or(0, ByteSize::bytes).saturating_mul(n),
        }
    }

    /// Returns what a sandbox of the second generation takes.
    pub(super) fn of_settings(settings: &Settings) -> Self {
        Self {
            sandboxes: 1,
            volumes: 0,
            millicores: settings.millicores,
            memory: settings.memory_bytes,
            storage: settings.capacity_bytes,
        }
    }

    /// Returns what this is more than something that is in use already.
    pub(super) fn beyond(&self, present: &Self) -> Self {
        Self {
            sandboxes: self.sandboxes.saturating_sub(present.sandboxes),
            volumes: self.volumes.saturating_sub(present.volumes),
            millicores: self.millicores.saturating_sub(present.millicores),
            memory: self.memory.saturating_sub(present.memory),
            storage: self.storage.saturating_sub(present.storage),
        }
    }

    fn add(&mut self, other: &Self) {
        self.sandboxes = self.sandboxes.saturating_add(other.sandboxes);
        self.volumes = self.volumes.saturating_add(other.volumes);
        self.millicores = self.millicores.saturating_add(other.millicores);
        self.memory = self.memory.saturating_add(other.memory);
        self.storage = self.storage.saturating_add(other.storage);
    }
}

/// What is in use.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// Sandboxes that somebody created.
    pub(crate) direct_sandboxes: u64,
    /// Replicas that pools should keep warm, whether they do already or not.
    pub(crate) pool_replicas: u64,
    pub(crate) volumes: u64,
    pub(crate) templates: u64,
    pub(crate) pools: u64,
    pub(crate) registries: u64,
    pub(crate) millicores: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) storage_bytes: u64,
    pub(crate) limits: crate::server::options::Limits,
}

impl App {
    /// Returns what is in use, and the limits.
    pub(crate) async fn usage(&self) -> Result<Usage, Error> {
        self.transact(|tx| {
            let pool_replicas = pools::demands(tx)?.iter().map(|(_, n)| n).sum();
            let used = in_use(tx)?;
            Ok(Usage {
                direct_sandboxes: used.sandboxes - pool_replicas,
                pool_replicas,
                volumes: used.volumes,
                templates: templates::count(tx)?,
                pools: pools::count(tx)?,
                registries: registries::count(tx)?,
                millicores: used.millicores,
                memory_bytes: used.memory,
                storage_bytes: used.storage,
                limits: tx.limits().clone(),
            })
        })
        .await
    }
}

/// Refuses what would go over a quota. Replicas count as the pool's desired number, so that filling a pool again never
/// meets a limit.
pub(super) fn check(tx: &Tx<'_>, demand: &Demand) -> Result<(), Error> {
    let limits = tx.limits();
    if !limits.any_quota() {
        return Ok(());
    }
    let used = in_use(tx)?;
    let rows = [
        (Quota::Sandboxes, limits.sandboxes, used.sandboxes, demand.sandboxes),
        (Quota::Volumes, limits.volumes, used.volumes, demand.volumes),
        (Quota::Cpu, limits.cpu_millicores, used.millicores, demand.millicores),
        (Quota::Memory, limits.memory_bytes, used.memory, demand.memory),
        (Quota::Storage, limits.storage_bytes, used.storage, demand.storage),
    ];
    for (quota, limit, used, requested) in rows {
        if limit > 0 && requested > 0 && used.saturating_add(requested) > limit {
            return Err(Error::QuotaExceeded { quota, limit, used, requested });
        }
    }
    Ok(())
}

/// Refuses resources that no sandbox of this server can have (contract G32).
pub(super) fn check_resources(tx: &Tx<'_>, resources: &Resources) -> Result<(), Error> {
    let limits = tx.limits();
    let rows = [
        ("cpu", limits.max_cpu_millicores, resources.cpu.millicores(), "m"),
        ("memory", limits.max_memory_bytes, resources.memory.bytes(), " bytes"),
        ("storage", limits.max_storage_bytes, resources.storage.as_ref().map_or(0, ByteSize::bytes), " bytes"),
    ];
    for (field, maximum, value, unit) in rows {
        if maximum > 0 && value > maximum {
            return Err(Error::OverMaximum { field, maximum: format!("{maximum}{unit}") });
        }
    }
    Ok(())
}

/// Refuses a size that no sandbox of this server can have, of the second generation.
pub(super) fn check_size(tx: &Tx<'_>, settings: &Settings) -> Result<(), Error> {
    let limits = tx.limits();
    let rows = [
        ("cpu_millicores", limits.max_cpu_millicores, settings.millicores),
        ("mem_bytes", limits.max_memory_bytes, settings.memory_bytes),
        ("fs_capacity_bytes", limits.max_storage_bytes, settings.capacity_bytes),
    ];
    for (field, maximum, value) in rows {
        if maximum > 0 && value > maximum {
            return Err(Error::invalid(field, format!("{field} is more than this server allows, {maximum}")));
        }
    }
    Ok(())
}

/// Refuses a size that no volume of this server can have (contract G32).
pub(super) fn check_volume_size(tx: &Tx<'_>, size: &ByteSize) -> Result<(), Error> {
    let maximum = tx.limits().max_volume_bytes;
    if maximum > 0 && size.bytes() > maximum {
        return Err(Error::OverMaximum { field: "size", maximum: format!("{maximum} bytes") });
    }
    Ok(())
}

fn in_use(tx: &Tx<'_>) -> Result<Demand, Error> {
    let mut used = Demand::default();
    for (resources, n) in sandboxes::demands(tx)?.iter().chain(&pools::demands(tx)?) {
        used.add(&Demand::of_sandboxes(resources, *n));
    }
    for settings in sandboxes::settings(tx)? {
        used.add(&Demand::of_settings(&settings));
    }
    for size in volumes::sizes(tx)? {
        used.add(&Demand { volumes: 1, storage: size.bytes(), ..Demand::default() });
    }
    Ok(used)
}

//! How sandboxes of the second generation are created and changed.

use std::time::Duration;

use crate::client::connect::whole_seconds;
use crate::client::sandboxes::wire_seconds;
use crate::client::setters::setters;
use crate::types::{ByteSize, Cpu, Labels, Name, Ttl};
use crate::wire::{
    AccessDelegation, AttachVolume, CreateSandboxV2, EnvVars, HiddenExtra, MountConfig, ProxyConfig, RunConfig,
    UpdateSandboxV2,
};

/// How [`Client::create_sandbox_v2`](crate::client::Client::create_sandbox_v2) and
/// [`Client::sandbox_v2`](crate::client::Client::sandbox_v2) create. What is not set is the server's choice, or the
/// snapshot's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CreateSandboxV2Options {
    /// The name; made up by default.
    pub name: Option<Name>,
    /// CPU, sent as whole CPUs where it is: not all servers take parts of one.
    pub cpu: Option<Cpu>,
    /// Memory: 4 GiB for each CPU by default, and at most half as much again or half less.
    pub memory: Option<ByteSize>,
    /// The size of the root disk, which is not below the snapshot's.
    pub fs_capacity: Option<ByteSize>,
    /// The idle time after which it is stopped: 600 s by default. [`Ttl::DISABLED`] is never.
    pub idle_ttl: Option<Ttl>,
    /// The time from its stop to its deletion. [`Ttl::DISABLED`] is never.
    pub delete_after_stop: Option<Ttl>,
    /// The environment, which no answer gives back.
    pub env_vars: EnvVars,
    /// Labels, merged over the snapshot's.
    pub labels: Labels,
    /// What it mounts.
    pub mount_config: Option<MountConfig>,
    /// Its proxy.
    pub proxy_config: Option<ProxyConfig>,
    /// Whether memory is kept when somebody stops it; by default it is not.
    pub preserve_memory_on_stop: Option<bool>,
    /// Whether it goes on from the snapshot's memory: by default it does if there is any.
    pub restore_memory: Option<bool>,
    /// Tags of the workspace.
    pub tag_value_ids: Option<Vec<String>>,
    /// Whether its disk outlives a stop; by default it does.
    pub persistent: Option<bool>,
    /// How commands run in it.
    pub run_config: Option<RunConfig>,
    /// What code in it may do at the API; by default nothing.
    pub access_delegation: Option<AccessDelegation>,
    /// The volumes that it mounts, at most 4.
    pub volumes: Vec<AttachVolume>,
    /// Whether to wait until it is ready; by default that is waited for.
    /// [`Client::sandbox_v2`](crate::client::Client::sandbox_v2) always does.
    pub wait_for_ready: bool,
    /// How long the server waits until it is ready: 30 s by default, sent in seconds.
    pub timeout: Duration,
    /// Further fields, sent as they are.
    pub extra: HiddenExtra,
}

impl Default for CreateSandboxV2Options {
    fn default() -> Self {
        Self {
            name: None,
            cpu: None,
            memory: None,
            fs_capacity: None,
            idle_ttl: None,
            delete_after_stop: None,
            env_vars: EnvVars::default(),
            labels: Labels::new(),
            mount_config: None,
            proxy_config: None,
            preserve_memory_on_stop: None,
            restore_memory: None,
            tag_value_ids: None,
            persistent: None,
            run_config: None,
            access_delegation: None,
            volumes: Vec::new(),
            wait_for_ready: true,
            timeout: Duration::from_secs(30),
            extra: HiddenExtra::default(),
        }
    }
}

setters! { impl CreateSandboxV2Options {
    /// Names the sandbox.
    name = Some(Name);
    /// Sets the CPU.
    cpu = Some(Cpu);
    /// Sets the memory.
    memory = Some(ByteSize);
    /// Sets the size of the root disk.
    fs_capacity = Some(ByteSize);
    /// Sets the idle time after which it is stopped.
    idle_ttl = Some(Ttl);
    /// Sets the time from its stop to its deletion.
    delete_after_stop = Some(Ttl);
    /// Sets what it mounts.
    mount_config = Some(MountConfig);
    /// Sets its proxy.
    proxy_config = Some(ProxyConfig);
    /// Sets whether memory is kept when somebody stops it. It must be persistent.
    preserve_memory_on_stop = Some(bool);
    /// Sets whether it must, or must not, go on from the snapshot's memory.
    restore_memory = Some(bool);
    /// Sets whether its disk outlives a stop.
    persistent = Some(bool);
    /// Sets how commands run in it.
    run_config = Some(RunConfig);
    /// Sets whether to wait until it is ready.
    wait_for_ready = bool;
    /// Sets how long the server waits until it is ready.
    timeout = Duration;
    /// Sets further fields, sent as they are.
    extra = HiddenExtra;
} }

impl CreateSandboxV2Options {
    /// Adds a variable to its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env_vars.0.insert(name.into(), value.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Sets the tags of the workspace that it gets.
    #[must_use]
    pub fn tag_value_ids(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.tag_value_ids = Some(ids.into_iter().collect());
        self
    }

    /// Lets code in it call the API, with at most these permissions.
    #[must_use]
    pub fn delegate(mut self, permissions: impl IntoIterator<Item = String>) -> Self {
        let permissions = permissions.into_iter().collect();
        self.access_delegation = Some(AccessDelegation { mode: "EXPLICIT".to_owned(), permissions });
        self
    }

    /// Mounts a volume.
    #[must_use]
    pub fn volume(mut self, volume: AttachVolume) -> Self {
        self.volumes.push(volume);
        self
    }

    /// Returns the body that asks for it.
    pub(super) fn into_body(self, name: &Name, snapshot: Option<&str>) -> CreateSandboxV2 {
        let (vcpus, cpu_millicores) = self.cpu.as_ref().map(in_wire_units).unwrap_or_default();
        CreateSandboxV2 {
            name: Some(name.to_string()),
            snapshot: snapshot.map(ToOwned::to_owned),
            snapshot_id: None,
            snapshot_name: None,
            vcpus,
            cpu_millicores,
            mem_bytes: self.memory.map(|size| size.bytes()),
            fs_capacity_bytes: self.fs_capacity.map(|size| size.bytes()),
            idle_ttl_seconds: self.idle_ttl.map(wire_seconds),
            delete_after_stop_seconds: self.delete_after_stop.map(wire_seconds),
            env_vars: self.env_vars,
            labels: self.labels,
            mount_config: self.mount_config,
            proxy_config: self.proxy_config,
            preserve_memory_on_stop: self.preserve_memory_on_stop,
            restore_memory: self.restore_memory,
            tag_value_ids: self.tag_value_ids,
            persistent: self.persistent,
            run_config: self.run_config,
            access_delegation: self.access_delegation,
            volumes: self.volumes,
            wait_for_ready: Some(self.wait_for_ready),
            timeout: self.wait_for_ready.then(|| whole_seconds(self.timeout)),
            extra: self.extra,
        }
    }
}

/// What [`Client::update_sandbox_v2`](crate::client::Client::update_sandbox_v2) changes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UpdateSandboxV2Options {
    /// The new name, if it changes.
    pub new_name: Option<Name>,
    /// The new CPU, from the next start on.
    pub cpu: Option<Cpu>,
    /// The new memory, at most 64 GiB, from the next start on.
    pub memory: Option<ByteSize>,
    /// The new size of the root disk, which only grows.
    pub fs_capacity: Option<ByteSize>,
    /// The new idle time after which it is stopped.
    pub idle_ttl: Option<Ttl>,
    /// The new time from its stop to its deletion.
    pub delete_after_stop: Option<Ttl>,
    /// The new proxy, all of it: only opaque values that are left out stay, in the rules that keep their names.
    pub proxy_config: Option<ProxyConfig>,
    /// The new tags of the workspace, all of them.
    pub tag_value_ids: Option<Vec<String>>,
    /// How commands are to run in it: the user and the directory are replaced, variables are added.
    pub run_config: Option<RunConfig>,
}

setters! { impl UpdateSandboxV2Options {
    /// Renames the sandbox.
    new_name = Some(Name);
    /// Sets the CPU.
    cpu = Some(Cpu);
    /// Sets the memory.
    memory = Some(ByteSize);
    /// Grows the root disk.
    fs_capacity = Some(ByteSize);
    /// Sets the idle time after which it is stopped; [`Ttl::DISABLED`] is never.
    idle_ttl = Some(Ttl);
    /// Sets the time from its stop to its deletion; [`Ttl::DISABLED`] is never.
    delete_after_stop = Some(Ttl);
    /// Replaces the proxy.
    proxy_config = Some(ProxyConfig);
    /// Sets how commands run in it.
    run_config = Some(RunConfig);
} }

impl UpdateSandboxV2Options {
    /// Replaces the tags of the workspace.
    #[must_use]
    pub fn tag_value_ids(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.tag_value_ids = Some(ids.into_iter().collect());
        self
    }

    /// Returns the body that asks for it.
    pub(super) fn into_body(self) -> UpdateSandboxV2 {
        let (vcpus, cpu_millicores) = self.cpu.as_ref().map(in_wire_units).unwrap_or_default();
        UpdateSandboxV2 {
            name: self.new_name.map(|name| name.to_string()),
            idle_ttl_seconds: self.idle_ttl.map(wire_seconds),
            delete_after_stop_seconds: self.delete_after_stop.map(wire_seconds),
            vcpus,
            cpu_millicores,
            mem_bytes: self.memory.map(|size| size.bytes()),
            fs_capacity_bytes: self.fs_capacity.map(|size| size.bytes()),
            proxy_config: self.proxy_config,
            tag_value_ids: self.tag_value_ids,
            run_config: self.run_config,
            extra: HiddenExtra::default(),
        }
    }
}

/// Returns whole CPUs, or else thousandths of one.
fn in_wire_units(cpu: &Cpu) -> (Option<u64>, Option<u64>) {
    match cpu.millicores() {
        whole if whole.is_multiple_of(1000) => (Some(whole / 1000), None),
        parts => (None, Some(parts)),
    }
}

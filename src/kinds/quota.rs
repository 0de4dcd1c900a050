//! What objects take of a workspace's quota.

use std::fmt;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

use crate::client::{Error, Reader};
use crate::types::{ByteSize, Cpu};

/// Something that a workspace may limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// Sandboxes, counted.
    Sandboxes,
    /// Volumes, counted.
    Volumes,
    /// CPU, in thousandths of a core.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Storage, in bytes.
    Storage,
}

impl Resource {
    /// Everything that a workspace may limit.
    pub const ALL: [Self; 5] = [Self::Sandboxes, Self::Volumes, Self::Cpu, Self::Memory, Self::Storage];

    /// Returns an amount of it as people write it, exactly: `3`, `1500m`, `20Gi`.
    pub fn spell(self, amount: u64) -> String {
        const UNITS: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
        match self {
            Self::Sandboxes | Self::Volumes => amount.to_string(),
            Self::Cpu => format!("{amount}m"),
            Self::Memory | Self::Storage => {
                let unit = UNITS.iter().find(|(_, bits)| amount > 0 && amount.trailing_zeros() >= *bits);
                unit.map_or_else(|| amount.to_string(), |(unit, bits)| format!("{}{unit}", amount >> bits))
            }
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sandboxes => "sandboxes",
            Self::Volumes => "volumes",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Storage => "storage",
        })
    }
}

/// Amounts of everything that a workspace may limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Sandboxes, warm replicas among them.
    pub sandboxes: u64,
    /// Volumes.
    pub volumes: u64,
    /// CPU in thousandths of a core.
    pub cpu_millicores: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Storage in bytes.
    pub storage_bytes: u64,
}

/// What a workspace uses and may use; a limit of 0 means "unlimited".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// What is in use.
    pub used: Quota,
    /// What may be in use.
    pub limit: Quota,
}

impl Quota {
    /// Returns each amount with what it is of.
    pub fn amounts(self) -> [(Resource, u64); 5] {
        [
            (Resource::Sandboxes, self.sandboxes),
            (Resource::Volumes, self.volumes),
            (Resource::Cpu, self.cpu_millicores),
            (Resource::Memory, self.memory_bytes),
            (Resource::Storage, self.storage_bytes),
        ]
    }

    /// Returns the larger of two amounts, of each resource by itself.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            sandboxes: self.sandboxes.max(other.sandboxes),
            volumes: self.volumes.max(other.volumes),
            cpu_millicores: self.cpu_millicores.max(other.cpu_millicores),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            storage_bytes: self.storage_bytes.max(other.storage_bytes),
        }
    }

    /// Returns what is left after taking `other` away, never less than nothing.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self {
            sandboxes: self.sandboxes.saturating_sub(other.sandboxes),
            volumes: self.volumes.saturating_sub(other.volumes),
            cpu_millicores: self.cpu_millicores.saturating_sub(other.cpu_millicores),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            storage_bytes: self.storage_bytes.saturating_sub(other.storage_bytes),
        }
    }
}

impl Add for Quota {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sandboxes: self.sandboxes.saturating_add(other.sandboxes),
            volumes: self.volumes.saturating_add(other.volumes),
            cpu_millicores: self.cpu_millicores.saturating_add(other.cpu_millicores),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            storage_bytes: self.storage_bytes.saturating_add(other.storage_bytes),
        }
    }
}

impl Mul<u32> for Quota {
    type Output = Self;

    fn mul(self, times: u32) -> Self {
        let times = u64::from(times);
        Self {
            sandboxes: self.sandboxes.saturating_mul(times),
            volumes: self.volumes.saturating_mul(times),
            cpu_millicores: self.cpu_millicores.saturating_mul(times),
            memory_bytes: self.memory_bytes.saturating_mul(times),
            storage_bytes: self.storage_bytes.saturating_mul(times),
        }
    }
}

/// Returns a size as people write it.
///
/// # Panics
///
/// Never: what is spelt is a size.
pub(super) fn size_of(bytes: u64) -> ByteSize {
    Resource::Storage.spell(bytes).parse().expect("a number of bytes, in its largest unit, is a size")
}

/// Returns an amount of CPU as people write it.
///
/// # Panics
///
/// Never: what is spelt is an amount.
pub(super) fn cpu_of(millicores: u64) -> Cpu {
    let text = if millicores.is_multiple_of(1000) { (millicores / 1000).to_string() } else { format!("{millicores}m") };
    text.parse().expect("a number of millicores is an amount of CPU")
}

impl Capacity {
    /// Returns what is not in use, `None` where there is no limit, in the order of [`Quota::amounts`].
    pub fn free(self) -> [Option<u64>; 5] {
        let used = self.used.amounts();
        let limit = self.limit.amounts();
        std::array::from_fn(|i| (limit[i].1 > 0).then(|| limit[i].1.saturating_sub(used[i].1)))
    }
}

/// Reads what the workspace uses and may use; `None` where the server does not tell.
pub async fn capacity(reader: &Reader) -> Result<Option<Capacity>, Error> {
    let usage = match reader.usage().await {
        Ok(usage) => usage,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Capacity {
        used: Quota {
            sandboxes: usage.sandboxes_used,
            volumes: usage.volumes_used,
            cpu_millicores: usage.cpu_used_millicores,
            memory_bytes: usage.memory_used_bytes,
            storage_bytes: usage.storage_used_bytes,
        },
        limit: Quota {
            sandboxes: usage.sandboxes_limit,
            volumes: usage.volumes_limit,
            cpu_millicores: usage.cpu_limit_millicores,
            memory_bytes: usage.memory_limit_bytes,
            storage_bytes: usage.storage_limit_bytes,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_spelt_exactly_in_the_largest_unit() {
        let spelt =
            [(0, "0"), (1023, "1023"), (1 << 10, "1Ki"), (3 << 29, "1536Mi"), (20 << 30, "20Gi"), (1 << 60, "1Ei")];
        for (amount, text) in spelt {
            assert_eq!(Resource::Memory.spell(amount), text);
        }
        assert_eq!(Resource::Cpu.spell(1500), "1500m");
        assert_eq!(Resource::Volumes.spell(1024), "1024");
    }
}

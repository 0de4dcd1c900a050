//! How large sandboxes of the second generation may be (contract section 4.2 of the second generation).

use super::Error;
use super::from_snapshot::Size;
use crate::server::store::settings::{CarriedResources, Settings};

const GIB: u64 = 1 << 30;

/// What a sandbox gets whose creator says nothing.
const DEFAULT_MILLICORES: u64 = 500;

/// Memory for a whole core; what is asked for lies within half of that.
const MEMORY_PER_CORE: u64 = 4 * GIB;

const MIN_MILLICORES: u64 = 50;
const MAX_MILLICORES: u64 = 16_000;
const MAX_MEMORY: u64 = 64 * GIB;

/// Disk for a whole core of a sandbox that is not persistent.
const DISPOSABLE_DISK_PER_CORE: u64 = 16 * GIB;

/// What a sandbox gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) millicores: u64,
    pub(super) memory_bytes: u64,
    pub(super) capacity_bytes: u64,
}

/// Says what a new sandbox gets of what it asks for; what it leaves open may be carried by its snapshot.
pub(super) fn of_new(
    asked: Size,
    carried: Option<CarriedResources>,
    snapshot_capacity: u64,
    is_persistent: bool,
) -> Result<Granted, Error> {
    let capacity_bytes = asked.capacity_bytes.unwrap_or(snapshot_capacity);
    if capacity_bytes < snapshot_capacity {
        let message = format!("Input should be at least the snapshot's {snapshot_capacity} bytes");
        return Err(Error::invalid("fs_capacity_bytes", message));
    }
    let leaves_size_open = asked.millicores.is_none() && asked.memory_bytes.is_none();
    let size = match carried {
        Some(carried) if leaves_size_open => Size::from(carried),
        _ => asked,
    };
    if size.memory_bytes.is_some_and(|memory| memory > MAX_MEMORY) {
        return Err(Error::invalid("mem_bytes", format!("Input should be at most {MAX_MEMORY}")));
    }
    let millicores = match (size.millicores, size.memory_bytes) {
        (Some(millicores), _) => millicores,
        (None, Some(memory)) => share(memory, MEMORY_PER_CORE).max(MIN_MILLICORES),
        (None, None) if !is_persistent => share(capacity_bytes, DISPOSABLE_DISK_PER_CORE).max(DEFAULT_MILLICORES),
        (None, None) => DEFAULT_MILLICORES,
    };
    if !(MIN_MILLICORES..=MAX_MILLICORES).contains(&millicores) {
        let message = format!("The CPU should be from {MIN_MILLICORES} to {MAX_MILLICORES} thousandths of a core");
        return Err(Error::invalid("cpu_millicores", message));
    }
    if !is_persistent && capacity_bytes > portion(millicores, DISPOSABLE_DISK_PER_CORE) {
        let message = "A sandbox that is not persistent has at most 16 GiB of disk for each core";
        return Err(Error::invalid("fs_capacity_bytes", message));
    }
    let usual = portion(millicores, MEMORY_PER_CORE);
    let memory_bytes = size.memory_bytes.unwrap_or(usual.min(MAX_MEMORY));
    if memory_bytes < usual / 2 || memory_bytes > usual + usual / 2 {
        let message = format!("Input should be within 50% of the {usual} bytes for this CPU");
        return Err(Error::invalid("mem_bytes", message));
    }
    Ok(Granted { millicores, memory_bytes, capacity_bytes })
}

/// Changes how large a sandbox is; of the rules, only the largest memory counts then, and that a disk never shrinks.
pub(super) fn resize(settings: &mut Settings, asked: Size) -> Result<(), Error> {
    if let Some(millicores) = asked.millicores {
        if !(MIN_MILLICORES..=MAX_MILLICORES).contains(&millicores) {
            let message = format!("The CPU should be from {MIN_MILLICORES} to {MAX_MILLICORES} thousandths of a core");
            return Err(Error::invalid("cpu_millicores", message));
        }
        settings.millicores = millicores;
    }
    if let Some(memory) = asked.memory_bytes {
        if memory > MAX_MEMORY {
            return Err(Error::invalid("mem_bytes", format!("Input should be at most {MAX_MEMORY}")));
        }
        settings.memory_bytes = memory;
    }
    if let Some(capacity) = asked.capacity_bytes {
        if capacity < settings.capacity_bytes {
            let message = format!("A disk only grows, and it has {} bytes", settings.capacity_bytes);
            return Err(Error::invalid("fs_capacity_bytes", message));
        }
        settings.capacity_bytes = capacity;
    }
    Ok(())
}

/// Returns how much of something belongs to that much of a core.
fn portion(millicores: u64, per_core: u64) -> u64 {
    per_core / 1000 * millicores + per_core % 1000 * millicores / 1000
}

/// Returns how much of a core belongs to that much of something, rounded up.
fn share(amount: u64, per_core: u64) -> u64 {
    let millicores = (u128::from(amount) * 1000).div_ceil(u128::from(per_core));
    u64::try_from(millicores).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(millicores: Option<u64>, memory_gib: Option<u64>, disk_gib: Option<u64>) -> Size {
        let bytes = |gib: Option<u64>| gib.map(|gib| gib * GIB);
        Size { millicores, memory_bytes: bytes(memory_gib), capacity_bytes: bytes(disk_gib) }
    }

    #[test]
    fn what_is_left_open_follows_from_the_rest() {
        let cases = [
            (size(None, None, None), true, Some((500, 2, 4))),
            (size(Some(2000), None, None), true, Some((2000, 8, 4))),
            (size(None, Some(6), None), true, Some((1500, 6, 4))),
            (size(Some(1000), Some(2), Some(8)), true, Some((1000, 2, 8))),
            (size(Some(1000), Some(6), None), true, Some((1000, 6, 4))),
            (size(Some(1000), Some(1), None), true, None),
            (size(Some(1000), Some(7), None), true, None),
            (size(None, Some(65), None), true, None),
            (size(Some(16_001), None, None), true, None),
            (size(Some(49), None, None), true, None),
            (size(None, None, Some(3)), true, None),
            (size(None, None, Some(64)), false, Some((4000, 16, 64))),
            (size(Some(1000), None, Some(17)), false, None),
        ];
        for (asked, is_persistent, expected) in cases {
            let granted = of_new(asked, None, 4 * GIB, is_persistent).ok();
            let found =
                granted.map(|granted| (granted.millicores, granted.memory_bytes / GIB, granted.capacity_bytes / GIB));
            assert_eq!(found, expected, "{asked:?}");
        }
    }

    #[test]
    fn a_snapshot_carries_a_size_for_whoever_leaves_it_open() {
        let carried = Some(CarriedResources { millicores: 3000, memory_bytes: 10 * GIB });
        let open = of_new(Size::default(), carried, GIB, true).expect("is allowed");
        assert_eq!((open.millicores, open.memory_bytes), (3000, 10 * GIB));
        let own = of_new(size(Some(1000), None, None), carried, GIB, true).expect("is allowed");
        assert_eq!((own.millicores, own.memory_bytes), (1000, 4 * GIB));
    }
}

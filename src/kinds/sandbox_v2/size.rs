//! How large a sandbox may be when it is made (contract sections 4.2 and 4.4 of the second generation). One that is there may
//! be given other amounts, which a new one would not get.

use super::SandboxV2Spec;
use crate::kinds::kind::{Lookup, Violation};
use crate::kinds::quota::size_of;
use crate::kinds::{SNAPSHOT, SnapshotSpec};
use crate::types::{ByteSize, Cpu};

/// The memory that belongs to a whole core. A new sandbox has from half of its share to half as much again.
const MEMORY_OF_A_CORE: u128 = 4 << 30;

/// Returns what is broken of the rules for new sandboxes; what is left out, the server chooses.
pub(super) fn check(spec: &SandboxV2Spec, others: &dyn Lookup) -> Vec<Violation> {
    let memory = spec.memory.as_ref().zip(spec.vcpus.as_ref()).filter(|(memory, cpu)| !is_a_share(memory, cpu));
    let memory = memory.map(|(memory, cpu)| {
        let (least, most) = shares_of(cpu);
        Violation {
            path: "mem_bytes",
            message: format!("a new sandbox with {cpu} CPU has from {least} to {most} of memory, and this is {memory}"),
            help: "declare an amount between these, or leave `mem_bytes` out".to_owned(),
            other: None,
        }
    });
    let disk = spec.fs_capacity.as_ref().zip(least_disk(spec, others)).filter(|(disk, least)| disk < least);
    let disk = disk.map(|(disk, least)| Violation {
        path: "fs_capacity_bytes",
        message: format!(
            "the disk of a new sandbox is at least as large as its snapshot's, {least}, and this is {disk}"
        ),
        help: "declare as much, or leave `fs_capacity_bytes` out".to_owned(),
        other: None,
    });
    memory.into_iter().chain(disk).collect()
}

/// Leaves to the server what the old sandbox has and a new one would not get: memory that does not belong to the CPU, where
/// only one of the two is declared, and a disk that is smaller than the snapshot's.
pub(super) fn renewed(declared: &SandboxV2Spec, settled: SandboxV2Spec, others: &dyn Lookup) -> SandboxV2Spec {
    let broken: Vec<_> = check(&settled, others).into_iter().map(|violation| violation.path).collect();
    let mut spec = settled;
    if broken.contains(&"mem_bytes") {
        match (&declared.memory, &declared.vcpus) {
            (None, _) => spec.memory = None,
            (Some(_), None) => spec.vcpus = None,
            (Some(_), Some(_)) => {}
        }
    }
    if broken.contains(&"fs_capacity_bytes") && declared.fs_capacity.is_none() {
        spec.fs_capacity = None;
    }
    spec
}

fn is_a_share(memory: &ByteSize, cpu: &Cpu) -> bool {
    let (least, most) = shares_of(cpu);
    (least..=most).contains(memory)
}

/// Returns the least and the most memory of a new sandbox with this CPU.
fn shares_of(cpu: &Cpu) -> (ByteSize, ByteSize) {
    let usual = MEMORY_OF_A_CORE * u128::from(cpu.millicores()) / 1000;
    let size = |bytes: u128| size_of(u64::try_from(bytes).unwrap_or(u64::MAX));
    (size(usual / 2), size(usual + usual / 2))
}

/// Returns how large the disk of its snapshot is, if that is known.
fn least_disk<'a>(spec: &SandboxV2Spec, others: &'a dyn Lookup) -> Option<&'a ByteSize> {
    let snapshot = others.spec(SNAPSHOT, &spec.snapshot)?;
    Some(&snapshot.downcast::<SnapshotSpec>()?.fs_capacity)
}

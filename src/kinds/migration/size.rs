//! How large a sandbox is where memory has to fit the CPU.
//!
//! A sandbox of the second generation is made with 4 GiB of memory for each vCPU, give or take half of that, and with at
//! most 64 GiB (contract section 4.2 of the second generation). Whoever moves gets at least what there was.

use crate::kinds::quota::{cpu_of, size_of};
use crate::types::{ByteSize, Cpu};

const GIB: u64 = 1 << 30;
/// The least and the most memory for a vCPU.
const LEAST_EACH: u64 = 2 * GIB;
const MOST_EACH: u64 = 6 * GIB;
const MOST_MEMORY: u64 = 64 * GIB;
/// As many as the most memory is enough for.
const MOST_VCPUS: u64 = MOST_MEMORY / LEAST_EACH;

/// A size that a sandbox can be made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fitted {
    pub(super) vcpus: Cpu,
    pub(super) memory: ByteSize,
    /// Why it is not what was asked for, a clause for each reason.
    pub(super) reasons: Vec<String>,
    /// Whether it is less than what was asked for.
    pub(super) is_less: bool,
}

/// Returns the smallest size that has at least this much of both, or the largest if there is none.
///
/// CPU becomes whole vCPUs: the service does not always have parts of one, and the official SDKs ask for whole ones only.
pub(super) fn fit(cpu: &Cpu, memory: &ByteSize) -> Fitted {
    let mut reasons = Vec::new();
    let wanted = (cpu.millicores(), memory.bytes());
    let mut n_vcpus = wanted.0.div_ceil(1000);
    if !wanted.0.is_multiple_of(1000) {
        reasons.push(format!("servers do not always have parts of a vCPU, so cpu {cpu} is {n_vcpus} of them"));
    }
    let mut bytes = wanted.1;
    if bytes > MOST_MEMORY {
        bytes = MOST_MEMORY;
        reasons.push(format!("{} is the most memory, and not {memory}", size_of(bytes)));
    }
    if n_vcpus > MOST_VCPUS {
        n_vcpus = MOST_VCPUS;
        let most = size_of(MOST_MEMORY);
        reasons.push(format!("{n_vcpus} vCPUs are the most that {most} of memory are enough for, and not {cpu}"));
    }
    if bytes > n_vcpus * MOST_EACH {
        n_vcpus = bytes.div_ceil(MOST_EACH);
        reasons.push(format!("memory is at most {} for each vCPU, so {memory} takes {n_vcpus}", size_of(MOST_EACH)));
    }
    if bytes < n_vcpus * LEAST_EACH {
        bytes = n_vcpus * LEAST_EACH;
        let least = size_of(LEAST_EACH);
        reasons.push(format!("memory is at least {least} for each vCPU, so {memory} is {} now", size_of(bytes)));
    }
    Fitted {
        vcpus: if n_vcpus * 1000 == wanted.0 { cpu.clone() } else { cpu_of(n_vcpus * 1000) },
        memory: if bytes == wanted.1 { memory.clone() } else { size_of(bytes) },
        reasons,
        is_less: n_vcpus * 1000 < wanted.0 || bytes < wanted.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitted(cpu: &str, memory: &str) -> Fitted {
        fit(&cpu.parse().unwrap(), &memory.parse().unwrap())
    }

    fn shown(cpu: &str, memory: &str) -> String {
        let Fitted { vcpus, memory, reasons, is_less } = fitted(cpu, memory);
        let less = if is_less { " (less)" } else { "" };
        format!("{vcpus}, {memory}{less}: {}", reasons.join("; "))
    }

    #[test]
    fn what_fits_stays_as_it_is_written() {
        for (cpu, memory) in
            [("1", "2Gi"), ("1", "6144Mi"), ("2000m", "4Gi"), ("2", "12Gi"), ("16", "64Gi"), ("32", "64Gi")]
        {
            assert_eq!(shown(cpu, memory), format!("{cpu}, {memory}: "));
        }
    }

    #[test]
    fn what_does_not_fit_becomes_the_next_larger_size() {
        insta::assert_snapshot!(shown("500m", "512Mi"), @"1, 2Gi: servers do not always have parts of a vCPU, so cpu 500m is 1 of them; memory is at least 2Gi for each vCPU, so 512Mi is 2Gi now");
        insta::assert_snapshot!(shown("1", "1Gi"), @"1, 2Gi: memory is at least 2Gi for each vCPU, so 1Gi is 2Gi now");
        insta::assert_snapshot!(shown("1500m", "8Gi"), @"2, 8Gi: servers do not always have parts of a vCPU, so cpu 1500m is 2 of them");
        insta::assert_snapshot!(shown("500m", "16Gi"), @"3, 16Gi: servers do not always have parts of a vCPU, so cpu 500m is 1 of them; memory is at most 6Gi for each vCPU, so 16Gi takes 3");
        insta::assert_snapshot!(shown("1", "6145Mi"), @"2, 6145Mi: memory is at most 6Gi for each vCPU, so 6145Mi takes 2");
    }

    #[test]
    fn what_no_sandbox_can_have_becomes_the_largest() {
        insta::assert_snapshot!(shown("4", "100Gi"), @"11, 64Gi (less): 64Gi is the most memory, and not 100Gi; memory is at most 6Gi for each vCPU, so 100Gi takes 11");
        insta::assert_snapshot!(shown("64", "128Gi"), @"32, 64Gi (less): 64Gi is the most memory, and not 128Gi; 32 vCPUs are the most that 64Gi of memory are enough for, and not 64");
        insta::assert_snapshot!(shown("33", "1Gi"), @"32, 64Gi (less): 32 vCPUs are the most that 64Gi of memory are enough for, and not 33; memory is at least 2Gi for each vCPU, so 1Gi is 64Gi now");
        insta::assert_snapshot!(shown("18446744073709551615m", "1"), @"32, 64Gi (less): servers do not always have parts of a vCPU, so cpu 18446744073709551615m is 18446744073709552 of them; 32 vCPUs are the most that 64Gi of memory are enough for, and not 18446744073709551615m; memory is at least 2Gi for each vCPU, so 1 is 64Gi now");
    }

    #[test]
    fn every_size_is_one_that_a_sandbox_can_be_made_with() {
        for millicores in (50..40_000).step_by(350) {
            for mebibytes in (64..80_000).step_by(700) {
                let (cpu, memory) = (format!("{millicores}m"), format!("{mebibytes}Mi"));
                let fitted = fitted(&cpu, &memory);
                let (got, bytes) = (fitted.vcpus.millicores(), fitted.memory.bytes());
                assert!(got.is_multiple_of(1000) && bytes <= MOST_MEMORY, "{cpu} {memory}: {fitted:?}");
                assert!(
                    (LEAST_EACH * got / 1000..=MOST_EACH * got / 1000).contains(&bytes),
                    "{cpu} {memory}: {fitted:?}"
                );
                let is_less = got < millicores || bytes < mebibytes << 20;
                assert_eq!(fitted.is_less, is_less, "{cpu} {memory}: {fitted:?}");
                let is_other = got != millicores || bytes != mebibytes << 20;
                assert_eq!(!fitted.reasons.is_empty(), is_other, "{cpu} {memory}: {fitted:?}");
            }
        }
    }
}

//! Ids of commands that the client chooses.

use crate::types::Timestamp;

/// Returns a new id as the official SDK makes them: a UUID of version 7 (RFC 9562), in hex digits without hyphens. It
/// begins with the time in milliseconds, so that ids sort by it.
pub(super) fn new_command_id(now: Timestamp) -> String {
    let millis = u64::try_from(now.as_microseconds() / 1000).unwrap_or(0);
    let high = (millis << 16) | 0x7000 | fastrand::u64(..0x1000);
    let low = (0b10 << 62) | fastrand::u64(..1 << 62);
    format!("{high:016x}{low:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_7_and_no_two_are_alike() {
        let at = |text: &str| new_command_id(text.parse().expect("a time"));
        let ids: std::collections::BTreeSet<String> = (0..1000).map(|_| at("2026-03-24T12:00:00Z")).collect();
        assert_eq!(ids.len(), 1000);
        for id in &ids {
            assert!(id.starts_with("019d1fb74e00") && id.len() == 32, "{id}");
            assert!(id.as_bytes()[12] == b'7' && matches!(id.as_bytes()[16], b'8' | b'9' | b'a' | b'b'), "{id}");
        }
        assert!(at("2026-03-24T12:00:01Z") > *ids.last().expect("a thousand"));
    }
}

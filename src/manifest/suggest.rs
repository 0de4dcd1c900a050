//! What somebody may have meant.

use strsim::osa_distance;

/// Returns the candidate that `input` is most likely a misspelling of, if one is near enough.
///
/// A candidate that differs only in case or in its word breaks (`mountPath` and `mount_path`) always wins. Else
/// at most a third of the characters may differ, and never more than three, so that short words get no wild guesses.
/// Of two that are equally near, the first one wins.
pub fn suggest<'a>(input: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(input);
    let length = folded.chars().count();
    let mut best: Option<(usize, &'a str)> = None;
    for candidate in candidates {
        let other = fold(candidate);
        let other_length = other.chars().count();
        let most = (length.max(other_length) / 3).min(3);
        // The distance is at least the difference in length: a text of a megabyte is never compared at all.
        if length.abs_diff(other_length) > most {
            continue;
        }
        let distance = osa_distance(&folded, &other);
        if distance <= most && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 5] = ["name", "image", "cpu", "mount_path", "replicas"];

    #[test]
    fn spelling_of_words_is_folded_first() {
        for input in ["mountPath", "MountPath", "mount-path", "MOUNT_PATH", "mountpath"] {
            assert_eq!(suggest(input, FIELDS), Some("mount_path"), "{input}");
        }
    }

    #[test]
    fn near_misses_are_found() {
        for (input, expected) in [
            ("naem", "name"),
            ("imagee", "image"),
            ("cp", "cpu"),
            ("replics", "replicas"),
            ("mountpaths", "mount_path"),
        ] {
            assert_eq!(suggest(input, FIELDS), Some(expected), "{input}");
        }
        assert_eq!(suggest("Kettel", ["Cup", "Kettle"]), Some("Kettle"));
    }

    #[test]
    fn far_misses_are_not() {
        for input in ["", "x", "gpu_count", "status", "ram", &"name".repeat(100_000)] {
            assert_eq!(suggest(input, FIELDS), None, "{input:.20}");
        }
    }

    #[test]
    fn the_nearest_wins_and_then_the_first() {
        assert_eq!(suggest("mountz", ["mounts", "mount"]), Some("mounts"));
        assert_eq!(suggest("abcx", ["abcy", "abcz"]), Some("abcy"));
    }
}

//! A hash that is the same in every version of this program, which the standard library's do not promise.

/// FNV-1a with 64 bits (RFC 9923) over texts.
pub struct TextHash(u64);

impl TextHash {
    /// Returns the hash of no text at all.
    pub fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Takes a text in.
    pub fn text(&mut self, text: &str) {
        // No text has a zero byte, so it keeps texts apart.
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Returns the hash of all texts so far.
    pub fn value(&self) -> u64 {
        self.0
    }
}

impl Default for TextHash {
    fn default() -> Self {
        Self::new()
    }
}

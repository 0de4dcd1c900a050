//! Kubernetes quantities, compared by value and shown as written.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

/// An amount of CPU, such as `500m`, `0.5` or `2`.
///
/// Two amounts are equal when they are the same number of millicores, however they are spelt; `Display` gives back the
/// text that was read. A part of a millicore counts as a whole one, as in Kubernetes.
///
/// ```
/// use sbx::types::Cpu;
///
/// assert_eq!("0.5".parse::<Cpu>()?, "500m".parse::<Cpu>()?);
/// # Ok::<(), sbx::types::QuantityError>(())
/// ```
#[derive(Clone)]
pub struct Cpu {
    millicores: u64,
    text: Arc<str>,
}

/// A size in bytes, such as `512Mi`, `20Gi` or `1e9`.
///
/// Two sizes are equal when they are the same number of bytes, however they are spelt; `Display` gives back the text
/// that was read. A part of a byte counts as a whole one, as in Kubernetes.
///
/// ```
/// use sbx::types::ByteSize;
///
/// assert_eq!("1Gi".parse::<ByteSize>()?, "1024Mi".parse::<ByteSize>()?);
/// # Ok::<(), sbx::types::QuantityError>(())
/// ```
#[derive(Clone)]
pub struct ByteSize {
    bytes: u64,
    text: Arc<str>,
}

impl Cpu {
    /// Returns the amount in thousandths of a core.
    pub fn millicores(&self) -> u64 {
        self.millicores
    }

    /// Returns the amount as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl ByteSize {
    /// Returns the size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the size as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// The text does not follow the grammar: a decimal number, then a unit.
    #[error("`{text}` is not a quantity")]
    Syntax {
        /// The text.
        text: String,
    },
    /// The number is followed by something that is not a unit.
    #[error("`{unit}` is not a unit of a quantity")]
    UnknownUnit {
        /// What follows the number.
        unit: String,
    },
    /// The amount is zero or negative.
    #[error("a quantity is more than zero, not `{text}`")]
    NotPositive {
        /// The text.
        text: String,
    },
    /// The amount does not fit in 64 bits.
    #[error("`{text}` is too large")]
    TooLarge {
        /// The text.
        text: String,
    },
}

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { millicores: parse(text, 3)?, text: text.into() })
    }
}

impl FromStr for ByteSize {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self { bytes: parse(text, 0)?, text: text.into() })
    }
}

/// Reads a quantity as a whole number of `10^-decimals`, rounding up.
///
/// The grammar is that of contract G29. The text is never turned into a float: digits are collected into an integer,
/// with the place of the point beside it.
fn parse(text: &str, decimals: i32) -> Result<u64, QuantityError> {
    let syntax = || QuantityError::Syntax { text: text.to_owned() };
    let too_large = || QuantityError::TooLarge { text: text.to_owned() };

    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let number_len = unsigned.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = unsigned.split_at(number_len);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(syntax());
    }

    let mut digits: u128 = 0;
    for digit in whole.bytes().chain(fraction.trim_end_matches('0').bytes()) {
        digits = digits.checked_mul(10).and_then(|n| n.checked_add(u128::from(digit - b'0'))).ok_or_else(too_large)?;
    }
    let fraction_len = i32::try_from(fraction.trim_end_matches('0').len()).map_err(|_| too_large())?;
    let Unit { factor, exponent } =
        Unit::parse(unit).ok_or_else(|| QuantityError::UnknownUnit { unit: unit.to_owned() })?;
    if negative || digits == 0 {
        return Err(QuantityError::NotPositive { text: text.to_owned() });
    }

    let scaled = digits.checked_mul(factor).ok_or_else(too_large)?;
    let shift = exponent - fraction_len + decimals;
    let power = 10_u128.checked_pow(shift.unsigned_abs());
    let value = if shift >= 0 {
        power.and_then(|power| scaled.checked_mul(power)).ok_or_else(too_large)?
    } else {
        // A power that does not fit is larger than any amount that does: the amount is a tiny part of one.
        power.map_or(1, |power| scaled.div_ceil(power))
    };
    u64::try_from(value).map_err(|_| too_large())
}

/// What a unit multiplies by: `factor × 10^exponent`.
struct Unit {
    factor: u128,
    exponent: i32,
}

impl Unit {
    fn parse(unit: &str) -> Option<Self> {
        let decimal = |exponent| Some(Self { factor: 1, exponent });
        let binary = |power: u32| Some(Self { factor: 1 << (10 * power), exponent: 0 });
        match unit {
            "" => decimal(0),
            "m" => decimal(-3),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(1),
            "Mi" => binary(2),
            "Gi" => binary(3),
            "Ti" => binary(4),
            "Pi" => binary(5),
            "Ei" => binary(6),
            _ => {
                let exponent = unit.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?;
                // Beyond this every amount is either too large or a tiny part of one; the bound keeps sums in range.
                decimal(exponent.clamp(-1_000, 1_000))
            }
        }
    }
}

macro_rules! by_value {
    ($name:ident, $field:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.$field == other.$field
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.$field.cmp(&other.$field)
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.$field.hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }
    };
}

by_value!(Cpu, millicores);
by_value!(ByteSize, bytes);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Result<u64, QuantityError> {
        text.parse::<ByteSize>().map(|size| size.bytes())
    }

    fn millicores(text: &str) -> Result<u64, QuantityError> {
        text.parse::<Cpu>().map(|cpu| cpu.millicores())
    }

    #[test]
    fn spelling_does_not_matter() {
        for (left, right) in [("1Gi", "1024Mi"), ("1Gi", "1073741824"), ("1k", "1000"), ("1e3", "1k"), ("0.5Ki", "512")]
        {
            assert_eq!(bytes(left), bytes(right), "{left} and {right}");
        }
        for (left, right) in [("1", "1000m"), ("0.5", "500m"), (".5", "500m"), ("2.", "2"), ("+1", "1"), ("1E0", "1")] {
            assert_eq!(millicores(left), millicores(right), "{left} and {right}");
        }
    }

    #[test]
    fn gives_back_the_text() {
        assert_eq!("1024Mi".parse::<ByteSize>().map(|size| size.to_string()), Ok("1024Mi".to_owned()));
        assert_eq!("0.5".parse::<Cpu>().map(|cpu| cpu.to_string()), Ok("0.5".to_owned()));
    }

    #[test]
    fn rounds_up_and_never_through_a_float() {
        assert_eq!(millicores("0.0001"), Ok(1));
        assert_eq!(millicores("0.1"), Ok(100));
        assert_eq!(bytes("0.1"), Ok(1));
        assert_eq!(bytes("9007199254740993"), Ok(9_007_199_254_740_993));
        assert_eq!(bytes("1e-900"), Ok(1));
    }

    #[test]
    fn says_what_is_wrong() {
        for text in ["", "Gi", ".", "1.2.3", "-", "one"] {
            assert!(matches!(bytes(text), Err(QuantityError::Syntax { .. })), "{text}");
        }
        for text in ["1gi", "1GB", "5 Gi", "1K", "1e", "1m1"] {
            assert!(matches!(bytes(text), Err(QuantityError::UnknownUnit { .. })), "{text}");
        }
        for text in ["0", "-1", "0.000", "-1Gi"] {
            assert!(matches!(bytes(text), Err(QuantityError::NotPositive { .. })), "{text}");
        }
        for text in ["16Ei", "1e30", "1e999999", "99999999999999999999999999999999999999999"] {
            assert!(matches!(bytes(text), Err(QuantityError::TooLarge { .. })), "{text}");
        }
    }
}

//! Scalars, and what they are by the core schema of YAML 1.2.

use std::sync::Arc;

/// A value that is neither a sequence nor a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    text: Arc<str>,
    style: ScalarStyle,
    kind: ScalarKind,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarStyle {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As a block, behind `|` or `>`.
    Block,
}

/// What a scalar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScalarKind {
    /// `null`, `~`, or nothing at all.
    Null,
    /// `true` or `false`. The `yes`, `no`, `on` and `off` of YAML 1.1 are texts.
    Bool,
    /// A whole number: decimal, `0o17` or `0x1f`.
    Int,
    /// A number with a fraction or an exponent, an infinity, or not a number.
    Float,
    /// Anything else, and all that is quoted.
    Text,
}

impl Scalar {
    pub(super) fn new(text: Arc<str>, style: ScalarStyle, kind: ScalarKind) -> Self {
        Self { text, style, kind }
    }

    /// Returns the value as text, without quotes and with its escapes resolved. Numbers are as they were written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// Returns how it was written.
    pub fn style(&self) -> ScalarStyle {
        self.style
    }

    /// Returns what it is: by its tag where it has one, by its style and text otherwise.
    pub fn kind(&self) -> ScalarKind {
        self.kind
    }

    /// Returns the truth value; nothing for what is no boolean.
    pub fn to_bool(&self) -> Option<bool> {
        (self.kind == ScalarKind::Bool).then(|| self.text.starts_with(['t', 'T']))
    }

    /// Returns the whole number; nothing for what is none, or does not fit.
    pub fn to_integer(&self) -> Option<i64> {
        if self.kind != ScalarKind::Int {
            return None;
        }
        if let Some(octal) = self.text.strip_prefix("0o") {
            return i64::from_str_radix(octal, 8).ok();
        }
        if let Some(hexadecimal) = self.text.strip_prefix("0x") {
            return i64::from_str_radix(hexadecimal, 16).ok();
        }
        self.text.parse().ok()
    }
}

impl ScalarKind {
    /// Returns what a plain scalar with this text is (YAML 1.2.2, section 10.3.2).
    pub(super) fn of_plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Self::Bool,
            _ if !text.starts_with(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => Self::Text,
            _ if is_int(text) => Self::Int,
            _ if is_float(text) => Self::Float,
            _ => Self::Text,
        }
    }

    /// Returns the name for messages, with its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a number",
            Self::Text => "a string",
        }
    }
}

fn is_int(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return is_all(octal, |byte| matches!(byte, b'0'..=b'7'));
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return is_all(hexadecimal, |byte| byte.is_ascii_hexdigit());
    }
    is_all(unsigned(text), |byte| byte.is_ascii_digit())
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = unsigned(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && is_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| is_all(self::unsigned(exponent), |byte| byte.is_ascii_digit()))
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_all(text: &str, rule: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Scalar {
        Scalar::new(text.into(), ScalarStyle::Plain, ScalarKind::of_plain(text))
    }

    #[test]
    fn follows_the_core_schema() {
        let cases: [(ScalarKind, &[&str]); 5] = [
            (ScalarKind::Null, &["", "~", "null", "Null", "NULL"]),
            (ScalarKind::Bool, &["true", "True", "TRUE", "false", "False", "FALSE"]),
            (ScalarKind::Int, &["0", "-0", "+12", "007", "0o17", "0xfF", "99999999999999999999"]),
            (ScalarKind::Float, &["0.", ".5", "-1.5e3", "1e-9", "+.inf", "-.INF", ".NaN", "12e03"]),
            (
                ScalarKind::Text,
                &[
                    "yes",
                    "no",
                    "on",
                    "off",
                    "y",
                    "nULL",
                    "tRUE",
                    "-",
                    "+",
                    ".",
                    "-.",
                    "e3",
                    "1e",
                    "1e+",
                    "1.2.3",
                    "0o8",
                    "0x",
                    "-0x1",
                    "1_000",
                    "20Gi",
                    "500m",
                    "1:30",
                    "+.nan",
                    "2026-01-01",
                    "٣",
                ],
            ),
        ];
        for (kind, texts) in cases {
            for text in texts {
                assert_eq!(ScalarKind::of_plain(text), kind, "{text:?}");
            }
        }
    }

    #[test]
    fn reads_numbers_and_truth() {
        assert_eq!(plain("-12").to_integer(), Some(-12));
        assert_eq!(plain("+12").to_integer(), Some(12));
        assert_eq!(plain("0o17").to_integer(), Some(15));
        assert_eq!(plain("0x1F").to_integer(), Some(31));
        assert_eq!(plain("9223372036854775807").to_integer(), Some(i64::MAX));
        assert_eq!(plain("9223372036854775808").to_integer(), None);
        assert_eq!(plain("1.0").to_integer(), None);
        assert_eq!(plain("True").to_bool(), Some(true));
        assert_eq!(plain("FALSE").to_bool(), Some(false));
        assert_eq!(plain("yes").to_bool(), None);
    }
}

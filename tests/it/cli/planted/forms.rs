//! The forms that a secret takes in JSON, in URLs, in headers and in prints for programmers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A secret, with what each form of it looks like.
pub(super) struct Forms {
    pub(super) secret: &'static str,
    forms: Vec<(&'static str, String)>,
}

impl Forms {
    pub(super) fn of(secret: &'static str) -> Self {
        let json = serde_json::Value::from(secret).to_string();
        let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
        let mut forms = vec![
            ("as it is", secret.to_owned()),
            ("escaped for JSON", within(&json, "\"", "\"")),
            ("escaped for JSON twice", within(&serde_json::Value::from(json).to_string(), "\"\\\"", "\\\"\"")),
            ("escaped for Rust", within(&format!("{secret:?}"), "\"", "\"")),
            ("escaped as bytes", within(&format!("{:?}", Bytes::from_static(secret.as_bytes())), "b\"", "\"")),
            ("as a list of bytes", within(&format!("{:?}", secret.as_bytes()), "[", "]")),
            ("escaped for a form", percent.replace("%20", "+")),
            ("in base 16", base_16(secret)),
            ("escaped for a URL", percent),
        ];
        // A URL may keep some of the marks that others escape.
        forms.push(("escaped for a URL, in part", url_of(secret)));
        for (name, engine) in [("in base 64", STANDARD_NO_PAD), ("in base 64 for URLs", URL_SAFE_NO_PAD)] {
            for before in 0..3 {
                forms.push((
                    name,
                    inner(&engine.encode([&vec![0; before], secret.as_bytes()].concat()), before, secret),
                ));
            }
        }
        Self { secret, forms }
    }

    /// Returns the form in which it stands in a text, if it does.
    pub(super) fn find(&self, text: &[u8]) -> Option<&'static str> {
        let text = String::from_utf8_lossy(text);
        self.forms.iter().find(|(_, form)| text.contains(form.as_str())).map(|(name, _)| *name)
    }
}

/// Returns what stands between two marks at the ends of a text.
fn within(text: &str, start: &str, end: &str) -> String {
    let inner = text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    inner.unwrap_or_else(|| panic!("{text} is not in {start} and {end}")).to_owned()
}

fn base_16(text: &str) -> String {
    text.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

fn url_of(secret: &str) -> String {
    let mut url = url::Url::parse("http://a/").expect("it is a URL");
    url.query_pairs_mut().append_pair("s", secret);
    url.query().unwrap_or_default().trim_start_matches("s=").to_owned()
}

/// Returns those digits of a text in base 64 that depend on the secret alone, not on what stands around it.
fn inner(encoded: &str, before: usize, secret: &str) -> String {
    let first = (before * 8).div_ceil(6);
    let last = (before + secret.len()) * 8 / 6;
    encoded[first..last].to_owned()
}

/// Returns texts that have a secret in them, each with the name of its form.
fn texts_with(secret: &str) -> Vec<(&'static str, String)> {
    let json = serde_json::json!({"password": secret}).to_string();
    let with_user = format!("user:{secret}:");
    vec![
        ("as it is", format!("it is {secret}.")),
        ("escaped for JSON", json.clone()),
        ("escaped for JSON twice", serde_json::json!({"body": json}).to_string()),
        ("escaped for Rust", format!("Request {{ body: {secret:?} }}")),
        ("escaped as bytes", format!("{:?}", Bytes::from(with_user.clone()))),
        ("as a list of bytes", format!("{:?}", with_user.as_bytes())),
        ("in base 16", base_16(&with_user)),
        ("escaped for a URL", format!("http://a/?p={}&x", utf8_percent_encode(secret, NON_ALPHANUMERIC))),
        ("escaped for a URL, in part", format!("http://a/?p={}&x", url_of(secret))),
        ("in base 64", format!("Basic {}", STANDARD_NO_PAD.encode(secret))),
        ("in base 64", format!("Basic {}", STANDARD_NO_PAD.encode(&with_user))),
        ("in base 64", format!("Basic {}", STANDARD_NO_PAD.encode(format!("s-{with_user}")))),
        ("in base 64 for URLs", URL_SAFE_NO_PAD.encode(format!("a{secret}"))),
    ]
}

#[test]
fn each_form_is_found_wherever_it_stands() {
    let forms = Forms::of("planted \"a\" \\ b&<ö>\tend");
    for (form, text) in texts_with(forms.secret) {
        assert!(forms.find(text.as_bytes()).is_some(), "{form}: {text}");
    }
    for (form, text) in texts_with("planted \"b\" \\ b&<ö>\tend") {
        assert_eq!(forms.find(text.as_bytes()), None, "{form}: {text}");
    }
}

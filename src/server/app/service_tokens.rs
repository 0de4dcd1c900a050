//! The tokens of links into sandboxes: to which port or which file, until when, signed by this server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::types::{SandboxId, Timestamp};

/// A port of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) sandbox: SandboxId,
    pub(crate) port: u16,
}

/// Signs tokens and checks them.
///
/// They are JSON Web Tokens with the one algorithm HS256: what a token says about its algorithm is compared, never
/// followed.
pub(crate) struct ServiceTokens(hmac::Key);

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: SandboxId,
    port: u16,
    exp: i64,
    /// When it was made, in microseconds: what is taken back is what was made before.
    #[serde(default)]
    made_at: i64,
}

/// A link to a file of a sandbox. Whoever has it gets the file, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Download {
    pub(crate) sub: SandboxId,
    /// The absolute path.
    pub(crate) path: String,
    /// The second at which it expires, if it ever does.
    pub(crate) exp: Option<i64>,
    pub(crate) content_type: Option<String>,
    /// Whether a browser saves the file, or shows it; its own choice when `None`.
    pub(crate) disposition: Option<String>,
    /// How a browser locks the file in, in the words of `Content-Security-Policy`.
    pub(crate) policy: Option<String>,
}

/// The only header there is.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

impl ServiceTokens {
    /// Makes a signer from a secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Makes a token that holds until `expires_at`, to the second.
    pub(crate) fn sign(&self, service: &Service, now: Timestamp, expires_at: Timestamp) -> String {
        self.sign_claims(&Claims {
            sub: service.sandbox.clone(),
            port: service.port,
            exp: second_of(expires_at),
            made_at: now.as_microseconds(),
        })
    }

    /// Makes a token for a file.
    pub(crate) fn sign_download(&self, download: &Download) -> String {
        self.sign_claims(download)
    }

    /// Returns the file that a token is for, if it holds now.
    pub(crate) fn download(&self, token: &str, now: Timestamp) -> Option<Download> {
        let download: Download = self.read(token)?;
        download.exp.is_none_or(|exp| exp > second_of(now)).then_some(download)
    }

    fn sign_claims(&self, claims: &impl Serialize) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are plain data");
        let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature))
    }

    /// Returns when a token was made, in microseconds, if it opens a service now.
    pub(crate) fn opens(&self, token: &str, service: &Service, now: Timestamp) -> Option<i64> {
        let claims: Claims = self.read(token)?;
        let fits = claims.sub == service.sandbox && claims.port == service.port && claims.exp > second_of(now);
        fits.then_some(claims.made_at)
    }

    /// Returns how many seconds a token of a service still holds.
    pub(crate) fn seconds_left(&self, token: &str, now: Timestamp) -> i64 {
        self.read(token).map_or(0, |claims: Claims| claims.exp - second_of(now))
    }

    /// Reads the claims of a token. Those of one sort lack what the other sort must have: none passes for the other.
    fn read<C: DeserializeOwned>(&self, token: &str) -> Option<C> {
        let (signed, signature) = token.rsplit_once('.')?;
        hmac::verify(&self.0, signed.as_bytes(), &BASE64.decode(signature).ok()?).ok()?;
        let (header, claims) = signed.split_once('.')?;
        let is_known = header == BASE64.encode(HEADER);
        serde_json::from_slice(&BASE64.decode(claims).ok()?).ok().filter(|_| is_known)
    }
}

fn second_of(time: Timestamp) -> i64 {
    time.as_microseconds().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_microseconds(second * 1_000_000).expect("a time")
    }

    #[test]
    fn a_token_opens_its_service_until_it_expires() {
        let tokens = ServiceTokens::new(b"secret");
        let service = Service { sandbox: SandboxId::new("s"), port: 80 };
        let token = tokens.sign(&service, at(1), at(100));
        assert_eq!(tokens.opens(&token, &service, at(99)), Some(1_000_000));
        assert!(tokens.opens(&token, &service, at(100)).is_none());
        assert!(tokens.download(&token, at(0)).is_none(), "it is of another sort");
        assert_eq!(tokens.seconds_left(&token, at(60)), 40);
        let others = [Service { port: 81, ..service.clone() }, Service { sandbox: SandboxId::new("t"), port: 80 }];
        assert!(others.iter().all(|other| tokens.opens(&token, other, at(0)).is_none()));
        assert!(ServiceTokens::new(b"other").opens(&token, &service, at(0)).is_none());
    }

    #[test]
    fn a_link_leads_to_its_file_until_it_expires() {
        let tokens = ServiceTokens::new(b"secret");
        let file = Download {
            sub: SandboxId::new("s"),
            path: "/x".to_owned(),
            exp: Some(100),
            content_type: None,
            disposition: None,
            policy: None,
        };
        let token = tokens.sign_download(&file);
        assert_eq!(tokens.download(&token, at(99)).as_ref(), Some(&file));
        assert_eq!(tokens.download(&token, at(100)), None);
        let service = Service { sandbox: SandboxId::new("s"), port: 80 };
        assert!(tokens.opens(&token, &service, at(0)).is_none(), "it is of another sort");
        let lasting = Download { exp: None, ..file };
        assert_eq!(tokens.download(&tokens.sign_download(&lasting), at(1_000_000_000)), Some(lasting));
    }

    #[test]
    fn a_changed_token_opens_nothing() {
        let tokens = ServiceTokens::new(b"secret");
        let service = Service { sandbox: SandboxId::new("s"), port: 80 };
        let token = tokens.sign(&service, at(1), at(100));
        for at_byte in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("still text");
            // The last bits of the last character carry nothing; the decoder refuses other values of them.
            assert!(tokens.opens(&changed, &service, at(0)).is_none(), "{changed}");
        }
        for token in ["", ".", "..", "a.b.c", &token[..token.len() - 4]] {
            assert!(tokens.opens(token, &service, at(0)).is_none(), "{token}");
        }
    }
}

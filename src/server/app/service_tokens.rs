//! The tokens of service URLs: which port of which sandbox, until when, signed by this server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
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
}

/// The only header there is.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

impl ServiceTokens {
    /// Makes a signer from a secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// Makes a token that holds until `expires_at`, to the second.
    pub(crate) fn sign(&self, service: &Service, expires_at: Timestamp) -> String {
        let claims = Claims { sub: service.sandbox.clone(), port: service.port, exp: second_of(expires_at) };
        let claims = serde_json::to_vec(&claims).expect("claims are plain data");
        let signed = format!("{}.{}", BASE64.encode(HEADER), BASE64.encode(claims));
        let signature = hmac::sign(&self.0, signed.as_bytes());
        format!("{signed}.{}", BASE64.encode(signature))
    }

    /// Returns whether a token opens a service now.
    pub(crate) fn opens(&self, token: &str, service: &Service, now: Timestamp) -> bool {
        self.read(token).is_some_and(|claims| {
            claims.sub == service.sandbox && claims.port == service.port && claims.exp > second_of(now)
        })
    }

    /// Returns how many seconds a token of a service still holds.
    pub(crate) fn seconds_left(&self, token: &str, now: Timestamp) -> i64 {
        self.read(token).map_or(0, |claims| claims.exp - second_of(now))
    }

    fn read(&self, token: &str) -> Option<Claims> {
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
        let token = tokens.sign(&service, at(100));
        assert!(tokens.opens(&token, &service, at(99)));
        assert!(!tokens.opens(&token, &service, at(100)));
        assert_eq!(tokens.seconds_left(&token, at(60)), 40);
        let others = [Service { port: 81, ..service.clone() }, Service { sandbox: SandboxId::new("t"), port: 80 }];
        assert!(others.iter().all(|other| !tokens.opens(&token, other, at(0))));
        assert!(!ServiceTokens::new(b"other").opens(&token, &service, at(0)));
    }

    #[test]
    fn a_changed_token_opens_nothing() {
        let tokens = ServiceTokens::new(b"secret");
        let service = Service { sandbox: SandboxId::new("s"), port: 80 };
        let token = tokens.sign(&service, at(100));
        for at_byte in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("still text");
            // The last bits of the last character carry nothing; the decoder refuses other values of them.
            assert!(!tokens.opens(&changed, &service, at(0)), "{changed}");
        }
        for token in ["", ".", "..", "a.b.c", &token[..token.len() - 4]] {
            assert!(!tokens.opens(token, &service, at(0)), "{token}");
        }
    }
}

//! What is trusted on the other side of `https://`.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use super::super::config::ConfigError;

/// Returns a configuration that trusts nobody, for `http://`: it reads no certificates, which a slim image has not got.
pub(super) fn trusting_nobody() -> Result<ClientConfig, ConfigError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    Ok(builder.map_err(tls)?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// Returns a configuration that trusts what the machine trusts, and the certificates in `extra` (PEM).
pub(super) fn trusting_the_machine(extra: Option<&[u8]>) -> Result<ClientConfig, ConfigError> {
    let roots = extra.map(read_certificates).transpose()?.unwrap_or_default();
    let verifier = Verifier::new_with_extra_roots(roots, provider()).map_err(tls)?;
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    // "Dangerous" is any verifier that rustls does not bring: this one is the platform's own.
    let builder = builder.map_err(tls)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// Reads every certificate of a PEM file.
pub(super) fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.ok().filter(|found| !found.is_empty()).ok_or(ConfigError::InvalidCaCertificate)
}

/// Named here rather than installed for the whole process, which is the program's business.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn tls(error: rustls::Error) -> ConfigError {
    ConfigError::Tls { source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_needs_no_certificates() {
        assert!(trusting_nobody().is_ok());
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            let result = read_certificates(pem.as_bytes());
            assert!(matches!(result, Err(ConfigError::InvalidCaCertificate)), "{pem}");
        }
    }
}

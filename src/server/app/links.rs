//! Links into sandboxes for those who have no key: to what listens on a port, and to one file.

use super::service_tokens::{Download, Service};
use super::{App, Error, sandboxes as named};
use crate::server::lifecycle::Generation;
use crate::server::store::grants::{self, Access, Audience, Grant};
use crate::server::store::sandboxes::Sandbox;
use crate::types::Timestamp;

impl App {
    /// Makes a token for a port of a sandbox. One of the first generation has to be ready; one of the second is woken by
    /// whoever comes with the token. Where people log in, that has to be ended first, or by this (`ends_log_in`).
    pub(crate) async fn grant_service(
        &self,
        name: String,
        port: u16,
        expires_in: std::time::Duration,
        ends_log_in: bool,
    ) -> Result<(Service, String, Timestamp), Error> {
        let mut sandbox = self.sandbox(name).await?;
        if sandbox.generation() == Generation::First {
            sandbox = Self::only_ready(sandbox)?;
        }
        self.needs_process("create_service_url").await?;
        let service = Service { sandbox: sandbox.id, port };
        let of = service.clone();
        let (now, expires_at) = self
            .transact(move |tx| {
                if grants::has_log_in(tx, &of.sandbox, port)? {
                    if !ends_log_in {
                        return Err(Error::Conflict(format!(
                            "Port {port} is open to those who log in; `access` is to be 'off' for there to be a token."
                        )));
                    }
                    grants::take(tx, &of.sandbox, Some(port))?;
                }
                let expires_at = tx.now().saturating_add(expires_in);
                grants::give(tx, &of.sandbox, port, tx.now(), expires_at)?;
                Ok((tx.now(), expires_at))
            })
            .await?;
        let token = self.service_tokens().sign(&service, now, expires_at);
        Ok((service, token, expires_at))
    }

    /// Lets those in to a port of a sandbox who are logged in, which nobody is on this server: it is written down, and
    /// tokens for the port get in no more.
    pub(crate) async fn grant_log_in(
        &self,
        name: String,
        port: u16,
        audience: Audience,
        embed_origins: Vec<String>,
    ) -> Result<Service, Error> {
        self.needs_process("create_service_url").await?;
        self.transact(move |tx| {
            let sandbox = named::find(tx, &name)?;
            grants::give_to(tx, &sandbox.id, port, tx.now(), audience, &embed_origins)?;
            Ok(Service { sandbox: sandbox.id, port })
        })
        .await
    }

    /// Returns whether a token gets in to a service now, and was not taken back.
    pub(crate) async fn opens(&self, token: &str, service: &Service) -> Result<bool, Error> {
        let Some(made_at) = self.service_tokens().opens(token, service, self.time().now()) else { return Ok(false) };
        let (sandbox, port) = (service.sandbox.clone(), service.port);
        let grants = self.transact(move |tx| Ok(grants::of(tx, &sandbox, tx.now())?)).await?;
        let takes_tokens = |grant: &Grant| matches!(grant.access, Access::Token { .. });
        let takes_it = |grant: &Grant| grant.port == port && grant.created_at.as_microseconds() <= made_at;
        Ok(grants.iter().any(|grant| takes_tokens(grant) && takes_it(grant)))
    }

    /// Returns who gets in to which port of a sandbox.
    pub(crate) async fn service_grants(&self, name: String) -> Result<Vec<Grant>, Error> {
        self.transact(move |tx| {
            let sandbox = named::find(tx, &name)?;
            Ok(grants::of(tx, &sandbox.id, tx.now())?)
        })
        .await
    }

    /// Takes back every token for a port of a sandbox, or for all of its ports.
    pub(crate) async fn revoke_services(&self, name: String, port: Option<u16>) -> Result<(), Error> {
        self.transact(move |tx| {
            let sandbox = named::find(tx, &name)?;
            Ok(grants::take(tx, &sandbox.id, port)?)
        })
        .await
    }

    /// Makes a token for a file of a sandbox.
    pub(crate) async fn link_download(
        &self,
        name: String,
        link: impl FnOnce(Sandbox, Timestamp) -> Download,
    ) -> Result<(String, Option<i64>), Error> {
        let sandbox = self.sandbox(name).await?;
        self.needs_process("create_download_url").await?;
        let link = link(sandbox, self.time().now());
        Ok((self.service_tokens().sign_download(&link), link.exp))
    }
}

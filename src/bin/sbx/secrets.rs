//! The secrets that manifests name: read when a plan is about to be performed, and kept for as long as that takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sbx::kinds::{SecretError, SecretRef, SecretSource, Secrets};
use sbx::reconcile::Plan;
use sbx::types::Secret;

use crate::env::Environment;
use crate::failure::Failure;

/// Where secrets are.
pub(crate) struct Place {
    environment: Environment,
    /// What paths of files are relative to.
    folder: PathBuf,
}

impl Place {
    pub(crate) fn new(environment: Environment, folder: PathBuf) -> Self {
        Self { environment, folder }
    }

    /// Reads the secrets that a plan's steps take, all of them or none.
    ///
    /// # Errors
    ///
    /// [`Failure::Secrets`] with all that cannot be read.
    pub(crate) fn read(&self, plan: &Plan) -> Result<Secrets, Failure> {
        let named: BTreeSet<_> = plan.secrets().collect();
        let errors: Vec<_> = named.iter().filter_map(|secret| SecretSource::read(self, secret).err()).collect();
        if !errors.is_empty() {
            return Err(Failure::Secrets { errors });
        }
        Secrets::read(named.into_iter(), self).map_err(|error| Failure::Secrets { errors: vec![error] })
    }
}

impl SecretSource for Place {
    fn read(&self, secret: &SecretRef) -> Result<Secret, SecretError> {
        let failed = |why: String| SecretError { secret: secret.clone(), why };
        match secret {
            SecretRef::Env(name) => {
                let value = self.environment.get(name).ok_or_else(|| failed("it is not set".to_owned()))?;
                Ok(Secret::new(value))
            }
            SecretRef::File(path) => {
                let text = fs::read_to_string(self.folder.join(Path::new(&**path)));
                let text = text.map_err(|error| failed(error.to_string()))?;
                match text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)) {
                    "" => Err(failed("it is empty".to_owned())),
                    line => Ok(Secret::new(line)),
                }
            }
            _ => Err(failed("this version does not know such a place".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_the_environment_and_from_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("plain", "a b"), ("line", "two\r\n"), ("lines", "x\ny\n"), ("empty", "\n")] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let environment = Environment::new(|name| (name == "TOKEN").then(|| "t".to_owned()));
        let place = Place::new(environment, folder.path().to_owned());
        let read = |secret| SecretSource::read(&place, &secret).map(|secret| secret.expose().to_owned());
        assert_eq!(read(SecretRef::Env("TOKEN".into())), Ok("t".to_owned()));
        for (name, text) in [("plain", "a b"), ("line", "two"), ("lines", "x\ny")] {
            assert_eq!(read(SecretRef::File(name.into())), Ok(text.to_owned()), "{name}");
        }
        let error = |secret| read(secret).unwrap_err().to_string();
        assert_eq!(error(SecretRef::Env("OTHER".into())), "the secret in $OTHER cannot be read: it is not set");
        assert_eq!(error(SecretRef::File("empty".into())), "the secret in file empty cannot be read: it is empty");
        assert!(error(SecretRef::File("missing".into())).starts_with("the secret in file missing cannot be read: "));
    }
}

//! What a sandbox mounts from elsewhere (contract section 5.4 of the second generation).

use serde::{Deserialize, Serialize};

use super::word::words;
use super::{Extra, HiddenExtra, SecretValue, null_as_default};

/// The mounts of a sandbox, and what they are read and written with. It is fixed when the sandbox is created.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MountConfig {
    /// The credentials, at most one of each provider, and none without a mount that uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<MountAuth>,
    /// The mounts.
    #[serde(default, deserialize_with = "null_as_default")]
    pub mounts: Vec<Mount>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// The credentials of mounts. Answers tell of secrets only that they are set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MountAuth {
    /// Of `s3` mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsCredentials>,
    /// Of `gcs` mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpCredentials>,
    /// Of `azure_blob` mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureCredentials>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// How to act at AWS: with keys, or with a role that is taken on. Of mounts and of proxy rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AwsCredentials {
    /// The id of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<SecretValue>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<SecretValue>,
    /// The role, in place of a key. It cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// Tags of the session, at most 50; of proxy rules only.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Extra::is_empty")]
    pub session_tags: Extra,
    /// What the identity that takes on the role stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_scope: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// How to act at Google Cloud: with the key of a service account, or by a federated identity. Of mounts and of proxy
/// rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GcpCredentials {
    /// The key file of the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_json: Option<SecretValue>,
    /// What it is used for; of proxy rules only.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The provider of identities, in place of a key. It cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_identity_provider: Option<String>,
    /// The service account that the identity becomes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_email: Option<String>,
    /// What the identity stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_scope: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// How to act at Azure: with a key, a shared signature, or by a federated identity. Of mounts and of proxy rules.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AzureCredentials {
    /// The storage account that the key or the signature is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_account: Option<String>,
    /// The key of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_key: Option<SecretValue>,
    /// A shared signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sas_token: Option<SecretValue>,
    /// The tenant, of a federated identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The client, of a federated identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What it is used for; of proxy rules only.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// What the identity stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_scope: Option<String>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

/// One mount. The block that its type names says what is mounted; the others are absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mount {
    /// What it is known by among the mounts, of at most 64 characters.
    pub id: String,
    /// What is mounted.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// The absolute path that it is seen at.
    pub mount_path: String,
    /// Whether it can only be read; of buckets only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// What is kept of it in the sandbox; of buckets only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<MountCache>,
    /// The bucket, of an `s3` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Mount>,
    /// The bucket, of a `gcs` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsMount>,
    /// The repository, of a `git` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitMount>,
    /// The repository, of a `contexthub` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contexthub: Option<ContextHubMount>,
    /// The container, of an `azure_blob` mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_blob: Option<AzureBlobMount>,
    /// How it is encrypted; of `s3` mounts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<MountEncryption>,
    /// What this version does not know.
    #[serde(flatten)]
    pub extra: HiddenExtra,
}

words! {
    /// What is mounted.
    MountKind {
        /// A bucket that speaks S3.
        S3 = "s3",
        /// A bucket of Google Cloud Storage.
        Gcs = "gcs",
        /// A git repository.
        Git = "git",
        /// A repository of the Context Hub, read-only.
        ContextHub = "contexthub",
        /// A container of Azure Blob Storage.
        AzureBlob = "azure_blob",
    }
}

/// What is kept of a bucket in the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountCache {
    /// How much at most, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_size_bytes: Option<u64>,
    /// After how many seconds what was written is written back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writeback_seconds: Option<u64>,
}

/// A bucket that speaks S3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Mount {
    /// The bucket.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Where it is, if not at AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// Whether the bucket stands in the path of URLs rather than in the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// What the keys that are seen begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A bucket of Google Cloud Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcsMount {
    /// The bucket.
    pub bucket: String,
    /// What the names that are seen begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A git repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitMount {
    /// Where it is cloned from.
    pub remote_url: String,
    /// What is checked out; the default branch when absent.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReference>,
    /// How often it is pulled, in seconds, 1 at least; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_interval_seconds: Option<u64>,
}

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitReference {
    /// Whether it is a branch or a tag.
    #[serde(rename = "type")]
    pub kind: GitReferenceKind,
    /// Its name.
    pub name: String,
}

words! {
    /// What a name in a git repository stands for.
    GitReferenceKind {
        /// A branch.
        Branch = "branch",
        /// A tag.
        Tag = "tag",
    }
}

/// A repository of the Context Hub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextHubMount {
    /// The repository, `owner/repo`.
    pub repo: String,
    /// Whether it is pulled once only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_pull_only: Option<bool>,
}

/// A container of Azure Blob Storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AzureBlobMount {
    /// The container.
    pub container: String,
    /// The account that it belongs to.
    pub storage_account: String,
    /// What the names that are seen begin with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// How a bucket is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountEncryption {
    /// The key of the key service.
    pub kms_key: String,
}

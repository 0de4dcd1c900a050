//! What the proxy, the mounts and the rights of a sandbox look like (contract sections 4.2, 5.3 and 5.4 of the second
//! generation).

use crate::kinds::form::{Form, ListForm, Member, ObjectForm, Secrecy};

const ANY: Form = Form::Text(usize::MAX);
const CREDENTIAL: Form = Form::Secret(Secrecy::Credential);
const DESCRIPTION: Form = Form::Text(1024);

const TEXTS: Form = Form::List(&ListForm { of: ANY, key: None, is_ordered: false, count: (0, usize::MAX) });
const SOME_TEXTS: Form = Form::List(&ListForm { of: ANY, key: None, is_ordered: false, count: (1, usize::MAX) });

/// Variables of the environment.
pub(super) const ENV_VARS: Form = Form::Map(&Form::Secret(Secrecy::Variable));

/// What code in it may do at the API.
pub(super) const ACCESS_DELEGATION: Form = Form::Object(&ObjectForm {
    what: "an access delegation",
    members: &[
        Member::new("mode", Form::Choice(&["EXPLICIT"]), "How the permissions are chosen: one by one.").required(),
        Member::new("permissions", SOME_TEXTS, "The most that code in it may do.").required(),
    ],
    either: &[],
});

/// The volumes that it has.
pub(super) const VOLUMES: Form = Form::List(&ListForm {
    of: Form::Object(&ObjectForm {
        what: "a volume",
        members: &[
            Member::new("volume", ANY, "The volume, by its name.").required(),
            Member::new("mount_path", Form::Path, "Where it is seen.").required(),
            Member::new("read_only", Form::Flag, "Whether it can only be read."),
        ],
        either: &[],
    }),
    key: Some("mount_path"),
    is_ordered: false,
    count: (0, 4),
});

/// What it mounts.
pub(super) const MOUNT_CONFIG: Form = Form::Object(&ObjectForm {
    what: "`mount_config`",
    members: &[
        Member::new("auth", AUTH, "What buckets are read and written with."),
        Member::new(
            "mounts",
            Form::List(&ListForm { of: MOUNT, key: Some("id"), is_ordered: false, count: (0, usize::MAX) }),
            "What is mounted.",
        ),
    ],
    either: &[],
});

const AUTH: Form = Form::Object(&ObjectForm {
    what: "`auth`",
    members: &[
        Member::new("aws", AWS_OF_MOUNTS, "For mounts of the type s3."),
        Member::new("gcp", GCP_OF_MOUNTS, "For mounts of the type gcs."),
        Member::new("azure", AZURE_OF_MOUNTS, "For mounts of the type azure_blob."),
    ],
    either: &[],
});

/// The blocks of a mount, one for each type.
pub(super) const MOUNT_TYPES: &[&str] = &["s3", "gcs", "git", "contexthub", "azure_blob"];

const MOUNT: Form = Form::Object(&ObjectForm {
    what: "a mount",
    members: &[
        Member::new("id", Form::Text(64), "What it is known by among the mounts.").required(),
        Member::new("type", Form::Choice(MOUNT_TYPES), "What is mounted; the block of that name says which one.")
            .required(),
        Member::new("mount_path", Form::Path, "Where it is seen.").required(),
        Member::new("read_only", Form::Flag, "Whether a bucket can only be read."),
        Member::new("cache", CACHE, "What is kept of a bucket in the sandbox."),
        Member::new("s3", S3, "The bucket."),
        Member::new("gcs", GCS, "The bucket."),
        Member::new("git", GIT, "The repository."),
        Member::new("contexthub", CONTEXT_HUB, "The repository, which can only be read."),
        Member::new("azure_blob", AZURE_BLOB, "The container."),
        Member::new("encryption", ENCRYPTION, "How an s3 bucket is encrypted."),
    ],
    either: &[MOUNT_TYPES],
});

const CACHE: Form = Form::Object(&ObjectForm {
    what: "`cache`",
    members: &[
        Member::new("max_size_bytes", Form::Size, "How much is kept at most."),
        Member::new("writeback_seconds", Form::Number(0, u64::MAX), "After how long what was written is written back."),
    ],
    either: &[],
});

const S3: Form = Form::Object(&ObjectForm {
    what: "`s3`",
    members: &[
        Member::new("bucket", ANY, "Its name.").required(),
        Member::new("region", ANY, "Its region.").required(),
        Member::new("endpoint_url", ANY, "Where it is, if not at AWS."),
        Member::new("path_style", Form::Flag, "Whether URLs have the bucket in their path."),
        Member::new("prefix", ANY, "What the keys that are seen begin with."),
    ],
    either: &[],
});

const GCS: Form = Form::Object(&ObjectForm {
    what: "`gcs`",
    members: &[
        Member::new("bucket", ANY, "Its name.").required(),
        Member::new("prefix", ANY, "What the names that are seen begin with."),
    ],
    either: &[],
});

const GIT: Form = Form::Object(&ObjectForm {
    what: "`git`",
    members: &[
        Member::new("remote_url", ANY, "Where it is cloned from.").required(),
        Member::new("ref", GIT_REF, "What is checked out; left out, the default branch."),
        Member::new("refresh_interval_seconds", Form::Number(1, u64::MAX), "How often it is pulled; left out, never."),
    ],
    either: &[],
});

const GIT_REF: Form = Form::Object(&ObjectForm {
    what: "`ref`",
    members: &[
        Member::new("type", Form::Choice(&["branch", "tag"]), "What the name stands for.").required(),
        Member::new("name", ANY, "The name.").required(),
    ],
    either: &[],
});

const CONTEXT_HUB: Form = Form::Object(&ObjectForm {
    what: "`contexthub`",
    members: &[
        Member::new("repo", ANY, "The repository, as OWNER/REPO.").required(),
        Member::new("initial_pull_only", Form::Flag, "Whether it is pulled once only."),
    ],
    either: &[],
});

const AZURE_BLOB: Form = Form::Object(&ObjectForm {
    what: "`azure_blob`",
    members: &[
        Member::new("container", ANY, "Its name.").required(),
        Member::new("storage_account", ANY, "The account that it belongs to.").required(),
        Member::new("prefix", ANY, "What the names that are seen begin with."),
    ],
    either: &[],
});

const ENCRYPTION: Form = Form::Object(&ObjectForm {
    what: "`encryption`",
    members: &[Member::new("kms_key", ANY, "The key of the key service.").required()],
    either: &[],
});

/// What stands between it and the network.
pub(super) const PROXY_CONFIG: Form = Form::Object(&ObjectForm {
    what: "`proxy_config`",
    members: &[
        Member::new(
            "rules",
            Form::List(&ListForm { of: RULE, key: Some("name"), is_ordered: true, count: (0, usize::MAX) }),
            "What is added to which requests. The first rule that fits a request holds.",
        ),
        Member::new("access_control", ACCESS_CONTROL, "Which hosts are reached; left out, all."),
        Member::new(
            "callbacks",
            Form::List(&ListForm { of: CALLBACK, key: None, is_ordered: true, count: (0, usize::MAX) }),
            "Endpoints of your own that are asked for credentials.",
        ),
        Member::new("no_proxy", TEXTS, "No longer heeded by servers."),
        Member::new("description", DESCRIPTION, "A text for people."),
    ],
    either: &[],
});

const ACCESS_CONTROL: Form = Form::Object(&ObjectForm {
    what: "`access_control`",
    members: &[
        Member::new(
            "allow_list",
            TEXTS,
            "The only hosts that are reached: names, *.NAME, addresses, blocks of them, ~REGEX.",
        ),
        Member::new("deny_list", TEXTS, "The only hosts that are not reached."),
    ],
    either: &[&["allow_list", "deny_list"]],
});

const RULE: Form = Form::Object(&ObjectForm {
    what: "a rule",
    members: &[
        Member::new("name", ANY, "What it is known by among the rules.").required(),
        Member::new("enabled", Form::Flag, "Whether it holds; left out, it does."),
        Member::new("type", ANY, "What sort of rule it is."),
        Member::new("description", DESCRIPTION, "A text for people."),
        Member::new(
            "match_hosts",
            TEXTS,
            "The hosts that it is for; those of a provider are known, and narrowed by it.",
        ),
        Member::new("match_paths", TEXTS, "The paths that it is for: PATH, PREFIX/*, */SUFFIX or *."),
        Member::new("headers", HEADERS, "The headers that it adds."),
        Member::new("env_vars", Form::Map(&ANY), "Variables for every command; servers tell them."),
        Member::new("aws", AWS_OF_RULES, "Signs requests to AWS."),
        Member::new("gcp", GCP_OF_RULES, "Signs requests to Google Cloud."),
        Member::new("azure", AZURE_OF_RULES, "Signs requests to Azure."),
        Member::new("rewrite", REWRITE, "Sends requests elsewhere."),
    ],
    either: &[PROVIDERS, &["azure", "match_hosts"]],
});

/// The providers that requests are signed for.
pub(super) const PROVIDERS: &[&str] = &["aws", "gcp", "azure"];

const HEADERS: Form = Form::List(&ListForm {
    of: Form::Object(&ObjectForm {
        what: "a header",
        members: &[
            Member::new("name", ANY, "Its name.").required(),
            Member::new("value", Form::Secret(Secrecy::Told), "Its value. Servers tell a text, and not a secret.")
                .required(),
        ],
        either: &[],
    }),
    key: Some("name"),
    is_ordered: false,
    count: (0, usize::MAX),
});

const REWRITE: Form = Form::Object(&ObjectForm {
    what: "`rewrite`",
    members: &[
        Member::new("port", Form::Number(1, 65_535), "The port there.").required(),
        Member::new("host", ANY, "The host."),
        Member::new("sandbox", ANY, "The sandbox, in the place of a host."),
        Member::new("credentials", Form::Choice(&["strip", "redact", "keep"]), "What becomes of those of the request."),
    ],
    either: &[&["host", "sandbox"]],
});

const CALLBACK: Form = Form::Object(&ObjectForm {
    what: "a callback",
    members: &[
        Member::new("url", ANY, "Where it is.").required(),
        Member::new("ttl_seconds", Form::Number(60, 3600), "For how long its answer holds.").required(),
        Member::new("match_hosts", TEXTS, "The hosts that it is asked about."),
        Member::new("full_request", Form::Flag, "Whether it gets the whole request."),
        Member::new("request_headers", HEADERS, "The headers that it is asked with."),
    ],
    either: &[],
});

const ACCESS_KEY_ID: Member = Member::new("access_key_id", CREDENTIAL, "The id of a key.");
const SECRET_ACCESS_KEY: Member = Member::new("secret_access_key", CREDENTIAL, "The key.");
const ROLE_ARN: Member = Member::new("role_arn", ANY, "A role, in the place of a key.").fixed();
const SUBJECT_SCOPE: Member = Member::new("subject_scope", ANY, "What the federated identity stands for.");
const KEY_OR_ROLE: &[&[&str]] = &[&["access_key_id", "role_arn"], &["secret_access_key", "role_arn"]];

const AWS_OF_MOUNTS: Form = Form::Object(&ObjectForm {
    what: "`aws`",
    members: &[ACCESS_KEY_ID, SECRET_ACCESS_KEY, ROLE_ARN, SUBJECT_SCOPE],
    either: KEY_OR_ROLE,
});

const AWS_OF_RULES: Form = Form::Object(&ObjectForm {
    what: "`aws`",
    members: &[
        ACCESS_KEY_ID,
        SECRET_ACCESS_KEY,
        ROLE_ARN,
        Member::new("session_tags", Form::Map(&ANY), "Tags of the session."),
        SUBJECT_SCOPE,
    ],
    either: KEY_OR_ROLE,
});

const SERVICE_ACCOUNT_JSON: Member =
    Member::new("service_account_json", CREDENTIAL, "The key file of a service account.");
const PROVIDER_OF_IDENTITIES: Member =
    Member::new("workload_identity_provider", ANY, "A provider of identities, in the place of a key file.").fixed();
const SERVICE_ACCOUNT_EMAIL: Member =
    Member::new("service_account_email", ANY, "The service account that the identity becomes.");
const FILE_OR_PROVIDER: &[&[&str]] = &[&["service_account_json", "workload_identity_provider"]];

const GCP_OF_MOUNTS: Form = Form::Object(&ObjectForm {
    what: "`gcp`",
    members: &[SERVICE_ACCOUNT_JSON, PROVIDER_OF_IDENTITIES, SERVICE_ACCOUNT_EMAIL, SUBJECT_SCOPE],
    either: FILE_OR_PROVIDER,
});

const GCP_OF_RULES: Form = Form::Object(&ObjectForm {
    what: "`gcp`",
    members: &[
        SERVICE_ACCOUNT_JSON,
        Member::new("scopes", TEXTS, "What it is used for."),
        PROVIDER_OF_IDENTITIES,
        SERVICE_ACCOUNT_EMAIL,
        SUBJECT_SCOPE,
    ],
    either: FILE_OR_PROVIDER,
});

const STORAGE_ACCOUNT: Member = Member::new("storage_account", ANY, "The storage account of a key or a signature.");
const ACCOUNT_KEY: Member = Member::new("account_key", CREDENTIAL, "The key of the account.");
const SAS_TOKEN: Member = Member::new("sas_token", CREDENTIAL, "A shared signature.");
const TENANT_ID: Member = Member::new("tenant_id", ANY, "The tenant of a federated identity.").fixed();
const CLIENT_ID: Member = Member::new("client_id", ANY, "The client of a federated identity.").fixed();
const ONE_IDENTITY: &[&[&str]] = &[&["account_key", "sas_token", "client_id"], &["account_key", "tenant_id"]];

const AZURE_OF_MOUNTS: Form = Form::Object(&ObjectForm {
    what: "`azure`",
    members: &[STORAGE_ACCOUNT, ACCOUNT_KEY, SAS_TOKEN, TENANT_ID, CLIENT_ID, SUBJECT_SCOPE],
    either: ONE_IDENTITY,
});

const AZURE_OF_RULES: Form = Form::Object(&ObjectForm {
    what: "`azure`",
    members: &[
        STORAGE_ACCOUNT,
        ACCOUNT_KEY,
        SAS_TOKEN,
        TENANT_ID,
        CLIENT_ID,
        Member::new("resources", TEXTS, "What it is used for."),
        SUBJECT_SCOPE,
    ],
    either: ONE_IDENTITY,
});

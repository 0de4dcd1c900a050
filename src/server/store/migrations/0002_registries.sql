-- Registries of the API's second generation. The file of this database is for its owner alone: passwords stand in it.

CREATE TABLE registries (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    url          TEXT NOT NULL,
    auth_type    TEXT NOT NULL,
    username     TEXT,
    password     TEXT,
    aws_role_arn TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX registries_newest ON registries (created_at DESC, id);

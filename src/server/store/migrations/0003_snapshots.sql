-- The API's second generation: snapshots, their tags, and sandboxes that are made from them.

CREATE TABLE snapshots (
    id                TEXT PRIMARY KEY,
    name              TEXT NOT NULL,
    status            TEXT NOT NULL,
    status_message    TEXT,
    -- What it is built from: an image, or else a sandbox.
    docker_image      TEXT,
    registry_id       TEXT,
    source_sandbox_id TEXT,
    -- Whether it is published by the server itself: nobody deletes it.
    is_system         INTEGER NOT NULL,
    fs_capacity_bytes INTEGER NOT NULL,
    fs_used_bytes     INTEGER,
    image_digest      TEXT,
    -- What the runtime finds its files by, a JSON object; null while it is not built, or where a runtime builds nothing.
    files             TEXT,
    labels            TEXT NOT NULL,
    -- Everything else that was said of it, a JSON object.
    settings          TEXT NOT NULL,
    -- A fault rule keeps it from being built.
    held              INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL
) STRICT;

CREATE INDEX snapshots_newest ON snapshots (created_at DESC, id);
CREATE INDEX snapshots_by_name ON snapshots (name);
CREATE INDEX snapshots_to_build ON snapshots (created_at) WHERE status = 'building' AND held = 0;

CREATE TABLE snapshot_tags (
    name        TEXT NOT NULL,
    tag         TEXT NOT NULL,
    snapshot_id TEXT NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
    PRIMARY KEY (name, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX tags_of_snapshot ON snapshot_tags (snapshot_id);

-- Names under which something was published, ever.
CREATE TABLE snapshot_names (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER snapshot_is_named AFTER INSERT ON snapshots BEGIN
    INSERT OR IGNORE INTO snapshot_names (name) VALUES (new.name);
END;

-- Layers that no snapshot may need any more, for the runtime to look at.
CREATE TABLE snapshot_remains (
    files TEXT NOT NULL
) STRICT;

CREATE TRIGGER snapshot_leaves_files AFTER DELETE ON snapshots WHEN old.files IS NOT NULL BEGIN
    INSERT INTO snapshot_remains (files) VALUES (old.files);
END;

-- A sandbox is made from a template or from a snapshot, and keeps its generation. SQLite cannot take a NOT NULL away:
-- the table is made anew, with what its second generation has beside.
DROP TRIGGER member_joins;
DROP TRIGGER member_is_claimed;
DROP TRIGGER member_leaves;
DROP TRIGGER sandbox_is_removed;

CREATE TABLE new_sandboxes (
    id               TEXT PRIMARY KEY,
    -- Null for a replica that nobody has claimed.
    name             TEXT UNIQUE,
    template_id      TEXT REFERENCES templates (id),
    snapshot_id      TEXT REFERENCES snapshots (id),
    -- Set for a replica that nobody has claimed.
    pool_id          TEXT REFERENCES pools (id),
    status           TEXT NOT NULL,
    status_message   TEXT,
    -- Whether its creator waits for it: then a failed start leaves nothing behind.
    waited_for       INTEGER NOT NULL,
    -- A fault rule keeps it from being started.
    held             INTEGER NOT NULL DEFAULT 0,
    -- Whether its processes have still to be ended, which comes before anything else.
    to_halt          INTEGER NOT NULL DEFAULT 0,
    ttl_seconds      INTEGER,
    idle_ttl_seconds INTEGER,
    delete_after_stop_seconds INTEGER,
    last_activity_at INTEGER NOT NULL,
    stopped_at       INTEGER,
    -- When time alone does something to it: deletes it, or stops it.
    expires_at       INTEGER,
    labels           TEXT NOT NULL DEFAULT '{}',
    -- How one of the second generation is set up, a JSON object.
    settings         TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CHECK ((name IS NULL) = (pool_id IS NOT NULL)),
    CHECK ((template_id IS NULL) <> (snapshot_id IS NULL)),
    CHECK ((settings IS NULL) = (snapshot_id IS NULL))
) STRICT;

INSERT INTO new_sandboxes (id, name, template_id, pool_id, status, status_message, waited_for, held, ttl_seconds,
    idle_ttl_seconds, last_activity_at, expires_at, created_at, updated_at)
SELECT id, name, template_id, pool_id, status, status_message, waited_for, held, ttl_seconds,
    idle_ttl_seconds, last_activity_at, expires_at, created_at, updated_at FROM sandboxes;

DROP TABLE sandboxes;
ALTER TABLE new_sandboxes RENAME TO sandboxes;

CREATE INDEX sandboxes_newest ON sandboxes (created_at DESC, id) WHERE pool_id IS NULL;
CREATE INDEX sandboxes_of_template ON sandboxes (template_id);
CREATE INDEX sandboxes_of_snapshot ON sandboxes (snapshot_id) WHERE snapshot_id IS NOT NULL;
CREATE INDEX sandboxes_of_pool ON sandboxes (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX sandboxes_warm ON sandboxes (template_id, created_at, id) WHERE pool_id IS NOT NULL AND status = 'ready';
CREATE INDEX sandboxes_to_start ON sandboxes (created_at) WHERE status = 'provisioning' AND held = 0 AND to_halt = 0;
CREATE INDEX sandboxes_to_halt ON sandboxes (id) WHERE to_halt = 1;
CREATE INDEX sandboxes_expiring ON sandboxes (expires_at) WHERE expires_at IS NOT NULL;

CREATE TRIGGER member_joins AFTER INSERT ON sandboxes WHEN new.pool_id IS NOT NULL BEGIN
    UPDATE pools SET members = members + 1 WHERE id = new.pool_id;
END;

CREATE TRIGGER member_is_claimed AFTER UPDATE OF pool_id ON sandboxes
WHEN old.pool_id IS NOT NULL AND new.pool_id IS NULL BEGIN
    UPDATE pools SET members = members - 1 WHERE id = old.pool_id;
END;

CREATE TRIGGER member_leaves AFTER DELETE ON sandboxes WHEN old.pool_id IS NOT NULL BEGIN
    UPDATE pools SET members = members - 1 WHERE id = old.pool_id;
END;

CREATE TRIGGER sandbox_is_removed AFTER DELETE ON sandboxes BEGIN
    INSERT OR IGNORE INTO removals (sandbox_id) VALUES (old.id);
END;

-- Who gets in to which port of a sandbox: tokens that were made since, until the last of them expires.
CREATE TABLE service_grants (
    sandbox_id TEXT NOT NULL REFERENCES sandboxes (id) ON DELETE CASCADE,
    port       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (sandbox_id, port)
) STRICT, WITHOUT ROWID;

-- Times are microseconds since 1970 in UTC, sizes and amounts the text that was sent.

CREATE TABLE volumes (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    size          TEXT NOT NULL,
    storage_class TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX volumes_newest ON volumes (created_at DESC, id);

CREATE TABLE templates (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    image      TEXT NOT NULL,
    cpu        TEXT NOT NULL,
    memory     TEXT NOT NULL,
    storage    TEXT,
    -- Fields of the create body that this version does not know, a JSON object.
    extra      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX templates_newest ON templates (created_at DESC, id);

CREATE TABLE template_mounts (
    template_id TEXT NOT NULL REFERENCES templates (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    volume_id   TEXT NOT NULL REFERENCES volumes (id),
    mount_path  TEXT NOT NULL,
    PRIMARY KEY (template_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX template_mounts_of_volume ON template_mounts (volume_id);

CREATE TABLE pools (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    template_id TEXT NOT NULL REFERENCES templates (id),
    replicas    INTEGER NOT NULL,
    -- How many sandboxes the pool holds, warm or warming; kept by the triggers below.
    members     INTEGER NOT NULL DEFAULT 0,
    -- A fault rule keeps it from being filled.
    held        INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX pools_newest ON pools (created_at DESC, id);
CREATE INDEX pools_of_template ON pools (template_id);
-- What the supervisor looks for each time it wakes: empty while all pools are as they should be.
CREATE INDEX pools_to_adjust ON pools (id) WHERE members <> replicas;

CREATE TABLE sandboxes (
    id               TEXT PRIMARY KEY,
    -- Null for a replica that nobody has claimed.
    name             TEXT UNIQUE,
    template_id      TEXT NOT NULL REFERENCES templates (id),
    -- Set for a replica that nobody has claimed.
    pool_id          TEXT REFERENCES pools (id),
    status           TEXT NOT NULL,
    status_message   TEXT,
    -- Whether its creator waits for it: then a failed start leaves nothing behind.
    waited_for       INTEGER NOT NULL,
    -- A fault rule keeps it from being started.
    held             INTEGER NOT NULL DEFAULT 0,
    ttl_seconds      INTEGER,
    idle_ttl_seconds INTEGER,
    last_activity_at INTEGER NOT NULL,
    expires_at       INTEGER,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CHECK ((name IS NULL) = (pool_id IS NOT NULL))
) STRICT;

CREATE INDEX sandboxes_newest ON sandboxes (created_at DESC, id) WHERE pool_id IS NULL;
CREATE INDEX sandboxes_of_template ON sandboxes (template_id);
CREATE INDEX sandboxes_of_pool ON sandboxes (pool_id) WHERE pool_id IS NOT NULL;
CREATE INDEX sandboxes_warm ON sandboxes (template_id, created_at, id) WHERE pool_id IS NOT NULL AND status = 'ready';
CREATE INDEX sandboxes_to_start ON sandboxes (created_at) WHERE status = 'provisioning' AND held = 0;
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

-- Sandboxes that are gone for every client and whose remains the runtime has still to clear away.
CREATE TABLE removals (
    sandbox_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sandbox_is_removed AFTER DELETE ON sandboxes BEGIN
    INSERT OR IGNORE INTO removals (sandbox_id) VALUES (old.id);
END;

-- Volumes that somebody deleted and whose files the runtime has still to clear away. Files of volumes that are not here
-- are never touched: a database that is lost takes no data along.
CREATE TABLE volume_removals (
    volume_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER volume_is_removed AFTER DELETE ON volumes BEGIN
    INSERT OR IGNORE INTO volume_removals (volume_id) VALUES (old.id);
END;

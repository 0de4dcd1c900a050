-- How somebody gets in to a port of a sandbox: with a token, or as one who is logged in ('restricted', 'workspace'), which
-- never expires. The sites that may show it in a frame are a JSON array.
ALTER TABLE service_grants ADD COLUMN access TEXT NOT NULL DEFAULT 'token';
ALTER TABLE service_grants ADD COLUMN embed_origins TEXT NOT NULL DEFAULT '[]';

-- A `modules` table for those who have none: `psql -f examples/modules.sql`.
--
-- refitd asks for three columns, under whatever names: which module, whether the backend has
-- code of it, and whether it is switched on. With the last two it can do more:
--
--     SELECT refitd.watch('public.modules', version => 'version', installed => 'installed');

CREATE TABLE IF NOT EXISTS modules (
    id          text        PRIMARY KEY,
    title       text        NOT NULL DEFAULT '',
    version     text,                                   -- NULL: there is but one
    has_backend boolean     NOT NULL DEFAULT false,     -- code in the backend: a rebuild
    installed   boolean     NOT NULL DEFAULT true,      -- bought, unpacked, ready
    enabled     boolean     NOT NULL DEFAULT true,      -- on or off: a restart
    settings    jsonb       NOT NULL DEFAULT '{}',      -- the web app's own; refitd never looks
    updated_at  timestamptz NOT NULL DEFAULT now()
);

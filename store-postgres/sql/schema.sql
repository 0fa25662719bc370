-- The schema of a midgard store in PostgreSQL, format 1.
--
-- A program whose role may create it does so when it opens the store. A database administrator may run this file
-- beforehand instead, once, as the owner:
--
--     psql --single-transaction --set ON_ERROR_STOP=1 --file schema.sql
--
-- For another schema than `midgard`, replace "midgard." and "SCHEMA midgard". The least rights of the role of a program:
--
--     GRANT USAGE ON SCHEMA midgard TO shop;
--     GRANT SELECT ON midgard.about TO shop;
--     GRANT SELECT, UPDATE ON midgard.log TO shop;
--     GRANT SELECT, INSERT, UPDATE ON midgard.streams TO shop;
--     GRANT SELECT, INSERT, DELETE ON midgard.events, midgard.tags TO shop;
--     GRANT SELECT, INSERT, UPDATE, DELETE ON midgard.entries TO shop;
--
-- Other programs may read all tables, in one transaction at READ COMMITTED or above. Only midgard may write to them.

CREATE SCHEMA IF NOT EXISTS midgard;

-- The format of this schema, in one row. A program refuses a format that is newer than it knows.
CREATE TABLE midgard.about (
    only_row smallint PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    format integer NOT NULL
);

-- The end of the log, in one row. Whoever writes events, ends of streams or entries locks this row first, until the
-- commit: so positions have no gaps and become visible in their order, and nobody else writes meanwhile.
CREATE TABLE midgard.log (
    only_row smallint PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    -- The position of the last event or end of a stream; 0 when there was none.
    position bigint NOT NULL CHECK (position >= 0),
    -- The time of the last event. Times never go back.
    time timestamptz NOT NULL
) WITH (fillfactor = 10);

-- The streams that have, or had, events, and those that were tombstoned.
CREATE TABLE midgard.streams (
    name text COLLATE "C" PRIMARY KEY,
    -- The version of the last event; 0 when there was none.
    version bigint NOT NULL,
    -- The first version that is still there: 1, or higher after a truncation.
    first bigint NOT NULL,
    -- Whether the stream was ended for good.
    tombstoned boolean NOT NULL
);

-- The events, by position from 1. A position without a row belonged to a removed event, or to a truncation.
CREATE TABLE midgard.events (
    position bigint PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    -- The version in the stream, from 1. A tombstone has the last version of its stream.
    version bigint NOT NULL,
    id uuid NOT NULL,
    time timestamptz NOT NULL,
    -- The name of the event; that of a tombstone is midgard.stream_tombstoned.
    name text COLLATE "C" NOT NULL,
    schema_version bigint NOT NULL,
    -- The codec of the payload: 1 is JSON. To read it: convert_from(payload, 'UTF8')::jsonb.
    codec smallint NOT NULL,
    payload bytea NOT NULL,
    -- The tags in their order: for each its length (a LEB128 number) and its UTF-8. The table of tags has them as text.
    tags bytea NOT NULL,
    -- The headers in their order: for each its key and its value, written as tags are.
    headers bytea NOT NULL,
    correlation_id uuid,
    causation_id uuid,
    -- Only a program that does not lock the log could violate it.
    UNIQUE (stream, version)
);

-- Finds retries of appends. Ids are not unique by force: an append at an exact version checks none.
CREATE INDEX events_by_id ON midgard.events (id);
-- Finds events by name after a position.
CREATE INDEX events_by_name ON midgard.events (name, position);

-- The tags of the events that are there, with the names of the events: finds events by tag, or by tag and name, after
-- a position.
CREATE TABLE midgard.tags (
    tag text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, position)
);

CREATE INDEX tags_by_name ON midgard.tags (tag, name, position);

-- Small values by key, in the order of the bytes of the keys: checkpoints, leases, dead letters, notes of inboxes.
CREATE TABLE midgard.entries (
    key bytea PRIMARY KEY,
    value bytea NOT NULL
);

INSERT INTO midgard.about (format) VALUES (1);
INSERT INTO midgard.log (position, time) VALUES (0, '1970-01-01 00:00:00+00');

-- A table to load into for each attempt of a run: an attempt that was frozen and wakes finds its own table gone, and never touches
-- that of the attempt which has taken its place.

DROP FUNCTION orca.reconcile_begin_load(int8);
DROP FUNCTION orca.reconcile_seal_load(int8);
DROP FUNCTION orca.reconcile_attach_load(int8);
DROP FUNCTION orca.reconcile_drop_load(int8);

CREATE FUNCTION orca.reconcile_load_name(run_id int8, attempt int4) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN format('reconcile_load_%s_%s', run_id, attempt);

-- Drop what the attempts of a run loaded and did not finish.
CREATE FUNCTION orca.reconcile_drop_load(run_id int8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load text;
BEGIN
    FOR load IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'orca'::regnamespace AND relkind = 'r' AND relname ~ format('^reconcile_load_%s(_[0-9]+)?$', run_id)
    LOOP
        EXECUTE format('DROP TABLE IF EXISTS orca.%I', load);
    END LOOP;
END
$$;

-- Make the empty table into which an attempt loads, dropping what earlier ones left. Gives its name within schema orca.
CREATE FUNCTION orca.reconcile_begin_load(run_id int8, attempt int4) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load   text := orca.reconcile_load_name(run_id, attempt);
    bucket text;
BEGIN
    SELECT run.orca_archive_location INTO STRICT bucket
    FROM orca.reconcile_run AS run
    WHERE run.id = run_id AND run.state = 'running' AND run.attempt = reconcile_begin_load.attempt;
    PERFORM orca.reconcile_drop_load(run_id);
    EXECUTE format('CREATE TABLE orca.%I (LIKE orca.reconcile_s3_object INCLUDING DEFAULTS)', load);
    -- Every row is checked as it arrives, which spares ATTACH PARTITION a scan of its own.
    EXECUTE format('ALTER TABLE orca.%I ADD CONSTRAINT archive_location CHECK (orca_archive_location = %L)', load, bucket);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON orca.%I TO %I', load, session_user);
    RETURN load;
END
$$;

-- Key the loaded table and let the planner know it. A key that was listed twice is a unique violation here.
CREATE FUNCTION orca.reconcile_seal_load(run_id int8, attempt int4) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load text := orca.reconcile_load_name(run_id, attempt);
BEGIN
    -- The key keeps its name when the table gets another, and the next load of this run needs one too.
    EXECUTE format(
        'ALTER TABLE orca.%I ADD CONSTRAINT %I PRIMARY KEY (key_path)', load, format('pk_%s_%s', load, format('orca.%I', load)::regclass::oid)
    );
    EXECUTE format('ANALYZE orca.%I', load);
END
$$;

-- Make the sealed table the archive location's partition, in place of the one that stands there.
CREATE FUNCTION orca.reconcile_attach_load(run_id int8, attempt int4) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load   text := orca.reconcile_load_name(run_id, attempt);
    bucket text;
    old    regclass;
    name   text;
BEGIN
    SELECT run.orca_archive_location INTO STRICT bucket
    FROM orca.reconcile_run AS run
    WHERE run.id = run_id AND run.state = 'running' AND run.attempt = reconcile_attach_load.attempt;
    old := orca.reconcile_partition_of(bucket);
    IF old IS NOT NULL THEN
        name := (SELECT relname FROM pg_class WHERE oid = old);
        EXECUTE format('ALTER TABLE orca.reconcile_s3_object DETACH PARTITION %s', old);
        EXECUTE format('DROP TABLE %s', old);
    ELSE
        name := orca.reconcile_partition_name(bucket);
        IF to_regclass(format('orca.%I', name)) IS NOT NULL THEN
            -- Another bucket has taken the name that ORCA would give this one.
            name := orca.reconcile_hashed_partition_name(bucket);
        END IF;
    END IF;
    EXECUTE format('ALTER TABLE orca.%I RENAME TO %I', load, name);
    EXECUTE format('ALTER TABLE orca.reconcile_s3_object ATTACH PARTITION orca.%I FOR VALUES IN (%L)', name, bucket);
    EXECUTE format('ALTER TABLE orca.%I DROP CONSTRAINT archive_location', name);
END
$$;

REVOKE ALL ON FUNCTION orca.reconcile_begin_load(int8, int4), orca.reconcile_seal_load(int8, int4),
    orca.reconcile_attach_load(int8, int4), orca.reconcile_drop_load(int8) FROM PUBLIC;

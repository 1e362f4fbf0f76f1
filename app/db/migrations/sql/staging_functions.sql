-- What the service's login may not do itself (it has no DDL), done for it by the owner of ORCA's tables, and
-- only for the run that it names: the archive location is read from the run, never given by the caller.

-- A name that no bucket has by ORCA's rule, since no bucket has a `$`.
CREATE FUNCTION orca.reconcile_hashed_partition_name(bucket text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 'reconcile_s3_object_$' || left(encode(sha256(convert_to(bucket, 'UTF8')), 'hex'), 32);

-- ORCA names a partition `reconcile_s3_object_` + the bucket with `-` as `_`. That is a plain identifier, and the name of
-- one bucket alone, where the bucket has lower-case letters, digits and hyphens only and leaves room in 63 characters.
CREATE FUNCTION orca.reconcile_partition_name(bucket text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE
    WHEN bucket ~ '^[a-z0-9-]{1,43}$' THEN 'reconcile_s3_object_' || replace(bucket, '-', '_')
    ELSE orca.reconcile_hashed_partition_name(bucket)
END;

-- The partition that holds an archive location's staged rows, whatever its name; NULL where there is none.
CREATE FUNCTION orca.reconcile_partition_of(bucket text) RETURNS regclass
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT child.oid::regclass
    FROM pg_inherits AS link
    JOIN pg_class AS child ON child.oid = link.inhrelid
    WHERE link.inhparent = 'orca.reconcile_s3_object'::regclass
      AND pg_get_expr(child.relpartbound, child.oid) = format('FOR VALUES IN (%L)', bucket)
$$;

-- Make the empty table into which a run loads, dropping what an earlier attempt left. Gives its name within schema orca.
CREATE FUNCTION orca.reconcile_begin_load(run_id int8) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load   text := format('reconcile_load_%s', run_id);
    bucket text;
BEGIN
    SELECT run.orca_archive_location INTO STRICT bucket
    FROM orca.reconcile_run AS run WHERE run.id = run_id AND run.state = 'running';
    EXECUTE format('DROP TABLE IF EXISTS orca.%I', load);
    EXECUTE format('CREATE TABLE orca.%I (LIKE orca.reconcile_s3_object INCLUDING DEFAULTS)', load);
    -- Every row is checked as it arrives, which spares ATTACH PARTITION a scan of its own.
    EXECUTE format('ALTER TABLE orca.%I ADD CONSTRAINT archive_location CHECK (orca_archive_location = %L)', load, bucket);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON orca.%I TO %I', load, session_user);
    RETURN load;
END
$$;

-- Key the loaded table and let the planner know it. A key that was listed twice is a unique violation here.
CREATE FUNCTION orca.reconcile_seal_load(run_id int8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load text := format('reconcile_load_%s', run_id);
BEGIN
    -- The key keeps its name when the table gets another, and the next attempt of this run needs one too.
    EXECUTE format(
        'ALTER TABLE orca.%I ADD CONSTRAINT %I PRIMARY KEY (key_path)', load, format('pk_%s_%s', load, format('orca.%I', load)::regclass::oid)
    );
    EXECUTE format('ANALYZE orca.%I', load);
END
$$;

-- Make the sealed table the archive location's partition, in place of the one that stands there.
CREATE FUNCTION orca.reconcile_attach_load(run_id int8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    load   text := format('reconcile_load_%s', run_id);
    bucket text;
    old    regclass;
    name   text;
BEGIN
    SELECT run.orca_archive_location INTO STRICT bucket
    FROM orca.reconcile_run AS run WHERE run.id = run_id AND run.state = 'running';
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

-- Drop what a run loaded and did not finish.
CREATE FUNCTION orca.reconcile_drop_load(run_id int8) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS orca.%I', format('reconcile_load_%s', run_id));
END
$$;

REVOKE ALL ON FUNCTION orca.reconcile_begin_load(int8), orca.reconcile_seal_load(int8), orca.reconcile_attach_load(int8),
    orca.reconcile_drop_load(int8) FROM PUBLIC;

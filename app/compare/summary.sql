-- The roll-ups of a job's three reports, computed once when they are published.

-- name: give_memory
-- Enough for the transaction to join the findings in memory, and to group them all four ways at once: with less, PostgreSQL
-- writes them to files and sorts them four times.
SELECT set_config('work_mem', '64MB', true)
WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB');

-- name: clear_parts
DELETE FROM orca.reconcile_report_part WHERE job_id = :job_id;

-- name: summarise
-- Each report is read once. A phantom counts the bytes that the catalog says were lost, an orphan and a mismatch those that
-- S3 holds. The day is, in UTC, the one from which the finding can have been: of the catalog's time for a phantom, else of
-- S3's. A sum that left int8 could only come of sizes that are wrong, and must not keep a report from being published.
-- A row that another transaction has meanwhile put there fails this one with a serialization error, which is tried again.
WITH finding AS (
    SELECT 'phantom' AS kind, collection_id, key_path, NULL AS discrepancy, orca_size AS bytes,
           orca_last_update >= :pending_from AS pending, (orca_last_update AT TIME ZONE 'UTC')::date AS day
    FROM orca.reconcile_phantom_report WHERE job_id = :job_id
    UNION ALL
    SELECT 'orphan', NULL, key_path, NULL, size_in_bytes,
           last_update >= :pending_from, (last_update AT TIME ZONE 'UTC')::date
    FROM orca.reconcile_orphan_report WHERE job_id = :job_id
    UNION ALL
    SELECT 'mismatch', collection_id, key_path, discrepancy_type, s3_size_in_bytes,
           orca_last_update >= :pending_from OR s3_last_update >= :pending_from, (s3_last_update AT TIME ZONE 'UTC')::date
    FROM orca.reconcile_catalog_mismatch_report WHERE job_id = :job_id
),
foldered AS (
    -- The first three folders of a key; two and one follow from them below.
    SELECT *, substring(key_path FROM '^(?:[^/]*/){0,3}') AS folders FROM finding
),
grouped AS MATERIALIZED (
    SELECT kind, collection_id, discrepancy, day, folders,
           CASE GROUPING(collection_id, discrepancy, day, folders)
               WHEN b'0111'::int THEN 'collection' WHEN b'1011'::int THEN 'discrepancy' WHEN b'1101'::int THEN 'day'
               ELSE 'prefix'
           END AS dimension,
           count(*) AS findings, count(*) FILTER (WHERE pending) AS pending, sum(bytes) AS bytes
    FROM foldered
    GROUP BY GROUPING SETS ((kind, collection_id), (kind, discrepancy), (kind, day), (kind, folders))
),
prefix AS (
    SELECT kind, depth, value, sum(findings) AS findings, sum(pending) AS pending, sum(bytes) AS bytes,
           row_number() OVER (PARTITION BY kind, depth ORDER BY sum(findings) DESC, value) AS place
    FROM grouped
    CROSS JOIN generate_series(1, 3) AS depth
    CROSS JOIN LATERAL (SELECT substring(folders FROM format('^(?:[^/]*/){0,%s}', depth)) AS value) AS shortened
    WHERE dimension = 'prefix'
    GROUP BY kind, depth, value
),
part AS (
    SELECT dimension, 0 AS depth,
           coalesce(
               collection_id, discrepancy,
               CASE WHEN NOT isfinite(day) THEN CAST(day AS text)
                    ELSE to_char(day, CASE WHEN day < '0001-01-01' THEN 'YYYY-MM-DD BC' ELSE 'YYYY-MM-DD' END) END
           ) AS value,
           kind, findings, pending, bytes
    FROM grouped
    WHERE (dimension = 'collection' AND kind <> 'orphan') OR (dimension = 'discrepancy' AND kind = 'mismatch')
       OR dimension = 'day'
    UNION ALL
    SELECT 'prefix', depth, value, kind, findings, pending, bytes
    FROM prefix WHERE place <= :most_prefixes
),
total AS (
    SELECT coalesce(sum(findings) FILTER (WHERE kind = 'phantom'), 0) AS phantoms,
           coalesce(sum(findings) FILTER (WHERE kind = 'orphan'), 0) AS orphans,
           coalesce(sum(findings) FILTER (WHERE kind = 'mismatch'), 0) AS mismatches,
           coalesce(sum(pending) FILTER (WHERE kind = 'phantom'), 0) AS phantoms_pending,
           coalesce(sum(pending) FILTER (WHERE kind = 'orphan'), 0) AS orphans_pending,
           coalesce(sum(pending) FILTER (WHERE kind = 'mismatch'), 0) AS mismatches_pending,
           coalesce(sum(bytes) FILTER (WHERE kind = 'phantom'), 0) AS phantom_bytes,
           coalesce(sum(bytes) FILTER (WHERE kind = 'orphan'), 0) AS orphan_bytes,
           coalesce(sum(bytes) FILTER (WHERE kind = 'mismatch'), 0) AS mismatch_bytes
    FROM grouped WHERE dimension = 'day'
),
report AS (
    INSERT INTO orca.reconcile_report AS report (
        job_id, published_at, engine, pending_from, inventory_objects, catalog_files, compared_fields, warnings,
        phantoms, orphans, mismatches, phantoms_pending, orphans_pending, mismatches_pending,
        phantom_bytes, orphan_bytes, mismatch_bytes
    )
    SELECT :job_id, coalesce(CAST(:published_at AS timestamptz), clock_timestamp()), :engine, :pending_from, :inventory_objects,
           :catalog_files, :compared_fields, :warnings,
           phantoms, orphans, mismatches, phantoms_pending, orphans_pending, mismatches_pending,
           least(phantom_bytes, 9223372036854775807), least(orphan_bytes, 9223372036854775807),
           least(mismatch_bytes, 9223372036854775807)
    FROM total
    ON CONFLICT (job_id) DO UPDATE SET (
        published_at, engine, pending_from, inventory_objects, catalog_files, compared_fields, warnings,
        phantoms, orphans, mismatches, phantoms_pending, orphans_pending, mismatches_pending,
        phantom_bytes, orphan_bytes, mismatch_bytes
    ) = (
        excluded.published_at, excluded.engine, excluded.pending_from, excluded.inventory_objects, excluded.catalog_files,
        excluded.compared_fields, excluded.warnings,
        excluded.phantoms, excluded.orphans, excluded.mismatches,
        excluded.phantoms_pending, excluded.orphans_pending, excluded.mismatches_pending,
        excluded.phantom_bytes, excluded.orphan_bytes, excluded.mismatch_bytes
    )
    RETURNING report.job_id
)
INSERT INTO orca.reconcile_report_part (job_id, dimension, depth, value, kind, findings, pending, bytes)
SELECT report.job_id, part.dimension, part.depth, part.value, part.kind, part.findings, part.pending,
       least(part.bytes, 9223372036854775807)
FROM part CROSS JOIN report;

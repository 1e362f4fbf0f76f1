-- One statement answers a page: whether there is a report (no row: no such job; not ready: not published yet), and the items,
-- a row each, with the columns of `Kind` in their order. The service writes the JSON: PostgreSQL takes more than twice as long
-- over a page if it does.
--
-- The statement is put together once, from `page` and the parts of its kind. The row comparison and the order are those of
-- the primary key, in its collation: a range of that index is read, and nothing is sorted. The first page follows the empty
-- key, which is less than any other.

-- name: page
-- A job that ORCA itself reported has the status success and no row of ours: its grace is that of today's settings.
WITH report AS MATERIALIZED (
    SELECT published.job_id IS NOT NULL OR job.status_id = 5 AS ready,
           coalesce(published.pending_from, job.inventory_creation_time - CAST(:grace AS interval)) AS pending_from
    FROM orca.reconcile_job AS job
    LEFT JOIN orca.reconcile_report AS published ON published.job_id = job.id
    WHERE job.id = :job_id
)
-- A report without items gives one row in which those of the item are NULL, its key too. The report is one row, so that items
-- come in their own order.
SELECT report.ready, item.*
FROM report
LEFT JOIN LATERAL (/* items */) AS item ON true;

-- name: phantoms
SELECT finding.collection_id AS "collectionId",
       finding.granule_id AS "granuleId",
       finding.filename AS "filename",
       finding.key_path AS "keyPath",
       finding.orca_etag AS "orcaEtag",
       milliseconds(finding.orca_last_update) AS "orcaGranuleLastUpdate",
       finding.orca_size AS "orcaSizeInBytes",
       class.value AS "orcaStorageClass",
       CASE WHEN finding.orca_last_update >= report.pending_from THEN :comment END AS "comment"
FROM orca.reconcile_phantom_report AS finding
JOIN orca.storage_class AS class ON class.id = finding.orca_storage_class_id
WHERE report.ready
  AND finding.job_id = :job_id
  AND (finding.collection_id, finding.granule_id, finding.key_path) > (:after_collectionId, :after_granuleId, :after_keyPath)

-- name: phantoms_filters
-- A filter that is NULL folds away when the statement is planned for its values.
  AND (CAST(:collection_id AS text) IS NULL OR finding.collection_id = :collection_id)
  AND (CAST(:granule_id AS text) IS NULL OR finding.granule_id = :granule_id)
  AND (CAST(:key_prefix AS text) IS NULL OR starts_with(finding.key_path, :key_prefix))
  AND (CAST(:pending AS bool) IS NULL OR (finding.orca_last_update >= report.pending_from) = :pending)

-- name: phantoms_order
ORDER BY finding.collection_id, finding.granule_id, finding.key_path

-- name: orphans
SELECT finding.key_path AS "keyPath",
       finding.etag AS "s3Etag",
       milliseconds(finding.last_update) AS "s3FileLastUpdate",
       finding.size_in_bytes AS "s3SizeInBytes",
       finding.storage_class AS "s3StorageClass",
       CASE WHEN finding.last_update >= report.pending_from THEN :comment END AS "comment"
FROM orca.reconcile_orphan_report AS finding
WHERE report.ready
  AND finding.job_id = :job_id
  AND finding.key_path > :after_keyPath

-- name: orphans_filters
  AND (CAST(:key_prefix AS text) IS NULL OR starts_with(finding.key_path, :key_prefix))
  AND (CAST(:pending AS bool) IS NULL OR (finding.last_update >= report.pending_from) = :pending)

-- name: orphans_order
ORDER BY finding.key_path

-- name: mismatches
SELECT finding.collection_id AS "collectionId",
       finding.granule_id AS "granuleId",
       finding.filename AS "filename",
       finding.key_path AS "keyPath",
       finding.cumulus_archive_location AS "cumulusArchiveLocation",
       finding.orca_etag AS "orcaEtag",
       finding.s3_etag AS "s3Etag",
       milliseconds(finding.orca_last_update) AS "orcaGranuleLastUpdate",
       milliseconds(finding.s3_last_update) AS "s3FileLastUpdate",
       finding.orca_size_in_bytes AS "orcaSizeInBytes",
       finding.s3_size_in_bytes AS "s3SizeInBytes",
       class.value AS "orcaStorageClass",
       finding.s3_storage_class AS "s3StorageClass",
       finding.discrepancy_type AS "discrepancyType",
       CASE WHEN greatest(finding.orca_last_update, finding.s3_last_update) >= report.pending_from
            THEN :comment END AS "comment"
FROM orca.reconcile_catalog_mismatch_report AS finding
JOIN orca.storage_class AS class ON class.id = finding.orca_storage_class_id
WHERE report.ready
  AND finding.job_id = :job_id
  AND (finding.collection_id, finding.granule_id, finding.key_path) > (:after_collectionId, :after_granuleId, :after_keyPath)

-- name: mismatches_filters
  AND (CAST(:collection_id AS text) IS NULL OR finding.collection_id = :collection_id)
  AND (CAST(:granule_id AS text) IS NULL OR finding.granule_id = :granule_id)
  AND (CAST(:key_prefix AS text) IS NULL OR starts_with(finding.key_path, :key_prefix))
  AND (CAST(:discrepancy_types AS text[]) IS NULL OR finding.discrepancy_type = ANY (:discrepancy_types))
  AND (CAST(:pending AS bool) IS NULL
       OR (greatest(finding.orca_last_update, finding.s3_last_update) >= report.pending_from) = :pending)

-- name: mismatches_order
ORDER BY finding.collection_id, finding.granule_id, finding.key_path

-- name: milliseconds
-- Stands for `milliseconds(the_time)` above. In floating point, which is exact once rounded to the microseconds that PostgreSQL
-- keeps, and quicker than the numeric that extract() gives; infinity is the last instant that it knows, or the first.
floor(round(least(greatest(date_part('epoch', the_time), -210866803200), 9224318016000) * 1e6) / 1e3)::int8

-- name: partition
-- The archive location's partition, quoted by PostgreSQL. It is read directly, since a lock on the parent would hold up the
-- staging of every other archive location.
SELECT coalesce(
    CAST(orca.reconcile_partition_of(:archive_location) AS text), CAST(CAST('orca.reconcile_s3_object' AS regclass) AS text)
);

-- name: held
-- Whose rows they are, and whether they lie in a table of their own.
SELECT EXISTS (SELECT FROM the_partition) AS any_rows,
       EXISTS (SELECT FROM the_partition WHERE job_id = :job_id) AS own_rows,
       (SELECT relkind = 'r' FROM pg_class WHERE oid = CAST('the_partition' AS regclass)) AS in_one_table;

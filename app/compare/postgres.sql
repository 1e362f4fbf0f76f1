-- name: settings
-- For this transaction alone: hash the smaller side in memory, and let three processes do it where they can, while the one of
-- this session waits, whose rows no plan would tell from theirs: the planner takes all rows for differences, and few of them
-- ever pass from one process to another. Four times work_mem and a half is what the hash may take.
SELECT set_config('work_mem', :work_mem, true), set_config('hash_mem_multiplier', '1.5', true),
       set_config('max_parallel_workers_per_gather', '3', true), set_config('parallel_leader_participation', 'off', true),
       set_config('jit', 'off', true), set_config('parallel_tuple_cost', '0', true), set_config('enable_mergejoin', 'off', true);

-- name: unequal
-- One full join in place of three joins. As CREATE TABLE AS, which may run in parallel; INSERT ... SELECT may not. The
-- classes are joined to S3's side, for the catalog's to be compared by number; ETags are trimmed where they differ as they are.
-- What is explained says how many rows each side gave to the join, which spares another pass to count them.
EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF, FORMAT JSON)
CREATE TEMPORARY TABLE unequal ON COMMIT DROP AS
SELECT files.id AS file_id, s3.key_path, s3.etag, s3.size_in_bytes, s3.last_update, s3.storage_class,
       false AS delete_marker
FROM (
    SELECT id, key_path, etag, size_in_bytes, storage_class_id FROM orca.files
    WHERE orca_archive_location = :archive_location
) AS files
FULL JOIN (
    SELECT staged.key_path, staged.etag, staged.size_in_bytes, staged.last_update, staged.storage_class, class.id AS class_id
    FROM the_partition AS staged
    LEFT JOIN orca.storage_class AS class ON class.value = staged.storage_class
    WHERE staged.job_id = :job_id AND NOT staged.delete_marker
) AS s3 ON s3.key_path = files.key_path
WHERE files.key_path IS NULL
   OR s3.key_path IS NULL
   OR (:size_in_bytes AND files.size_in_bytes <> s3.size_in_bytes)
   OR (:storage_class AND files.storage_class_id IS DISTINCT FROM s3.class_id)
   OR (:etag AND files.etag <> s3.etag AND btrim(files.etag, '"') <> btrim(s3.etag, '"'));

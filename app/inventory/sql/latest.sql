-- The latest version of every key, as the catalog is compared with it. Only the latest version counts; one that
-- is a delete marker says that the object is not in S3.
--
-- A single faulty row, of whatever version, fails the query. For that the condition is one CASE, since DuckDB
-- would evaluate conditions joined by AND in any order; and key_path is an expression that may fail, which keeps DuckDB
-- from applying a reader's own filters or joins to the rows before they are judged. Of a row that was judged it does not; to
-- make it fail by `fault` would judge every row twice.
SELECT
    CASE WHEN key IS NOT NULL THEN key ELSE error('it has no key') END AS key_path,
    -- Trimming goes character by character, so only what has quotes is trimmed.
    CASE WHEN contains(e_tag, '"') THEN trim(e_tag, '"') ELSE coalesce(e_tag, '') END AS etag,
    coalesce(size, 0) AS size_in_bytes,
    coalesce(last_modified_date, TIMESTAMPTZ '1970-01-01 00:00:00+00') AS last_update,
    coalesce(storage_class, '') AS storage_class,
    is_delete_marker AS delete_marker
FROM judged
WHERE
    CASE
        WHEN fault IS NULL THEN is_latest
        ELSE error(fault)
    END

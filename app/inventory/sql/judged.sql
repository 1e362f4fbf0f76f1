-- Every row of the inventory, of whatever version, with what is wrong with it (NULL: nothing).
--
-- `raw` is what the three formats give: source_bucket (the manifest's), bucket, key (decoded), is_latest,
-- is_delete_marker, size, last_modified_date, e_tag, storage_class. A column that the inventory does not
-- carry is TRUE for is_latest (such an inventory lists current versions only), FALSE for is_delete_marker,
-- NULL for the others.
SELECT
    *,
    CASE
        WHEN bucket IS DISTINCT FROM source_bucket
            THEN 'it belongs to bucket "' || left(coalesce(bucket, ''), 100) || '", not to "' || source_bucket || '"'
        WHEN coalesce(key, '') = ''
            THEN 'it has no key'
        -- PostgreSQL's text holds every character but this one.
        WHEN contains(key, chr(0)) OR contains(e_tag, chr(0)) OR contains(storage_class, chr(0))
            THEN 'it holds a NUL character, which the database cannot store'
        WHEN strlen(key) > 1024
            THEN 'its key has ' || strlen(key) || ' bytes, and S3 allows 1024'
        WHEN is_latest IS NULL
            THEN 'IsLatest is empty, and must be true or false'
        WHEN is_delete_marker IS NULL
            THEN 'IsDeleteMarker is empty, and must be true or false'
        WHEN size < 0
            THEN 'Size is ' || size || ', and cannot be negative'
        -- What Python and PostgreSQL both know; to the driver between them, the first instant is minus infinity.
        WHEN last_modified_date NOT BETWEEN TIMESTAMPTZ '0001-01-02 00:00:00+00' AND TIMESTAMPTZ '9999-12-30 00:00:00+00'
            THEN 'LastModifiedDate is not a time of the years 1 to 9999'
    END AS fault
FROM raw

-- expected: every finding with its key and, for a mismatch, the fields that were made to differ.
CREATE VIEW expected AS
SELECT
    kind,
    key_path,
    concat_ws(
        ', ',
        CASE WHEN etag_differs THEN 'etag' END,
        CASE WHEN size_differs THEN 'size_in_bytes' END,
        CASE WHEN class_differs THEN 'storage_class' END
    ) AS discrepancy_type
FROM files
WHERE kind IS NOT NULL AND version = 0;

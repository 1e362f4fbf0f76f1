-- ETags without the quotes around them. PostgreSQL is left to send its columns as they are: what it need not do, its other
-- users have. Trimming goes character by character, so an ETag that stands in one pair of quotes, as nearly all do, is cut
-- instead.
SELECT * REPLACE (
    CASE WHEN starts_with(etag, '"') AND ends_with(etag, '"') THEN substr(etag, 2, greatest(strlen(etag) - 2, 0))
         ELSE trim(etag, '"')
    END AS etag
)
FROM raw

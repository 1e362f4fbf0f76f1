-- CSV reports URL-encode their keys: %20 for a space, in older reports +, and %2B for a literal +. A % that begins
-- no escape means that the key was not encoded, and so that a + in it could not be trusted either. Decoding leaves such a % where
-- it is, so that only keys that still have one are looked at again.
SELECT
    * EXCLUDE (decoded) REPLACE (
        CASE
            WHEN NOT contains(decoded, '%')
                THEN decoded
            WHEN regexp_matches(key, '%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)')
                THEN error('its key is not URL-encoded')
            ELSE decoded
        END AS key
    )
FROM (
    SELECT
        *,
        CASE
            WHEN contains(key, '+')
                THEN url_decode(replace(key, '+', ' '))
            WHEN contains(key, '%')
                THEN url_decode(key)
            ELSE key
        END AS decoded
    FROM raw
)

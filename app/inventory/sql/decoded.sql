-- CSV reports URL-encode their keys: %20 for a space, in older reports +, and %2B for a literal +. A % that begins
-- no escape means that the key was not encoded, and so that a + in it could not be trusted either.
SELECT
    * REPLACE (
        CASE
            WHEN NOT contains(key, '%') AND NOT contains(key, '+')
                THEN key
            WHEN regexp_matches(key, '%(?:[^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f]|[0-9A-Fa-f]?$)')
                THEN error('its key is not URL-encoded')
            ELSE url_decode(replace(key, '+', ' '))
        END AS key
    )
FROM raw

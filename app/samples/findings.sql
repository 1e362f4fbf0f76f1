-- Which slots are findings. This table is the one place where that is decided: the rows of the catalog and of
-- the inventory follow it, and expected.json is read from it.
--
-- A slot is one file of the archive as it was made up. Slots 0 to files - 1 are in the catalog; the next `orphans`
-- slots are in S3 alone; the last `removed` slots are in neither, for S3 lists a delete marker as their latest version.

-- findings: those of the catalog, `chosen` in number, lie one in each of as many equal stretches of it, phantoms and
-- mismatches in turn. Every tenth finding of a kind is late: it may have been in flight while S3 made the list.
CREATE TABLE findings AS
WITH chosen AS (
    SELECT
        number,
        number * getvariable('files') // getvariable('chosen') AS first_slot,
        (number + 1) * getvariable('files') // getvariable('chosen') AS end_slot
    FROM range(getvariable('chosen')) AS numbers(number)
)
SELECT
    first_slot + draw('finding', dice(number)) % (end_slot - first_slot) AS slot,
    CASE number % 2 WHEN 0 THEN 'phantom' ELSE 'mismatch' END AS kind,
    -- Every other phantom has a delete marker in S3, the rest have nothing at all.
    number % 4 = 2 AS marked,
    -- The mismatches go through the seven ways in which three fields can differ.
    number % 2 = 1 AND (number // 2 % 7 + 1) & 1 > 0 AS etag_differs,
    number % 2 = 1 AND (number // 2 % 7 + 1) & 2 > 0 AS size_differs,
    number % 2 = 1 AND (number // 2 % 7 + 1) & 4 > 0 AS class_differs,
    number // 2 % 10 = 9 AS late
FROM chosen
UNION ALL
SELECT getvariable('files') + number, 'orphan', false, false, false, false, number % 10 = 9
FROM range(getvariable('orphans')) AS numbers(number);

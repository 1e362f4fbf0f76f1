-- The first row of one data file with which something is wrong. `row_fault` is what kept the format from reading the
-- row at all.
SELECT
    row_number,
    coalesce(row_fault, fault) AS fault
FROM judged
WHERE coalesce(row_fault, fault) IS NOT NULL
ORDER BY row_number
LIMIT 1

-- name: snapshot
SELECT pg_export_snapshot();

-- name: parts
-- A statement for each range of the table's blocks, for readers that share one snapshot; PostgreSQL quotes `value`, by
-- which the condition in the template selects. Every row that the snapshot sees lies below the table's size at this moment.
WITH the_table AS (
    SELECT pg_relation_size(CAST(:table AS regclass)) / (current_setting('block_size')::int8 * :block_pages) + 1 AS blocks
)
SELECT format(
    :template, CAST(:value AS text), CAST(:block_pages AS int8),
    blocks * number / :parts, blocks * (number + 1) / :parts - 1
)
FROM the_table CROSS JOIN generate_series(0, :parts - 1) AS number
ORDER BY number;

-- name: part
-- The template of such a statement: a row for each %2$s pages of the table, from block %3$s to block %4$s.
SELECT packed.*
FROM generate_series(%3$s, %4$s) AS block (number)
CROSS JOIN LATERAL (
    SELECT the_columns
    FROM the_table AS source
    WHERE the_condition
      AND source.ctid >= CAST(format('(%%s,0)', block.number * %2$s) AS tid)
      AND source.ctid < CAST(format('(%%s,0)', (block.number + 1) * %2$s) AS tid)
    HAVING count(*) > 0
) AS packed

-- name: rows
-- The template of a statement for the rows that an index finds.
SELECT the_columns FROM the_table AS source WHERE the_condition

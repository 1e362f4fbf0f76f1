-- What two jobs have in common and what not. `report` stands for a kind's table and `finding.key` for the columns that
-- identify a finding in it, which are its primary key but for the job.

-- name: by_ranges
-- Both jobs' ranges of the primary key are read side by side, in order, from where the page begins: no page reads a row twice. The
-- planner cannot know yet what was published just now, and would probe the index for each of a million findings.
SELECT set_config('enable_nestloop', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'on', true), set_config('enable_sort', 'off', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);

-- name: by_probes
-- The few findings of one side are looked up in the other's, however many these are.
SELECT set_config('enable_nestloop', 'on', true), set_config('enable_material', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
       set_config('enable_sort', 'on', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true);

-- name: persisting
SELECT count(*)
FROM report AS finding
JOIN report AS other ON (other.key) = (finding.key)
WHERE finding.job_id = :job_id AND other.job_id = :against_id;

-- name: known
SELECT kind, persisting FROM orca.reconcile_change
WHERE job_id = :job_id AND against_id = :against_id
  AND job_published_at = :job_published_at AND against_published_at = :against_published_at;

-- name: remember
-- Only while both reports are those that were counted; nobody deletes them meanwhile.
WITH counted AS (
    SELECT job.job_id, against.job_id AS against_id, job.published_at, against.published_at AS against_published_at
    FROM orca.reconcile_report AS job
    JOIN orca.reconcile_report AS against ON against.job_id = :against_id AND against.published_at = :against_published_at
    WHERE job.job_id = :job_id AND job.published_at = :job_published_at
    FOR KEY SHARE
)
INSERT INTO orca.reconcile_change (job_id, against_id, kind, job_published_at, against_published_at, persisting)
SELECT job_id, against_id, :kind, published_at, against_published_at, :persisting FROM counted
ON CONFLICT (job_id, against_id, kind) DO UPDATE
SET job_published_at = excluded.job_published_at, against_published_at = excluded.against_published_at,
    persisting = excluded.persisting;

-- name: keys
-- The keys of a page, found in the index alone.
SELECT finding.key
FROM report AS finding
WHERE finding.job_id = :source_id AND (finding.key) > (:after)
  /* and */
ORDER BY finding.key
LIMIT :limit;

-- name: there
-- Where the page begins is said of the other job too: its range begins there as well.
  AND EXISTS (
      SELECT FROM report AS other
      WHERE other.job_id = :other_id AND (other.key) = (finding.key) AND (other.key) > (:after)
  )

-- name: missing
  AND NOT EXISTS (
      SELECT FROM report AS other
      WHERE other.job_id = :other_id AND (other.key) = (finding.key) AND (other.key) > (:after)
  )

-- name: items
-- The findings with these keys, each looked up by its primary key, and in which jobs up to its own it was seen.
SELECT item.*,
       (CAST(:history AS int8[]))[seen.oldest] AS "firstJobId",
       (CAST(:history_times AS int8[]))[seen.oldest] AS "firstSeen",
       seen.consecutive AS "consecutiveJobs"
FROM unnest(CAST(:wanted AS text[])) WITH ORDINALITY AS wanted (key, place)
CROSS JOIN LATERAL (
    /* finding */
    LIMIT 1
) AS item
CROSS JOIN LATERAL (
    SELECT max(place) AS oldest, count(*) FILTER (WHERE place = rank) AS consecutive
    FROM (
        SELECT past.place, row_number() OVER (ORDER BY past.place) AS rank
        FROM unnest(CAST(:history AS int8[])) WITH ORDINALITY AS past (job_id, place)
        WHERE EXISTS (SELECT FROM report AS seen WHERE seen.job_id = past.job_id AND (seen.key) = (wanted.key))
    ) AS ranked
) AS seen
ORDER BY wanted.place

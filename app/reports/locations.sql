-- name: locations
-- Every archive location that has a job: its newest job, and its last published jobs, oldest first. Totals come from what was stored
-- when the reports were published.
SELECT location.name, newest.id AS newest_id, newest.status, newest.inventory_creation_time, newest.error_message, newest.phase,
       coalesce(published.trend, '[]') AS trend
FROM (SELECT DISTINCT orca_archive_location AS name FROM orca.reconcile_job) AS location
CROSS JOIN LATERAL (
    SELECT * FROM orca.reconcile_job_overview AS job WHERE job.orca_archive_location = location.name
    ORDER BY job.inventory_creation_time DESC, job.id DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT json_agg(json_build_array(
               past.id, (extract(epoch FROM past.inventory_creation_time) * 1000000)::int8, past.phantoms, past.orphans, past.mismatches,
               past.phantoms_pending, past.phantom_bytes
           ) ORDER BY past.inventory_creation_time, past.id) AS trend
    FROM (
        SELECT job.id, job.inventory_creation_time, report.*
        FROM orca.reconcile_job AS job
        JOIN orca.reconcile_report AS report ON report.job_id = job.id
        WHERE job.orca_archive_location = location.name
        ORDER BY job.inventory_creation_time DESC, job.id DESC
        LIMIT :jobs
    ) AS past
) AS published
WHERE CAST(:name AS text) IS NULL OR location.name = :name
ORDER BY coalesce(published.trend -> -1 ->> 2, '0')::int8 DESC, location.name;

-- name: since
-- The collections with findings of a kind in a job's report, and since which inventory each has had them in every one, without
-- a gap. A place of a published job that is also its rank among those with findings has no gap before it.
WITH published AS (
    SELECT past.id, past.inventory_creation_time,
           row_number() OVER (ORDER BY past.inventory_creation_time DESC, past.id DESC) AS place,
           count(*) OVER () AS places
    FROM orca.reconcile_job AS job
    JOIN orca.reconcile_job AS past
      ON past.orca_archive_location = job.orca_archive_location
     AND (past.inventory_creation_time, past.id) <= (job.inventory_creation_time, job.id)
    JOIN orca.reconcile_report AS report ON report.job_id = past.id
    WHERE job.id = :job_id
),
affected AS (
    SELECT part.value AS collection_id, published.*, part.findings, part.pending, part.bytes,
           row_number() OVER (PARTITION BY part.value ORDER BY published.place) AS rank
    FROM published
    JOIN orca.reconcile_report_part AS part
      ON part.job_id = published.id AND part.dimension = 'collection' AND part.depth = 0 AND part.kind = :kind
)
SELECT collection_id,
       sum(findings) FILTER (WHERE place = 1)::int8 AS findings,
       sum(pending) FILTER (WHERE place = 1)::int8 AS pending,
       sum(bytes) FILTER (WHERE place = 1)::int8 AS bytes,
       min(inventory_creation_time) AS since,
       (array_agg(id ORDER BY place DESC))[1] AS first_job_id,
       count(*) AS jobs,
       bool_or(place = places) AS from_the_oldest
FROM affected
WHERE place = rank
GROUP BY collection_id
ORDER BY findings DESC, collection_id;

-- How many findings of a kind two jobs of an archive location share, counted once for the reports as they were published
-- at these times: published again, they are counted again.
CREATE TABLE orca.reconcile_change (
    job_id               int8        NOT NULL REFERENCES orca.reconcile_report (job_id) ON DELETE CASCADE,
    against_id           int8        NOT NULL REFERENCES orca.reconcile_report (job_id) ON DELETE CASCADE,
    kind                 text        NOT NULL CHECK (kind IN ('phantoms', 'orphans', 'mismatches')),
    job_published_at     timestamptz NOT NULL,
    against_published_at timestamptz NOT NULL,
    persisting           int8        NOT NULL,
    PRIMARY KEY (job_id, against_id, kind)
);

-- A job that is deleted takes its counts with it.
CREATE INDEX reconcile_change_against ON orca.reconcile_change (against_id);

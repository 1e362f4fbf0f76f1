-- The tables of ORCA's schema (versions 6 to 8) that a reconciliation reads or writes, as ORCA declares them.
-- Each is created only where it is missing, so that an ORCA database is adopted as it is.

CREATE TABLE IF NOT EXISTS orca.storage_class (
    id    int2 NOT NULL CONSTRAINT pk_storage_class PRIMARY KEY,
    value text NOT NULL CONSTRAINT unique_storage_class_value UNIQUE
);

INSERT INTO orca.storage_class (id, value) VALUES (1, 'GLACIER'), (2, 'DEEP_ARCHIVE') ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS orca.providers (
    provider_id text NOT NULL CONSTRAINT pk_providers PRIMARY KEY,
    name        text
);

CREATE TABLE IF NOT EXISTS orca.collections (
    collection_id text NOT NULL CONSTRAINT pk_collections PRIMARY KEY,
    shortname     text NOT NULL,
    version       text NOT NULL
);

CREATE TABLE IF NOT EXISTS orca.granules (
    id                  bigserial   NOT NULL CONSTRAINT pk_granules PRIMARY KEY,
    provider_id         text        NOT NULL CONSTRAINT fk_provider_granule REFERENCES orca.providers (provider_id),
    collection_id       text        NOT NULL CONSTRAINT fk_collection_granule REFERENCES orca.collections (collection_id),
    cumulus_granule_id  text        NOT NULL,
    execution_id        text        NOT NULL,
    ingest_time         timestamptz NOT NULL,
    cumulus_create_time timestamptz NOT NULL,
    last_update         timestamptz NOT NULL,
    CONSTRAINT unique_collection_granule_id UNIQUE (collection_id, cumulus_granule_id)
);

CREATE TABLE IF NOT EXISTS orca.files (
    id                       bigserial   NOT NULL CONSTRAINT pk_files PRIMARY KEY,
    granule_id               int8        NOT NULL CONSTRAINT fk_granule_file REFERENCES orca.granules (id),
    name                     text        NOT NULL,
    orca_archive_location    text        NOT NULL,
    cumulus_archive_location text        NOT NULL,
    key_path                 text        NOT NULL,
    ingest_time              timestamptz NOT NULL,
    etag                     text        NOT NULL,
    version                  text        NOT NULL,
    size_in_bytes            int8        NOT NULL,
    hash                     text,
    hash_type                text,
    storage_class_id         int2        NOT NULL CONSTRAINT fk_recovery_file_storage_class REFERENCES orca.storage_class (id),
    CONSTRAINT unique_orca_archive_location_key_path UNIQUE (orca_archive_location, key_path),
    CONSTRAINT unique_cumulus_archive_location_key_path UNIQUE (cumulus_archive_location, key_path)
);

CREATE TABLE IF NOT EXISTS orca.reconcile_status (
    id    int2 NOT NULL CONSTRAINT pk_reconcile_status PRIMARY KEY,
    value text NOT NULL CONSTRAINT unique_reconcile_status_value UNIQUE
);

INSERT INTO orca.reconcile_status (id, value)
VALUES (1, 'getting S3 list'), (2, 'staged'), (3, 'generating reports'), (4, 'error'), (5, 'success')
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS orca.reconcile_job (
    id                      bigserial   NOT NULL CONSTRAINT pk_reconcile_job PRIMARY KEY,
    orca_archive_location   text        NOT NULL,
    status_id               int2        NOT NULL CONSTRAINT fk_reconcile_job_status REFERENCES orca.reconcile_status (id),
    inventory_creation_time timestamptz NOT NULL,
    start_time              timestamptz NOT NULL,
    last_update             timestamptz NOT NULL,
    end_time                timestamptz,
    error_message           text
);

CREATE TABLE IF NOT EXISTS orca.reconcile_s3_object (
    job_id                int8        NOT NULL,
    orca_archive_location text        NOT NULL,
    key_path              text        NOT NULL,
    etag                  text        NOT NULL,
    last_update           timestamptz NOT NULL,
    size_in_bytes         int8        NOT NULL,
    storage_class         text        NOT NULL,
    delete_marker         bool        NOT NULL DEFAULT false
) PARTITION BY LIST (orca_archive_location);

CREATE TABLE IF NOT EXISTS orca.reconcile_phantom_report (
    job_id                int8        NOT NULL CONSTRAINT fk_reconcile_job_phantom_report REFERENCES orca.reconcile_job (id),
    collection_id         text        NOT NULL,
    granule_id            text        NOT NULL,
    filename              text        NOT NULL,
    key_path              text        NOT NULL,
    orca_etag             text        NOT NULL,
    orca_last_update      timestamptz NOT NULL,
    orca_size             int8        NOT NULL,
    orca_storage_class_id int2        NOT NULL CONSTRAINT fk_phantom_orca_storage_class REFERENCES orca.storage_class (id),
    CONSTRAINT pk_reconcile_phantom_report PRIMARY KEY (job_id, collection_id, granule_id, key_path)
);

CREATE TABLE IF NOT EXISTS orca.reconcile_orphan_report (
    job_id        int8        NOT NULL CONSTRAINT fk_reconcile_job_orphan_report REFERENCES orca.reconcile_job (id),
    key_path      text        NOT NULL,
    etag          text        NOT NULL,
    last_update   timestamptz NOT NULL,
    size_in_bytes int8        NOT NULL,
    storage_class text        NOT NULL,
    CONSTRAINT pk_reconcile_orphan_report PRIMARY KEY (job_id, key_path)
);

CREATE TABLE IF NOT EXISTS orca.reconcile_catalog_mismatch_report (
    job_id                   int8        NOT NULL CONSTRAINT fk_reconcile_job_mismatch_report REFERENCES orca.reconcile_job (id),
    collection_id            text        NOT NULL,
    granule_id               text        NOT NULL,
    filename                 text        NOT NULL,
    key_path                 text        NOT NULL,
    cumulus_archive_location text        NOT NULL,
    orca_etag                text        NOT NULL,
    s3_etag                  text        NOT NULL,
    orca_last_update         timestamptz NOT NULL,
    s3_last_update           timestamptz NOT NULL,
    orca_size_in_bytes       int8        NOT NULL,
    s3_size_in_bytes         int8        NOT NULL,
    orca_storage_class_id    int2        NOT NULL CONSTRAINT fk_mismatch_orca_storage_class REFERENCES orca.storage_class (id),
    s3_storage_class         text        NOT NULL,
    discrepancy_type         text        NOT NULL,
    CONSTRAINT pk_reconcile_catalog_mismatch_report PRIMARY KEY (job_id, collection_id, granule_id, key_path)
);

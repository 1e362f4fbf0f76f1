-- catalog: the rows of catalog.csv. ORCA writes its ETags in double quotes.
CREATE VIEW catalog AS
SELECT
    shortname || '___' || edition AS collection_id,
    granule_id,
    filename,
    key_path,
    getvariable('bucket') AS orca_archive_location,
    cumulus_archive_location,
    '"' || etag || '"' AS etag,
    size_in_bytes,
    storage_class,
    strftime(ingest_time, '%Y-%m-%dT%H:%M:%S.%gZ') AS ingest_time,
    strftime(
        CASE
            WHEN late_granules.granule IS NOT NULL THEN
                getvariable('created') + to_seconds(draw('updated', granule_dice) % 21600)
            ELSE files.ingest_time + to_seconds(1 + draw('updated', granule_dice) % 3600)
        END,
        '%Y-%m-%dT%H:%M:%S.%gZ'
    ) AS last_update,
    provider_id
FROM files
LEFT JOIN late_granules ON late_granules.granule = files.granule
WHERE version = 0 AND slot < getvariable('files');

-- old_versions: how many earlier versions S3 lists of a slot. Some delete markers stand alone.
CREATE MACRO old_versions(slot, state) AS
    CASE
        WHEN state = 'absent' THEN 0
        WHEN state = 'deleted' THEN slot % 3
        WHEN slot % 27 = 4 THEN 2
        WHEN slot % 9 = 4 THEN 1
        ELSE 0
    END;

-- slots: slot and version of the rows at the positions from `first` to `last` of one data file. With n data files, each
-- position deals n slots to n files, beginning with another file each time, and the versions of a slot to different
-- files. `data_files` = 1 gives every slot in turn. `anchor` is the catalog file in whose granule the slot lies, `state`
-- what S3 says: listed, deleted or absent.
CREATE VIEW slots AS
WITH numbered AS (
    SELECT
        position * getvariable('data_files')
            + (getvariable('data_file') + version + draw('dealt', dice(position))) % getvariable('data_files') AS slot,
        version
    FROM range(getvariable('first'), getvariable('last')) AS positions(position)
    CROSS JOIN (VALUES (0), (1), (2)) AS versions(version)
),
known AS (
    SELECT
        numbered.slot,
        version,
        kind,
        coalesce(etag_differs, false) AS etag_differs,
        coalesce(size_differs, false) AS size_differs,
        coalesce(class_differs, false) AS class_differs,
        coalesce(late, false) AS late,
        CASE
            WHEN numbered.slot >= getvariable('files') + getvariable('orphans') THEN 'deleted'
            WHEN kind = 'phantom' THEN CASE WHEN marked THEN 'deleted' ELSE 'absent' END
            ELSE 'listed'
        END AS state
    FROM numbered
    LEFT JOIN findings ON findings.slot = numbered.slot
    WHERE numbered.slot < getvariable('slots')
)
SELECT
    *,
    dice(slot) AS slot_dice,
    old_versions(slot, state) AS old,
    CASE
        WHEN slot < getvariable('files') THEN slot
        ELSE (slot - getvariable('files')) * getvariable('files') // getvariable('extras')
            + draw('anchor', slot_dice) % greatest(1, getvariable('files') // getvariable('extras'))
    END AS anchor
FROM known
WHERE version <= old_versions(slot, state);

-- collections: what the archive holds. `files` is the number of files of a granule; it divides 12, for slots come in
-- batches of 12 and a batch is of one collection. `naming` and `dated` say how granules and their folders are named.
CREATE TABLE collections AS
FROM (VALUES
    (0, 'LPDAAC_ECS', 'MOD09GQ', '061', 'MOD09GQ___061', 'tile', 'day of year', 4, 'GLACIER'),
    (1, 'LPDAAC_ECS', 'MYD11A1', '061', 'MYD11A1___061', 'tile', 'dots', 3, 'GLACIER'),
    (2, 'LPDAAC_ECS', 'ECO_L2T_LSTE', '002', 'ECO L2T LSTE/v002', 'tile', 'day of year', 6, 'DEEP_ARCHIVE'),
    (3, 'PODAAC', 'MUR-JPL-L4-GLOB', '4.1', 'MUR-JPL-L4-GLOB___4.1', 'plain', 'hive', 3, 'DEEP_ARCHIVE'),
    (4, 'ASF', 'SENTINEL-1A_SLC', '1', 'SENTINEL-1A_SLC___1', 'scene', 'dots', 2, 'DEEP_ARCHIVE'),
    (5, 'ORNL_CLOUD', 'AfriSAR_UAVSAR', '1', 'Field campaigns/AfriSAR + UAVSAR', 'plain', 'day of year', 3, 'GLACIER'),
    (6, 'ORNL_CLOUD', 'GEDI_L4A_AGB', '2.1', 'GEDI_L4A_AGB___2.1', 'tile', 'hive', 4, 'GLACIER'),
    (7, 'GES_DISC', 'GPM_3IMERGHH', '07', 'GPM_3IMERGHH___07', 'plain', 'day of year', 2, 'GLACIER')
) AS listed(number, provider_id, shortname, edition, folder, naming, dated, files, storage_class);

-- parts: the files of a granule, with the range of their sizes in bytes and where Cumulus keeps them.
CREATE TABLE parts AS
FROM (VALUES
    (0, 0, '.hdf', 40000000, 180000000, 'cumulus-protected'),
    (0, 1, '.hdf.met', 18000, 30000, 'cumulus-private'),
    (0, 2, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (0, 3, '_ndvi.jpg', 20000, 900000, 'cumulus-public'),
    (1, 0, '.hdf', 3000000, 9000000, 'cumulus-protected'),
    (1, 1, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (1, 2, '.1.jpg', 9000, 90000, 'cumulus-public'),
    (2, 0, '_LST.tif', 8000000, 40000000, 'cumulus-protected'),
    (2, 1, '_QC.tif', 300000, 4000000, 'cumulus-protected'),
    (2, 2, '_cloud.tif', 20000, 600000, 'cumulus-protected'),
    (2, 3, '.json', 6000, 12000, 'cumulus-private'),
    (2, 4, '.png', 50000, 700000, 'cumulus-public'),
    (2, 5, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (3, 0, '.nc', 300000000, 800000000, 'cumulus-protected'),
    (3, 1, '.nc.md5', 82, 82, 'cumulus-public'),
    (3, 2, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (4, 0, '.zip', 4200000000, 8600000000, 'cumulus-protected'),
    (4, 1, '.iso.xml', 30000, 60000, 'cumulus-public'),
    (5, 0, '.h5', 900000000, 5200000000, 'cumulus-protected'),
    (5, 1, '.kmz', 100000, 3000000, 'cumulus-public'),
    (5, 2, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (6, 0, '.h5', 90000000, 600000000, 'cumulus-protected'),
    (6, 1, '.h5.sha256', 98, 98, 'cumulus-public'),
    (6, 2, '.png', 50000, 700000, 'cumulus-public'),
    (6, 3, '.cmr.json', 4000, 20000, 'cumulus-public'),
    (7, 0, '.HDF5', 5000000, 12000000, 'cumulus-protected'),
    (7, 1, '.xml', 8000, 10000, 'cumulus-public')
) AS listed(collection, part, extension, smallest, largest, cumulus_archive_location);

-- awkward: what people put into file names, each a trap for somebody who quotes, splits or decodes carelessly.
CREATE MACRO awkward(n) AS pick([
    ' copy', '+calibrated', ' 100%', '%20raw', '%2Bv2', ' "preview"', ' O''Brien''s', '_Übersicht', '_ñandú', '_東京',
    '_🛰', ' & notes', '_a=b', '~backup', ',v2', ';old', '#3', '_why?', '[draft]', ' (final)', '@2x', '\legacy',
    '_Ελλάδα', '_cafe' || chr(769), '*', '$HOME', '  two  spaces', '<b>', '|', '{x}', '^', '`', '!', ':', '+ +', '%',
    '%%', '%zz', '""', '’'
], n);

-- extra: the same for what was left in S3 beside a granule and never came into the catalog.
CREATE MACRO extra(n) AS pick(
    ['.tmp.', ' (copy) ', '+rerun-', '%2Fpart-', '.upload=', '''s notes ', '_Kopie_für_', '.orig~'], n
) || n;

-- granules: every slot with its collection and granule, granules numbered as they were produced.
CREATE VIEW granules AS
WITH numbered AS (
    SELECT
        slots.*,
        collections.*,
        anchor // 12 * 6 + anchor % 12 // files AS granule,
        dice(granule) AS granule_dice,
        anchor % files AS part
    FROM slots
    JOIN collections ON number = pick([0, 1, 2, 3, 0, 4, 5, 6, 0, 2, 1, 7, 0, 6, 3, 1], anchor // 12)
),
timed AS (
    SELECT
        *,
        TIMESTAMP '2012-01-01' + to_seconds(
            granule * getvariable('pace') + draw('produced', granule_dice) % getvariable('pace')
        ) AS produced,
        produced - to_seconds(3600 + draw('acquired', granule_dice) % 2000000) AS acquired,
        TIMESTAMP '2019-01-01' + to_seconds(draw('ingested', granule_dice) % 163296000) AS ingest_time
    FROM numbered
)
SELECT
    *,
    -- No two granules of a collection have one name, for no two were produced in the same second.
    CASE naming
        WHEN 'tile' THEN
            shortname || '.A' || strftime(acquired, '%Y%j')
            || '.h' || right((100 + draw('tile', granule_dice) % 36)::VARCHAR, 2)
            || 'v' || right((100 + draw('tile', granule_dice) // 36 % 18)::VARCHAR, 2)
            || '.' || edition || '.' || strftime(produced, '%Y%j%H%M%S')
        WHEN 'scene' THEN
            'S1A_IW_SLC__1SDV_' || strftime(acquired, '%Y%m%dT%H%M%S') || '_' || strftime(produced, '%Y%m%dT%H%M%S')
            || '_' || upper(left(digest('scene', granule), 4))
        ELSE strftime(produced, '%Y%m%d%H%M%S') || '-' || shortname || '-v' || edition
    END AS granule_id,
    folder || '/' || CASE dated
        WHEN 'hive' THEN strftime(acquired, 'year=%Y/month=%m/day=%d')
        WHEN 'dots' THEN strftime(acquired, '%Y.%m.%d')
        ELSE strftime(acquired, '%Y/%j')
    END || '/' || granule_id || '/' AS granule_folder
FROM timed;

-- files: every slot with its key and with what the catalog says of it, or would say.
CREATE VIEW files AS
WITH named AS (
    SELECT
        granules.*,
        extension,
        cumulus_archive_location,
        slot - getvariable('files') AS extra_number,
        CASE WHEN slot < getvariable('files') THEN slot % 400 = 11 ELSE extra_number % 8 = 3 END AS is_folder,
        CASE
            WHEN is_folder THEN 0
            ELSE smallest + draw('size', slot_dice) * ((largest - smallest) // 4096) // 1048576
        END AS size_in_bytes,
        CASE
            WHEN slot >= getvariable('files') AND is_folder THEN 'browse ' || extra_number || '/'
            WHEN slot >= getvariable('files') THEN granule_id || extra(extra_number) || extension
            WHEN is_folder THEN granule_id || '/'
            WHEN slot % 16 = 7 THEN granule_id || awkward(slot // 16) || extension
            ELSE granule_id || extension
        END AS filename
    FROM granules
    JOIN parts ON parts.collection = granules.number AND parts.part = granules.part
)
SELECT
    *,
    CASE
        WHEN is_folder AND slot < getvariable('files') THEN granule_folder
        ELSE granule_folder || filename
    END AS key_path,
    CASE
        WHEN is_folder THEN 'd41d8cd98f00b204e9800998ecf8427e'
        WHEN size_in_bytes < 268435456 THEN digest('etag', slot)
        -- Large files came in parts of 256 MiB, and their ETag says in how many.
        ELSE digest('etag', slot) || '-' || (size_in_bytes + 268435455) // 268435456
    END AS etag
FROM named;

-- late_granules: granules that were written to the catalog while S3 made its list: those of the late phantoms.
CREATE TABLE late_granules AS
SELECT DISTINCT granule FROM files WHERE kind = 'phantom' AND late AND version = 0;

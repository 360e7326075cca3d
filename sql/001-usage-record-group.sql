-- The table of usage record groups.
--
-- It is clustered in the order of the list, newest first within an organization,
-- and each combination of equality filters that the API accepts has an index of its
-- own, so that every page of every list is one short range of one index.  src/store/query.c
-- names these indexes; tests/integration/test_plans.py holds both together.
--
-- Identifiers are compared byte by byte and without padding, so that neither case
-- nor trailing spaces make two companies one.  The collation that does so has
-- another name on each server; each server skips the comment meant for the other.

CREATE TABLE IF NOT EXISTS usage_record_group (
  serial_id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT
                         COMMENT 'ascending; breaks ties of creation_time',
  id                     VARCHAR(64) NOT NULL COMMENT 'the record''s uuid',
  organization_id        VARCHAR(64) NOT NULL,
  partner                ENUM ('AWS', 'AZURE', 'GCP') NOT NULL,
  buyer_id               VARCHAR(64) NULL,
  entitlement_id         VARCHAR(64) NULL,
  product_id             VARCHAR(64) NULL,
  status                 ENUM ('CREATED', 'DELETED', 'INVALID', 'REPORTED', 'REPORT_PENDING', 'REPORT_FAILED')
                         NOT NULL,
  -- A source that is too long is cut to one character more than fits, and refused below.
  source                 VARCHAR(10)
                         AS (LEFT(COALESCE(JSON_VALUE(meta_info, '$.source'), ''), 10)) STORED
                         COMMENT 'metaInfo.source; empty when it is missing',
  meta_info              JSON NULL,
  records                JSON NULL,
  usage_record_report_id VARCHAR(64) NULL,
  creation_time          DATETIME(3) NOT NULL COMMENT 'UTC',
  last_update_time       DATETIME(3) NOT NULL COMMENT 'UTC',

  PRIMARY KEY (organization_id, creation_time, serial_id),
  UNIQUE KEY by_serial_id (serial_id),
  UNIQUE KEY by_id (organization_id, id),

  -- The list's order alone, narrow: finds the place of a deep offset.
  KEY by_time (organization_id, creation_time, serial_id),

  KEY by_partner (organization_id, partner, creation_time, serial_id),
  KEY by_partner_status (organization_id, partner, status, creation_time, serial_id),
  KEY by_partner_source (organization_id, partner, source, creation_time, serial_id),
  KEY by_partner_status_source (organization_id, partner, status, source, creation_time, serial_id),

  KEY by_buyer_id (organization_id, buyer_id, creation_time, serial_id),
  KEY by_buyer_id_status (organization_id, buyer_id, status, creation_time, serial_id),
  KEY by_buyer_id_source (organization_id, buyer_id, source, creation_time, serial_id),
  KEY by_buyer_id_status_source (organization_id, buyer_id, status, source, creation_time, serial_id),

  KEY by_entitlement_id (organization_id, entitlement_id, creation_time, serial_id),
  KEY by_entitlement_id_status (organization_id, entitlement_id, status, creation_time, serial_id),
  KEY by_entitlement_id_source (organization_id, entitlement_id, source, creation_time, serial_id),
  KEY by_entitlement_id_status_source (organization_id, entitlement_id, status, source, creation_time, serial_id),

  KEY by_product_id (organization_id, product_id, creation_time, serial_id),
  KEY by_product_id_status (organization_id, product_id, status, creation_time, serial_id),
  KEY by_product_id_source (organization_id, product_id, source, creation_time, serial_id),
  KEY by_product_id_status_source (organization_id, product_id, status, source, creation_time, serial_id),

  KEY by_status (organization_id, status, creation_time, serial_id),
  KEY by_source (organization_id, source, creation_time, serial_id),
  KEY by_status_source (organization_id, status, source, creation_time, serial_id),

  CONSTRAINT organization_id_is_given CHECK (organization_id <> ''),
  CONSTRAINT id_is_given CHECK (id <> ''),
  -- A writer without strict mode would turn an unknown word into an empty one.
  CONSTRAINT partner_is_known CHECK (partner <> ''),
  CONSTRAINT status_is_known CHECK (status <> ''),
  CONSTRAINT source_is_known CHECK (source IN ('', 'API', 'INTERNAL', 'METRONOME', 'ORB')),
  -- JSON_VALUE finds nothing in an object or an array, which is not the same as none.
  CONSTRAINT source_is_text CHECK (COALESCE(JSON_TYPE(JSON_EXTRACT(meta_info, '$.source')), 'NULL')
                                   IN ('STRING', 'NULL')),
  -- Nor does MySQL's in a text of more than 512 characters.
  CONSTRAINT source_is_short CHECK (CHAR_LENGTH(JSON_EXTRACT(meta_info, '$.source')) <= 64),
  CONSTRAINT meta_info_is_object CHECK (JSON_TYPE(meta_info) = 'OBJECT'),
  CONSTRAINT records_is_object CHECK (JSON_TYPE(records) = 'OBJECT'),
  -- Neither zero dates nor years that RFC 3339 or the API's days could not name.
  CONSTRAINT creation_time_is_date CHECK (creation_time >= '1000-01-01'),
  CONSTRAINT last_update_time_is_date CHECK (last_update_time >= '1000-01-01')
) ENGINE = InnoDB
  DEFAULT CHARACTER SET utf8mb4
  COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

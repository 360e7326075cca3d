-- API keys.  Only the SHA-256 hash of a key is stored, with its last four characters so
-- that its owner can tell it from others.  An organization may have several live keys, to
-- change from one to the next without a gap.  sql/usage-record-api-key writes this table.

CREATE TABLE IF NOT EXISTS api_key (
  key_hash        BINARY(32) NOT NULL COMMENT 'SHA-256 of the key',
  organization_id VARCHAR(64) NOT NULL,
  last_four       CHAR(4) NOT NULL,
  creation_time   DATETIME(3) NOT NULL COMMENT 'UTC',
  expiry_time     DATETIME(3) NULL COMMENT 'UTC; NULL: never',
  revocation_time DATETIME(3) NULL COMMENT 'UTC; NULL: not revoked',

  PRIMARY KEY (key_hash),
  KEY by_organization_id (organization_id),

  CONSTRAINT api_key_organization_id_is_given CHECK (organization_id <> '')
) ENGINE = InnoDB
  DEFAULT CHARACTER SET utf8mb4
  COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

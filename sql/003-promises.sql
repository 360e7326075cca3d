-- What the table promises beyond 001: identifiers as long as the marketplaces' own, documents
-- that every client can read, and times that a writer may leave out.
--
-- MariaDB's JSON_VALID lets through what is no JSON (unknown escapes, "1.", "1e+"), and its
-- utf8mb4 what is no UTF-8 (surrogates), so that on MariaDB regular expressions say what the
-- JSON type of MySQL says by itself.  They pass over a text once and never go back.
-- serial_id has a plain key: a unique one keeps a table from being divided by organization.
--
-- Each table is changed by one statement, wholly or not at all, and only where it was not
-- yet: this file may be cut off anywhere and run again.  Where a record breaks a promise it
-- fails with the constraint's name and changes nothing; sql/check lists the records.

SET SESSION sql_mode = 'STRICT_ALL_TABLES';
DROP PROCEDURE IF EXISTS migrate_003;
DELIMITER ;;
CREATE PROCEDURE migrate_003()
BEGIN
  IF NOT EXISTS (SELECT 1 FROM information_schema.table_constraints
                 WHERE constraint_schema = DATABASE() AND table_name = 'usage_record_group'
                   AND constraint_name = 'records_are_numbers') THEN
    ALTER TABLE usage_record_group
      MODIFY id VARCHAR(255) NOT NULL COMMENT 'the record''s uuid',
      MODIFY organization_id VARCHAR(255) NOT NULL,
      MODIFY buyer_id VARCHAR(255) NULL,
      MODIFY entitlement_id VARCHAR(255) NULL,
      MODIFY product_id VARCHAR(255) NULL,
      MODIFY usage_record_report_id VARCHAR(255) NULL,
      MODIFY creation_time DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)) COMMENT 'UTC',
      MODIFY last_update_time DATETIME(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)) COMMENT 'UTC',
      DROP KEY by_serial_id,
      ADD KEY by_serial_id (serial_id),

      -- JSON's null is not the same as no source.
      DROP CONSTRAINT source_is_text,
      ADD CONSTRAINT source_is_text CHECK (
        COALESCE(JSON_TYPE(JSON_EXTRACT(meta_info, '$.source')), 'STRING') = 'STRING'),

      /*M!
      -- Surrogates: ED A0 to ED BF.
      ADD CONSTRAINT identifiers_are_utf_8 CHECK (
        CAST(CONCAT_WS('', organization_id, id, buyer_id, entitlement_id, product_id, usage_record_report_id) AS BINARY)
        NOT RLIKE '\\xED[\\xA0-\\xBF]'),
      -- The tokens alone: JSON_VALID, which comes with the type, looks at their order.  A text
      -- with a surrogate is no match either, nor is "source" in another spelling.
      ADD CONSTRAINT meta_info_is_json CHECK (meta_info RLIKE '(?xs) ^ (?: [][{}:,\\ \\t\\n\\r]*+ (?:
          (?! "(?!source")(?:s|\\\\u0073)(?:o|\\\\u006[Ff])(?:u|\\\\u0075)(?:r|\\\\u0072)(?:c|\\\\u0063)(?:e|\\\\u0065)" )
          " [^"\\\\\\x00-\\x1F]*+ (?: \\\\ (?: ["\\\\/bfnrt]
              | u (?: [0-9A-CEFa-cef] [0-9A-Fa-f]{3} | [Dd] [0-7] [0-9A-Fa-f]{2}
                    | [Dd] [89ABab] [0-9A-Fa-f]{2} \\\\u [Dd] [C-Fc-f] [0-9A-Fa-f]{2} ) ) [^"\\\\\\x00-\\x1F]*+ )*+ "
        | (?: true | false | null | -?+ (?: 0 | [1-9] [0-9]*+ ) (?: [.] [0-9]++ )?+ (?: [eE] [+-]?+ [0-9]++ )?+ )
          (?! [0-9.eE+-] ) ) )*+ [][{}:,\\ \\t\\n\\r]*+ \\z'),
      -- JSON_VALUE takes the first of two members of one name, most clients the last.
      ADD CONSTRAINT members_come_once CHECK (
        JSON_LENGTH(meta_info) = JSON_LENGTH(JSON_KEYS(meta_info))
        AND JSON_LENGTH(records) = JSON_LENGTH(JSON_KEYS(records))),
      ADD CONSTRAINT records_are_numbers CHECK (records RLIKE '(?xs) ^ [ \\t\\n\\r]*+ \\{ (?: [ \\t\\n\\r]*+
          " (?: [^"\\\\\\x00-\\x1F]++
              | \\\\ (?: ["\\\\/bfnrt]
                     | u (?: [0-9A-CEFa-cef] [0-9A-Fa-f]{3} | [Dd] [0-7] [0-9A-Fa-f]{2}
                           | [Dd] [89ABab] [0-9A-Fa-f]{2} \\\\u [Dd] [C-Fc-f] [0-9A-Fa-f]{2} ) ) )*+ "
          [ \\t\\n\\r]*+ : [ \\t\\n\\r]*+
          -?+ (?: 0 | [1-9] [0-9]*+ ) (?: [.] [0-9]++ )?+ (?: [eE] [+-]?+ [0-9]++ )?+
          [ \\t\\n\\r]*+ (?: , (?! [ \\t\\n\\r]*+ \\} ) | (?= \\} ) ) )*+ [ \\t\\n\\r]*+ \\} [ \\t\\n\\r]*+ \\z'),
      */
      /*!80017
      ADD CONSTRAINT identifiers_are_utf_8 CHECK (
        HEX(CONCAT_WS('', organization_id, id, buyer_id, entitlement_id, product_id, usage_record_report_id))
        NOT RLIKE '^(?:..)*ED[AB]'),
      ADD CONSTRAINT records_are_numbers CHECK (
        CAST(JSON_EXTRACT(records, '$.*') AS CHAR) RLIKE '^\\[[0-9eE+., -]*\\]$'),
      */

      -- What is missing is NULL, and a check that is NULL holds.  The text is looked at as it
      -- stands in the document, with its quotes.
      ADD CONSTRAINT timestamp_is_rfc_3339 CHECK (CAST(JSON_EXTRACT(meta_info, '$.timestamp') AS CHAR) RLIKE
          '(?-i)^"(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"\\z'),
      ADD CONSTRAINT known_members_are_typed CHECK (
        CAST(JSON_EXTRACT(meta_info, '$.SkipValidation') AS CHAR) IN ('true', 'false')
        AND JSON_TYPE(JSON_EXTRACT(meta_info, '$.billableRecords')) = 'ARRAY'
        AND CAST(JSON_EXTRACT(meta_info, '$.billableRecords[*].quantity') AS CHAR) RLIKE '^\\[[0-9eE+., -]*\\]$');
  END IF;

  IF (SELECT character_maximum_length FROM information_schema.columns
      WHERE table_schema = DATABASE() AND table_name = 'api_key' AND column_name = 'organization_id') < 255 THEN
    ALTER TABLE api_key MODIFY organization_id VARCHAR(255) NOT NULL;
  END IF;
END;;
DELIMITER ;
CALL migrate_003();
DROP PROCEDURE migrate_003;

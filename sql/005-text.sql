-- On MySQL, documents as text, as MariaDB's JSON is: MySQL's own type makes doubles of numbers
-- (10234.55000000000000019 becomes 10234.55) and writes all else in its own way, so that digits
-- would be lost, and a file that is loaded again would seem to say something else.
--
-- What its type said by itself, constraints say now.  Of two members of one name it kept
-- the last: as text both would stand there, and clients differ in which they take.  Read and
-- written by the server, a document has fewer quotes then, escaped ones not counted.

DROP PROCEDURE IF EXISTS migrate_005;
DELIMITER ;;
CREATE PROCEDURE migrate_005()
BEGIN
  /*!80017
  IF EXISTS (SELECT 1 FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name = 'usage_record_group' AND data_type = 'json') THEN
    ALTER TABLE usage_record_group
      MODIFY meta_info LONGTEXT NULL,
      MODIFY records LONGTEXT NULL,
      ADD CONSTRAINT meta_info_is_json CHECK (JSON_VALID(meta_info)),
      ADD CONSTRAINT records_is_json CHECK (JSON_VALID(records)),
      ADD CONSTRAINT members_come_once CHECK (
        LENGTH(REPLACE(REPLACE(CONCAT_WS('', meta_info, records), '\\\\', ''), '\\"', ''))
        - LENGTH(REPLACE(REPLACE(REPLACE(CONCAT_WS('', meta_info, records), '\\\\', ''), '\\"', ''), '"', ''))
        = LENGTH(REPLACE(REPLACE(CONCAT_WS('', CAST(meta_info AS JSON), CAST(records AS JSON)), '\\\\', ''), '\\"', ''))
        - LENGTH(REPLACE(REPLACE(REPLACE(CONCAT_WS('', CAST(meta_info AS JSON), CAST(records AS JSON)), '\\\\', ''), '\\"', ''), '"', '')));
  END IF;
  */
END;;
DELIMITER ;
CALL migrate_005();
DROP PROCEDURE migrate_005;

-- The heartbeat: a row that an event renews each second on the primary, so that a replica, which
-- gets it in order with all else, can tell how old what it shows may be (DB_STALENESS_S).
--
-- It beats where event_scheduler is ON; sql/check --heartbeat says whether it does.  Replication
-- leaves the event disabled on replicas.  Where it is enabled there all the same, in a copy of
-- the primary's files or to go on after a failover, it leaves a read-only server alone.

CREATE TABLE IF NOT EXISTS heartbeat (
  place     TINYINT NOT NULL DEFAULT 1 PRIMARY KEY,
  beat_time DATETIME(6) NOT NULL COMMENT 'UTC, of the primary',

  CONSTRAINT heartbeat_is_one CHECK (place = 1)
) ENGINE = InnoDB
  DEFAULT CHARACTER SET utf8mb4
  COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */;

DELIMITER ;;
CREATE EVENT IF NOT EXISTS heartbeat ON SCHEDULE EVERY 1 SECOND DO
BEGIN
  -- As text: a newer server says OFF for 0, and ON would be equal to 0 as well.
  IF CAST(@@GLOBAL.read_only AS CHAR) IN ('0', 'OFF') THEN
    INSERT INTO heartbeat (beat_time) VALUES (UTC_TIMESTAMP(6))
    ON DUPLICATE KEY UPDATE beat_time = UTC_TIMESTAMP(6);
    COMMIT; -- whatever autocommit is for an event
  END IF;
END;;
DELIMITER ;

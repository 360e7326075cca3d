-- The worker's account: it may read, and nothing else.  Run it as an administrator, in
-- the service's database, with two variables set:
--
--   SET @host = 'localhost', @password = '...';
--   SOURCE sql/account.sql
--
-- To be run again to change the password.

SET @account = CONCAT(QUOTE('usage_record_api'), '@', QUOTE(@host));

SET @statement = CONCAT('CREATE USER IF NOT EXISTS ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('ALTER USER ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('GRANT SELECT ON usage_record_group TO ', @account);
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('GRANT SELECT ON api_key TO ', @account);
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('GRANT SELECT ON heartbeat TO ', @account);
PREPARE statement FROM @statement;
EXECUTE statement;

-- MySQL: whether a member of a group is in the group's majority.
SET @statement = 'DO 0' /*!80017 , @statement = CONCAT('GRANT SELECT ON performance_schema.replication_group_members TO ', @account) */;
PREPARE statement FROM @statement;
EXECUTE statement;

DEALLOCATE PREPARE statement;

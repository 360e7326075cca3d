-- The account of usage-record-api-retire: it may read and delete the records, and nothing
-- else.  Run it as an administrator, in the service's database, with two variables set:
--
--   SET @host = 'localhost', @password = '...';
--   SOURCE sql/retire-account.sql
--
-- To be run again to change the password.

SET @account = CONCAT(QUOTE('usage_record_api_retire'), '@', QUOTE(@host));

SET @statement = CONCAT('CREATE USER IF NOT EXISTS ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('ALTER USER ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('GRANT SELECT, DELETE ON usage_record_group TO ', @account);
PREPARE statement FROM @statement;
EXECUTE statement;

DEALLOCATE PREPARE statement;

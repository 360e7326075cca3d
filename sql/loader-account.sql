-- The loader's account: it may read and write the records, and nothing else.  Run it as an
-- administrator, in the service's database, with two variables set:
--
--   SET @host = 'localhost', @password = '...';
--   SOURCE sql/loader-account.sql
--
-- To be run again to change the password.

SET @account = CONCAT(QUOTE('usage_record_api_load'), '@', QUOTE(@host));

SET @statement = CONCAT('CREATE USER IF NOT EXISTS ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('ALTER USER ', @account, ' IDENTIFIED BY ', QUOTE(@password));
PREPARE statement FROM @statement;
EXECUTE statement;

SET @statement = CONCAT('GRANT SELECT, INSERT, UPDATE ON usage_record_group TO ', @account);
PREPARE statement FROM @statement;
EXECUTE statement;

DEALLOCATE PREPARE statement;

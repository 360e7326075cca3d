"""A host of a database of its own, one of several or one with TLS."""

import os
import shutil
import signal

import pymysql

from service import ROOT, Service, free_port

# Stores a record with a given id, the newest of its organization; and the page that begins with it.
STORE_FRESH = "INSERT INTO usage_record_group (id, organization_id, partner, status, records) VALUES (%s, 'fresh', 'AWS', 'REPORTED', '{}')"
FRESH = "/org/fresh/usageRecordGroup?limit=1"


class Host(Service):
    """A database that is reached by TCP, on a port of its own, by the account as it is
    shipped, whose password is in option_file.  It is started; as a copy of a host that is
    stopped it has the data, and is not."""

    def __init__(self, copy_of=None):
        super().__init__()
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.options = f"--skip-networking=OFF --bind-address=127.0.0.1 --port={port}"
        self.option_file = self.dir / "client.cnf"
        self.option_file.write_text("[client]\nuser=usage_record_api\npassword=secret\n")
        try:
            if copy_of is None:
                self.start_database()
                self.migrate()
                self.create_account()
            else:
                shutil.copytree(copy_of.dir / "data", self.dir / "data")
        except BaseException:
            self.remove()
            raise

    def start_database(self, more_options=""):
        self.stack("database", "start", DATABASE_OPTIONS=f"{self.options} {more_options}")

    def stop_database(self):
        self.close_database()
        self.stack("database", "stop")

    def kill_database(self):
        self.close_database()
        os.kill(self.pid("mysql"), signal.SIGKILL)
        self.stack("database", "stop")

    def create_account(self):
        with self.connect_database() as connection, connection.cursor() as cursor:
            cursor.execute("SET @host = '%', @password = 'secret'")
            for statement in (ROOT / "sql/account.sql").read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)

    def serve_from(self, hosts, **settings):
        """Starts a pool, in this host's folder, that asks the hosts, and nginx before it."""
        self.settings = {"DB_OPTION_FILE": self.option_file, "DB_RETURN_AFTER_S": 1, "DB_TLS": self.tls(),
                         "DB_HOST": ",".join(host.address for host in hosts), **settings}
        self.serve()
        return self

    def users(self):
        """The workers that are connected to it; -1 when it does not say."""
        try:
            return len(self.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'usage_record_api'"))
        except pymysql.MySQLError:
            self.close_database()
            return -1

    def tls(self):
        """What reaches it at the least: MySQL's accounts do not send passwords in the clear."""
        return "off" if self.is_mariadb() else "required"

    def set_read_only(self, is_read_only):
        self.sql(f"SET GLOBAL read_only = {int(is_read_only)}")

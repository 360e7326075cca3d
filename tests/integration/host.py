"""A host of a database of its own, one of several or one with TLS."""

import os
import signal

import pymysql

from service import ROOT, Service, free_port


class Host(Service):
    """A database that is reached by TCP, on a port of its own, by the account as it is
    shipped, whose password is in option_file."""

    def __init__(self):
        super().__init__()
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.options = f"--skip-networking=OFF --bind-address=127.0.0.1 --port={port}"
        self.option_file = self.dir / "client.cnf"
        self.option_file.write_text("[client]\nuser=usage_record_api\npassword=secret\n")
        self.start_database()
        self.migrate()
        self.create_account()

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
        connection = pymysql.connect(unix_socket=f"{self.dir}/mysql.sock", user="root", database="usage_record_api")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET @host = '%', @password = 'secret'")
            for statement in (ROOT / "sql/account.sql").read_text().split(";\n"):
                if statement.strip():
                    cursor.execute(statement)

    def tls(self):
        """What reaches it at the least: MySQL's accounts do not send passwords in the clear."""
        return "off" if self.is_mariadb() else "required"

    def set_read_only(self, is_read_only):
        self.sql(f"SET GLOBAL read_only = {int(is_read_only)}")

"""A primary whose heart beats, its replicas, what befalls these, and how old an answer is."""

import contextlib
import threading
import time

import pymysql

from host import FRESH, STORE_FRESH, Host
from service import wait_until

# What the servers call it.
MARIADB = {"replica": "SLAVE", "from": "CHANGE MASTER TO", "MASTER": "MASTER", "more": "", "disabled": "SLAVESIDE_DISABLED"}
MYSQL = {"replica": "REPLICA", "from": "CHANGE REPLICATION SOURCE TO", "MASTER": "SOURCE", "more": ", GET_SOURCE_PUBLIC_KEY = 1",
         "disabled": "REPLICA_SIDE_DISABLED"}


class Primary(Host):
    """Its log has all from its beginning on, so that a replica begins empty."""

    def start_database(self, more_options=""):
        super().start_database(f"--server-id=1 --log-bin=log --event-scheduler=ON {more_options}")


class Replica(Host):
    def __init__(self, primary, number):
        self.primary, self.number = primary, number
        super().__init__()
        self.words = MARIADB if self.is_mariadb() else MYSQL
        port = primary.address.split(":")[1]
        self.replicate("STOP {replica}", "{from} {MASTER}_HOST = '127.0.0.1', {MASTER}_PORT = %s, {MASTER}_USER = 'copy', "
                       "{MASTER}_PASSWORD = 'copy', {MASTER}_CONNECT_RETRY = 1{more}" % port, "START {replica}")

    def start_database(self, more_options=""):
        super().start_database(f"--server-id={self.number} --read-only {more_options}")

    def migrate(self):
        pass  # comes by replication, as the account

    def create_account(self):
        pass

    def set_read_only(self, is_read_only):
        self.admin(f"SET GLOBAL read_only = {int(is_read_only)}")

    def admin(self, *statements):
        for statement in statements:
            self.sql(statement, database=None)

    def replicate(self, *statements):
        self.admin(*(statement.format(**self.words) for statement in statements))

    @contextlib.contextmanager
    def stopped_applying(self):
        """Its data stands still; what comes in is kept."""
        self.replicate("STOP {replica} SQL_THREAD")
        try:
            yield
        finally:
            self.replicate("START {replica} SQL_THREAD")

    @contextlib.contextmanager
    def lagging(self):
        self.replicate("STOP {replica}", "{from} {MASTER}_DELAY = 3600", "START {replica}")
        try:
            yield
        finally:
            self.replicate("STOP {replica}", "{from} {MASTER}_DELAY = 0", "START {replica}")

    @contextlib.contextmanager
    def broken(self):
        """A statement of the primary's fails on it, and it applies nothing more."""
        self.primary.sql("CREATE TABLE torn (i INT)")
        wait_until(lambda: self.sql("SHOW TABLES LIKE 'torn'"))
        self.admin("DROP TABLE usage_record_api.torn")
        self.primary.sql("INSERT INTO torn VALUES (1)")
        try:
            yield
        finally:
            self.replicate("CREATE TABLE usage_record_api.torn (i INT)", "START {replica}")
            self.primary.sql("DROP TABLE torn")

    @contextlib.contextmanager
    def without_heartbeat(self):
        """It keeps up with the primary, but may not say so."""
        self.admin("REVOKE SELECT ON usage_record_api.heartbeat FROM usage_record_api@'%'")
        try:
            yield
        finally:
            self.admin("GRANT SELECT ON usage_record_api.heartbeat TO usage_record_api@'%'")


def make_hosts(replica_count, load=None):
    """A primary and replicas that have all it has."""
    hosts = []
    try:
        hosts.append(Primary())
        hosts[0].sql("CREATE USER copy@'127.0.0.1' IDENTIFIED BY 'copy'")
        hosts[0].sql("GRANT REPLICATION SLAVE ON *.* TO copy@'127.0.0.1'")
        if load is not None:
            load(hosts[0])
        for number in range(replica_count):
            hosts.append(Replica(hosts[0], number + 2))
        for replica in hosts[1:]:
            wait_until(lambda: age(replica) < 1.2, 60)
    except BaseException:
        remove_hosts(hosts)
        raise
    return hosts


def remove_hosts(hosts):
    for host in reversed(hosts):
        host.remove()


def age(host):
    """Seconds since the last heartbeat that a host has; many where it has none."""
    try:
        return float(host.sql("SELECT TIMESTAMPDIFF(MICROSECOND, beat_time, UTC_TIMESTAMP(6)) / 1e6 FROM heartbeat")[0][0])
    except (pymysql.MySQLError, IndexError):
        return 1e9


class Watcher:
    """Stores a record on the primary again and again, and asks the service in several threads for the
    newest: the next one may have been committed so long ago as the answer is old."""

    def __init__(self, primary, service, bound_s, clients=4):
        self.primary, self.service, self.bound_s = primary, service, bound_s
        self.committed = []  # when, in the order of the records
        self.oldest = self.longest = 0  # seconds: the age of an answer, and what one took
        self.count, self.stale, self.failed = 0, 0, []  # answers, those older than the bound
        self._names = {}
        self._is_over = False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, daemon=True)]
        self._threads += [threading.Thread(target=self._read, daemon=True) for _ in range(clients)]
        for thread in self._threads[:1]:
            thread.start()
        wait_until(lambda: len(self.committed) > 2)
        for thread in self._threads[1:]:
            thread.start()

    def _write(self):
        run = time.monotonic_ns()
        with self.primary.connect_database() as connection, connection.cursor() as cursor:
            while not self._is_over:
                name = f"{run}-{len(self.committed)}"
                self._names[name] = len(self.committed)
                cursor.execute(STORE_FRESH, [name])
                self.committed.append(time.monotonic())
                time.sleep(0.02)

    def _read(self):
        while not self._is_over:
            asked = time.monotonic()
            answer = self.service.ask(FRESH)
            took = time.monotonic() - asked
            with self._lock:
                self.count += 1
                self.longest = max(self.longest, took)
                if answer.status != 200:
                    self.failed.append(answer.status)
                    continue
                records = answer.json()["usageRecordGroups"]
                # What was there before comes before the first; so does nothing, on a replica that has none yet.
                following = self._names.get(records[0]["id"], -1) + 1 if records else 0
                age_s = asked - self.committed[following] if following < len(self.committed) else 0
                self.oldest = max(self.oldest, age_s)
                self.stale += age_s > self.bound_s
            time.sleep(0.005)

    def stop(self):
        self._is_over = True
        for thread in self._threads:
            thread.join(60)

"""Three members of a MySQL group, each in a network of its own, so that one can be cut off from the others
while whoever asks still reaches it.  Wants root, or a user who may use sudo: these are namespaces."""

import getpass
import os
import pathlib
import subprocess
import uuid

import pymysql

from host import Host
from service import wait_until

PORT, GROUP_PORT = 3306, 33061
GROUP_NAME = str(uuid.uuid4())
SUDO = [] if os.geteuid() == 0 else ["sudo", "-E"]
AS_USER = [] if os.geteuid() == 0 else ["sudo", "-E", "-u", getpass.getuser()]
NUMBERS = (1, 2, 3)


def inside(number, *command):
    """A command in the network of a member."""
    return [*SUDO, "nsenter", f"--net=/run/netns/member{number}", *command]


def ip(*words, prefix=SUDO):
    subprocess.run([*prefix, "ip", *words], check=True)


def make_networks():
    """What goes from member to member is passed on by the network of whoever asks."""
    assert pathlib.Path("/proc/net/route").read_text().count("\n") == 1, "run it in a network of its own, as tools/portability does"
    subprocess.run([*SUDO, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"], check=True)
    for number in NUMBERS:
        name = f"member{number}"
        ip("netns", "add", name)
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("address", "add", f"10.9.{number}.1/24", "dev", name)
        ip("link", "set", name, "up")
        ip("address", "add", f"10.9.{number}.2/24", "dev", "eth0", prefix=inside(number))
        for link in ("lo", "eth0"):
            ip("link", "set", link, "up", prefix=inside(number))
        ip("route", "add", "default", "via", f"10.9.{number}.1", prefix=inside(number))


def remove_networks():
    for number in NUMBERS:
        ip("netns", "delete", f"member{number}")


class Member(Host):
    def __init__(self, number, copy_of=None):
        self.number = number
        super().__init__(copy_of)
        if copy_of is not None:
            (self.dir / "data/auto.cnf").unlink()  # its own name

    def stack(self, part, action, **env):
        """The database in its own network, all else in that of whoever asks."""
        if part != "database":
            super().stack(part, action, **env)
            return
        super().stack(part, action, prefix=inside(self.number, *AS_USER), **env)

    def start_database(self, more_options=""):
        self.address = f"10.9.{self.number}.2:{PORT}"
        seeds = ",".join(f"10.9.{number}.2:{GROUP_PORT}" for number in NUMBERS)
        self.options = (
            f"--skip-networking=OFF --skip-name-resolve --bind-address=* --port={PORT} --server-id={self.number} --report-host=10.9.{self.number}.2 "
            "--gtid-mode=ON --enforce-gtid-consistency=ON --plugin-load-add=group_replication.so "
            f"--loose-group-replication-group-name={GROUP_NAME} --loose-group-replication-local-address=10.9.{self.number}.2:{GROUP_PORT} "
            f"--loose-group-replication-group-seeds={seeds} --loose-group-replication-start-on-boot=OFF "
            "--loose-group-replication-recovery-get-public-key=ON --loose-group-replication-ip-allowlist=10.9.0.0/16")
        super().start_database(more_options)

    def create_account(self):
        super().create_account()
        for statement in ("CREATE USER recovery IDENTIFIED BY 'secret'",
                          "GRANT REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM ON *.* TO recovery"):
            self.sql(statement)

    def join(self, is_first=False):
        self.sql(f"SET GLOBAL group_replication_bootstrap_group = {int(is_first)}", database=None)
        self.sql("START GROUP_REPLICATION USER = 'recovery', PASSWORD = 'secret'", database=None)
        self.sql("SET GLOBAL group_replication_bootstrap_group = 0", database=None)

    def members(self):
        """What it says of its group: a dict from number to (state, role)."""
        try:
            rows = self.sql("SELECT MEMBER_HOST, MEMBER_STATE, MEMBER_ROLE FROM performance_schema.replication_group_members", database=None)
        except pymysql.MySQLError:
            self.close_database()
            return {}
        return {int(host.split(".")[2]): (state, role) for host, state, role in rows if host}

    def is_online(self):
        return self.members().get(self.number, ("",))[0] == "ONLINE"

    def is_primary(self):
        members = self.members()
        online = sum(state in ("ONLINE", "RECOVERING") for state, _ in members.values())
        return members.get(self.number) == ("ONLINE", "PRIMARY") and online * 2 > len(members)

    def set_cut_off(self, is_cut_off):
        """From the other members, not from whoever asks: what it sends is no longer passed on."""
        ip("rule", "add" if is_cut_off else "delete", "iif", f"member{self.number}", "blackhole")


def make_members(rows):
    members = []
    try:
        members.append(Member(1))
        members[0].load_sample(rows, "--organizations", "12")
        members[0].stop_database()
        for number in NUMBERS[1:]:
            members.append(Member(number, copy_of=members[0]))
        for member in members:
            member.start_database()
        for member in members:
            member.join(is_first=member.number == 1)
            wait_until(member.is_online, 60)
    except BaseException:
        remove_members(members)
        raise
    return members


def remove_members(members):
    for member in members:
        member.remove()

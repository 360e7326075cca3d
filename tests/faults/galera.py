"""Three Galera nodes on loopback, and what befalls them."""

import getpass
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pymysql

from host import Host
from service import free_port, wait_until

HERE = pathlib.Path(__file__).resolve().parent
PROVIDER = pathlib.Path("/usr/lib/galera/libgalera_smm.so")
# A node that is gone or stands still is given up after two seconds, not five.
TIMEOUTS = ("evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.25S;evs.suspect_timeout=PT2S;"
            "evs.inactive_timeout=PT3S;evs.install_timeout=PT3S")


class Node(Host):
    def __init__(self, number, copy_of=None):
        self.number = number
        self.group_port, self.transfer_port = free_port(), free_port()
        self.first_data = copy_of
        self.peers = []
        super().__init__()

    def options_of_node(self):
        return (f"--wsrep-on=ON --wsrep-provider={PROVIDER} --wsrep-cluster-name=records --wsrep-node-name=n{self.number} "
                f"--wsrep-node-address=127.0.0.1:{self.group_port} --wsrep-node-incoming-address={self.address} "
                f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{self.group_port};"
                f"ist.recv_addr=127.0.0.1:{self.transfer_port};gcache.size=64M;{TIMEOUTS} "
                "--wsrep-sst-method=beside --binlog-format=ROW --innodb-buffer-pool-size=64M --innodb-log-file-size=32M")

    def start_database(self, more_options=""):
        """The first start makes a cluster of one, or takes the data of one that is stopped."""
        if self.first_data is not None and not (self.dir / "data").exists():
            shutil.copytree(self.first_data, self.dir / "data")
            return
        join = f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{peer.group_port}' for peer in self.peers)}"
        if str(HERE) not in os.environ["PATH"]:
            os.environ["PATH"] += f":{HERE}"  # where the server looks for wsrep_sst_beside
        super().start_database(f"{self.options_of_node()} {join} {more_options}")

    def migrate(self):
        if self.first_data is None:
            super().migrate()

    def create_account(self):
        if self.first_data is None:
            super().create_account()

    def come_back(self):
        """After any end: finds out how far it had got, and asks the others for the rest."""
        self.stop_database()
        position = ""
        if "seqno:   -1" in (self.dir / "data/grastate.dat").read_text():
            said = subprocess.run(
                ["mariadbd", "--no-defaults", f"--datadir={self.dir}/data", f"--tmpdir={self.dir}/tmp", "--wsrep-recover",
                 "--skip-networking", f"--socket={self.dir}/recover.sock", f"--user={getpass.getuser()}",
                 *self.options_of_node().split(), "--wsrep-cluster-address=gcomm://"], timeout=60, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            found = re.findall(r"Recovered position:? *(\S+)", said.stdout)
            assert found, said.stdout[-2000:]
            position = f"--wsrep-start-position={found[-1]}"
        self.start_database(position)

    def is_member(self):
        try:
            return self.sql("SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'", database=None)[0][1] == "Synced"
        except pymysql.MySQLError:
            self.close_database()
            return False

    def set_isolated(self, is_isolated):
        self.sql(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(is_isolated)}'", database=None)

    def connections(self):
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Connections'", database=None)[0][1])


def make_nodes(rows):
    nodes = []
    try:
        nodes.append(Node(1))
        nodes[0].load_sample(rows, "--organizations", "12")
        nodes[0].stop_database()
        for number in (2, 3):
            nodes.append(Node(number, copy_of=nodes[0].dir / "data"))
        nodes[0].start_database("--wsrep-new-cluster")
        for node in nodes:
            node.peers = nodes
        for node in nodes[1:]:
            node.start_database()
        for node in nodes:
            wait_until(node.is_member, 30)
    except BaseException:
        remove_nodes(nodes)
        raise
    return nodes


def remove_nodes(nodes):
    for node in nodes:
        try:
            os.kill(node.pid("mysql"), signal.SIGKILL)
        except (OSError, ValueError):
            pass
        node.remove()

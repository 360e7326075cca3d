"""Three Galera nodes on loopback, and what befalls them."""

import os
import signal

import pymysql

from host import Host
from service import free_port, wait_until


class Node(Host):
    def __init__(self, number, copy_of=None):
        self.number = number
        self.group_port, self.transfer_port = free_port(), free_port()
        self.peers = []
        super().__init__(copy_of)

    def start_database(self, more_options=""):
        """The first start makes a cluster of one."""
        ports = (self.group_port, self.transfer_port, *(peer.group_port for peer in self.peers))
        self.stack("database", "start", GALERA=" ".join(map(str, ports)), DATABASE_OPTIONS=f"{self.options} {more_options}")

    def come_back(self):
        """After any end: finds out how far it had got, and asks the others for the rest."""
        self.stop_database()
        self.start_database()

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
            nodes.append(Node(number, copy_of=nodes[0]))
        nodes[0].start_database()
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

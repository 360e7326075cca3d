"""What a second and a third node give: pages of 1000 from three nodes of a cluster against one, each node
bounded to the same share of a processor, so that it is the database that there is too little of."""

import os
import pathlib
import shutil
import time

import pytest

from galera import make_nodes, remove_nodes
from load import Load
from service import Service, wait_until

pytestmark = [
    pytest.mark.skipif(shutil.which("mariadbd") is None, reason="Galera is MariaDB's"),
    pytest.mark.skipif(os.geteuid() != 0, reason="control groups are root's"),
    pytest.mark.skipif(float(os.environ.get("FAULT_SECONDS", "3")) < 10, reason="a measurement, of the long form"),
]

SHARE = 0.12  # of one processor, for each node
PERIOD_US = 20000
ROUNDS = 6
GROUPS = pathlib.Path("/sys/fs/cgroup")


class Bound:
    """A control group, of version 2 or 1, that lets its processes have a share of one processor."""

    def __init__(self, name, share):
        is_new = (GROUPS / "cgroup.controllers").exists()
        self.path = (GROUPS if is_new else GROUPS / "cpu") / name
        if is_new:
            (GROUPS / "cgroup.subtree_control").write_text("+cpu")
        self.path.mkdir()
        quota = round(PERIOD_US * share)
        if is_new:
            (self.path / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        else:
            (self.path / "cpu.cfs_period_us").write_text(f"{PERIOD_US}")
            (self.path / "cpu.cfs_quota_us").write_text(f"{quota}")

    def add(self, pid):
        (self.path / "cgroup.procs").write_text(f"{pid}")

    def remove(self):
        wait_until(lambda: not (self.path / "cgroup.procs").read_text())
        self.path.rmdir()


def processor_s(pid):
    """What a process has had of the processors."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def nodes():
    bounds = []
    nodes = make_nodes(12000)
    try:
        for node in nodes:
            bounds.append(Bound(f"ura-{os.getpid()}-{node.number}", SHARE))
            bounds[-1].add(node.pid("mysql"))
        yield nodes
    finally:
        remove_nodes(nodes)
        for bound in bounds:
            bound.remove()


@pytest.fixture
def pools(nodes):
    """One pool that asks the first node, and one that asks all three."""
    pools = {}
    try:
        for count in (1, 3):
            pool = pools[count] = Service(workers=6)
            pool.settings = {"DB_OPTION_FILE": nodes[0].option_file, "DB_READS": "all",
                             "DB_HOST": ",".join(node.address for node in nodes[:count])}
            pool.serve()
        yield pools
    finally:
        for pool in pools.values():
            pool.remove()


def test_three_nodes_give_more_than_one(nodes, pools, duration):
    organization = nodes[0].sql("SELECT organization_id FROM usage_record_group GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT 1")[0][0]
    first, last = nodes[0].sql("SELECT DATE(MIN(creation_time)), DATE(MAX(creation_time)) FROM usage_record_group")[0]
    target = f"/org/{organization}/usageRecordGroup?startDate={first}&endDate={last}&limit=1000"
    answers = {target: pools[1].ask(target).body}
    warm_up = [Load(pool, answers) for pool in pools.values()]
    wait_until(lambda: [node.users() for node in nodes] == [2 + 6, 2, 2], 30)
    for load in warm_up:
        load.stop()
    pages, seconds, used = {1: 0, 3: 0}, {1: 0, 3: 0}, {1: 0, 3: 0}
    for number in range(ROUNDS):
        for count in (1, 3) if number % 2 else (3, 1):
            load = Load(pools[count], answers)
            load.wait(0.5)
            before, start, had = len(load.good), time.monotonic(), [processor_s(node.pid("mysql")) for node in nodes[:count]]
            load.wait(duration / 2)
            pages[count] += len(load.good) - before
            seconds[count] += time.monotonic() - start
            used[count] += sum(processor_s(node.pid("mysql")) for node in nodes[:count]) - sum(had)
            load.stop()
            load.assert_none_failed()
    rates = {count: pages[count] / seconds[count] for count in pages}
    print(f"pages of 1000 a second: {rates[1]:.1f} from one node, {rates[3]:.1f} from three, {rates[3] / rates[1]:.2f} times as many; "
          f"each node bounded to {SHARE:.2f} of a processor, had {used[1] / seconds[1]:.3f} and {used[3] / seconds[3] / 3:.3f}; "
          f"{1e3 * used[1] / pages[1]:.2f} and {1e3 * used[3] / pages[3]:.2f} ms of it a page")
    assert rates[3] >= 2.4 * rates[1]

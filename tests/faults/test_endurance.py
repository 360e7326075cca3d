"""Many requests of every kind: nothing grows."""

from load import descriptors
from service import pss_kb, wait_until


def test_many_requests(service, load, many, is_long):
    """A tenth of them warms the pool up; from there on its memory stays where it is."""
    wait_until(lambda: load.count() >= many / 10, 600)
    pids = service.worker_pids()
    before, open_before = sum(pss_kb(pid) for pid in pids), [descriptors(pid) for pid in pids]
    wait_until(lambda: load.count() >= many, 3600)
    load.stop()
    load.assert_none_failed()
    assert service.worker_pids() == pids
    after = sum(pss_kb(pid) for pid in pids)
    print(f"PSS of the pool {before} kB, then {after} kB")
    assert after <= before * (1.01 if is_long else 1.05)
    wait_until(lambda: [descriptors(pid) for pid in pids] <= open_before)

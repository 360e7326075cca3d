import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import load as load_module  # noqa: E402
import service as service_module  # noqa: E402

SAMPLE_ROWS = 12000


def seconds():
    """How long each fault goes on: short as a part of all tests, long by itself."""
    return float(os.environ.get("FAULT_SECONDS", "3"))


@pytest.fixture(scope="session")
def duration():
    return seconds()


@pytest.fixture(scope="module")
def service():
    """A pool of four before a database with the sample, as tools/run has it."""
    service = service_module.Service(workers=4)
    try:
        service.stack("database", "start")
        service.migrate()
        service.load_sample(SAMPLE_ROWS, "--organizations", "12")
        service.stack("workers", "start")
        service.stack("nginx", "start")
        yield service
    finally:
        service.remove()


@pytest.fixture(scope="module")
def questions(service):
    return load_module.questions(service)


@pytest.fixture
def load(service, questions):
    """Eight clients that ask and check without a pause while a fault goes on."""
    state = load_module.pool_state(service)
    load = load_module.Load(service, questions)
    yield load
    load.stop()
    load_module.assert_pool_is_whole(service, questions, state)

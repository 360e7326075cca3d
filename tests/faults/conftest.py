import os
import time

import pytest

from load import Load, assert_pool_is_whole, pool_state, questions as make_questions
from service import service_with_tables

SAMPLE_ROWS = 12000


@pytest.fixture(scope="session")
def duration():
    """Seconds for which each fault goes on: a few as a part of all tests."""
    return float(os.environ.get("FAULT_SECONDS", "3"))


@pytest.fixture(scope="session")
def is_long(duration):
    """Whether the machine is ours alone, so that the figures of single requests count."""
    return duration >= 20


@pytest.fixture(scope="session")
def many():
    """How many requests are many."""
    return int(os.environ.get("FAULT_REQUESTS", "5000"))


@pytest.fixture(scope="module")
def service():
    """A pool of four before a database with the sample, as tools/run has it."""
    with service_with_tables(workers=4) as service:
        service.load_sample(SAMPLE_ROWS, "--organizations", "12")
        service.serve()
        yield service


@pytest.fixture(scope="module")
def questions(service):
    return make_questions(service)


@pytest.fixture(scope="module")
def state(service, questions):
    """What the pool is and holds before anything has happened to it."""
    return pool_state(service, questions)


@pytest.fixture
def load(service, questions, state):
    """Eight clients that ask and check without a pause while a fault goes on."""
    load = Load(service, questions)
    started = time.monotonic()
    yield load
    load.stop()
    print(load.summary(time.monotonic() - started))
    assert_pool_is_whole(service, questions, state)

import hashlib

import pytest

import service as service_module

SAMPLE_ROWS = 12000


@pytest.fixture(scope="session")
def service():
    """One service for all tests that do not harm it, with the sample and room for the
    organizations that tests make up themselves."""
    with service_module.service_with_tables() as service:
        service.load_sample(SAMPLE_ROWS, "--organizations", "12")
        service.sample = describe_sample(service)
        service.serve()
        yield service


@pytest.fixture
def own_service():
    """A service that a test may harm: a database with an empty table, no pool and no nginx yet."""
    with service_module.service_with_tables() as service:
        yield service


@pytest.fixture
def organization(request):
    """The id of an organization that no other test uses."""
    return hashlib.sha256(request.node.nodeid.encode("utf-8", "surrogateescape")).hexdigest()[:40]


@pytest.fixture
def insert(service):
    """Inserts records of organizations whose names matter; they go with the test."""
    organizations = set()

    def insert(organization, **columns):
        organizations.add(organization)
        return service.insert(organization, **columns)
    yield insert
    for organization in organizations:
        service.sql("DELETE FROM usage_record_group WHERE organization_id = %s", [organization])


def describe_sample(service):
    rows = service.sql("SELECT organization_id, COUNT(*) FROM usage_record_group "
                       "GROUP BY organization_id ORDER BY COUNT(*) DESC")
    first, last = service.sql("SELECT DATE(MIN(creation_time)), DATE(MAX(creation_time)) "
                              "FROM usage_record_group")[0]
    return {"organizations": [row[0] for row in rows], "sizes": [row[1] for row in rows],
            "window": f"startDate={first}&endDate={last}"}


@pytest.fixture(scope="session")
def sample(service):
    """Facts about the sample: organizations by size, descending, and a window with all."""
    return service.sample

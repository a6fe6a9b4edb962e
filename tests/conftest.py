"""What all tests share: the quick and the full form."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="run the slow tests, and the full form of the statistical ones"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="slow: runs with --full")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


@pytest.fixture
def full(request) -> bool:
    """Whether the full form of the tests was asked for."""
    return request.config.getoption("--full")

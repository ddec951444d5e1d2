"""All tests: a cache of their own, and TensorFlow unless a test asks for another runtime."""

import os
import signal
import sys
import tempfile

import pytest

# Set before any test module is imported, and handed on to the processes that tests start.
os.environ["TFZOO_RUNTIME"] = "tensorflow"
# A shell starts what runs in its background deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests():
    """A cache that is gone after the tests; measuring runtimes for each stand-in takes long."""
    with tempfile.TemporaryDirectory(prefix="tfzoo-tests-") as folder:
        before = os.environ.get("TFZOO_CACHE")
        os.environ["TFZOO_CACHE"] = folder
        yield
        if before is None:
            del os.environ["TFZOO_CACHE"]
        else:
            os.environ["TFZOO_CACHE"] = before


def pytest_terminal_summary(terminalreporter):
    """Says for each fault of a download how often it was tried, and how often it ended well."""
    faults = sys.modules.get("tests.helpers.store_faults")
    if faults is not None and faults.TALLY:
        terminalreporter.section("faults of a download: tried, ended well")
        for fault, (tried, well) in faults.TALLY.items():
            terminalreporter.line(f"{tried:4} {well:4}  {fault}")

"""All tests: a cache of their own, and TensorFlow unless a test asks for another runtime."""

import os
import signal
import sys
import tempfile

import pytest

#: Kept of each worker, where several share the tests.
TALLIES = pytest.StashKey[list]()

# Set before any test module is imported, and handed on to the processes that tests start.
os.environ["TFZOO_RUNTIME"] = "tensorflow"
# A shell starts what runs in its background deaf to Ctrl-C, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # `nohup` does the same with this one.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


def tally() -> dict[str, list[int]]:
    """How often each fault of a download was tried here, and how often it ended well."""
    faults = sys.modules.get("tests.helpers.store_faults")
    return {} if faults is None else dict(faults.TALLY)


def pytest_sessionfinish(session):
    """Hands the tally of a worker to the process that started it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = tally()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Keeps the tally of a worker that ended."""
    node.config.stash.setdefault(TALLIES, []).append(getattr(node, "workeroutput", {}).get("tally"))


def pytest_terminal_summary(terminalreporter, config):
    """Says for each fault of a download how often it was tried, and how often it ended well."""
    added: dict[str, list[int]] = {}
    for counts in [tally(), *config.stash.get(TALLIES, [])]:
        for fault, (tried, well) in (counts or {}).items():
            before = added.get(fault, [0, 0])
            added[fault] = [before[0] + tried, before[1] + well]
    if added:
        terminalreporter.section("faults of a download: tried, ended well")
        for fault, (tried, well) in added.items():
            terminalreporter.line(f"{tried:4} {well:4}  {fault}")

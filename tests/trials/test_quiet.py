"""Other work on the machine is noticed, one's own is not."""

import subprocess
import sys
import time

from tfzoo.trials.quiet import LEAST_CORES, Neighbours, is_quiet

SPIN = "import time; e = time.time() + 30\nwhile time.time() < e: pass"


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_what_this_process_and_its_children_do_does_not_count() -> None:
    neighbours = Neighbours()
    child = subprocess.Popen([sys.executable, "-c", SPIN])
    spin(0.7)
    beside = neighbours.cores()
    child.kill()
    child.wait()
    # A core of one's own and one of the child's would be two.
    assert beside < 1.7


def test_a_busy_stranger_is_noticed() -> None:
    # Its parent ends at once, so that it is nobody's child here.
    start = (
        "import subprocess as s, sys; "
        f"print(s.Popen([sys.executable, '-c', {SPIN!r}], stdout=s.DEVNULL).pid)"
    )
    pid = int(subprocess.check_output([sys.executable, "-c", start]))
    try:
        time.sleep(0.2)
        assert not is_quiet()
        neighbours = Neighbours()
        time.sleep(0.5)
        assert neighbours.cores() > LEAST_CORES
    finally:
        subprocess.run(["kill", "-9", str(pid)], check=True)

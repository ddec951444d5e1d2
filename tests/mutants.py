"""Small mutations of tfzoo, each run against the tests of its module: which of them go unseen?

    python -m tests.mutants --sample 300 --jobs 2 --modules 'tfzoo/report/*'

A mutation is one of cosmic-ray's, that a hand may slip into: a comparison, an operator, a number
off by one, a `not`, a truth value, `break` for `continue`. Each module gives as many to the sample
as any other. All happens in copies of the checkout, one a job; nothing is written to this one.
What is known to change nothing is told, with its reason, by `equivalent_mutants.txt`.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from tests.helpers.mutations import Mutant, mutants
from tests.helpers.paths import ROOT
from tests.helpers.workshop import Workshop, files_testing

T = TypeVar("T")

EQUIVALENT = ROOT / "tests" / "equivalent_mutants.txt"

#: In that file, whatever a line is changed to.
ANY = "..."

#: The share that is to be caught.
AIM = 0.95


def equivalents() -> dict[tuple[str, str, str], str]:
    """Reasons by module, line before and line after, of the mutations known to change nothing."""
    found = {}
    for block in EQUIVALENT.read_text().strip().split("\n\n"):
        if block.startswith("#"):
            continue
        module, before, after, *reason = block.splitlines()
        key = (module, before.removeprefix("- "), after.removeprefix("+ "))
        lines = [line.strip() for line in (ROOT / module).read_text().splitlines()]
        if key[1] not in lines:
            sys.exit(f"{EQUIVALENT.name}: {module} no longer has the line: {key[1]}")
        found[key] = " ".join(reason)
    return found


def draw(modules: list[str], sample: int, seed: int) -> tuple[list[Mutant], int]:
    """As many of each module as there are, the last ones of some; and the number left out."""
    known, left_out = equivalents(), 0
    drawn: list[Mutant] = []
    order = random.Random(seed).sample(modules, len(modules))
    sources = [mutants(module, seed) for module in order]
    while sources and len(drawn) < sample:
        for source in list(sources):
            for mutant in source:
                line = mutant.module, mutant.before
                if (*line, mutant.after) not in known and (*line, ANY) not in known:
                    drawn.append(mutant)
                    break
                left_out += 1
            else:
                sources.remove(source)
    return drawn[:sample], left_out


class RedTestsError(Exception):
    """Tests fail as they are, so that they can tell nothing of a mutation."""


def trial(
    drawn: list[Mutant], workshops: queue.Queue[Workshop], jobs: int
) -> Iterator[tuple[Mutant, int | None]]:
    """Each mutant and its tests' exit code, those with quick tests first."""
    tests = {mutant.module: files_testing(mutant.module) for mutant in drawn}

    def borrowed(work: Callable[[Workshop], T]) -> T:
        workshop = workshops.get()
        try:
            return work(workshop)
        finally:
            workshops.put(workshop)

    def time_of(file: str) -> float:
        code, took_s, said = borrowed(lambda workshop: workshop.run([file], 1800))
        if code != 0:
            raise RedTestsError(f"{file} fails without any mutation:\n{said}")
        return took_s

    def outcome(mutant: Mutant) -> tuple[Mutant, int | None]:
        files = tests[mutant.module]
        limit_s = 3 * sum(took_s[file] for file in files) + 10
        return mutant, borrowed(lambda workshop: workshop.try_out(mutant, files, limit_s))

    with ThreadPoolExecutor(jobs) as pool:
        try:
            needed = sorted({file for files in tests.values() for file in files})
            took_s = dict(zip(needed, pool.map(time_of, needed), strict=True))
            ordered = sorted(drawn, key=lambda m: sum(took_s[file] for file in tests[m.module]))
            yield from pool.map(outcome, ordered)
        finally:
            pool.shutdown(cancel_futures=True)


def main() -> int:
    """Tries a sample, prints what survived and the shares; 1 where less than the aim is caught."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sample", type=int, default=300, help="mutations to try")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="tests run side by side")
    parser.add_argument("--modules", nargs="+", default=["*"], help="such as 'tfzoo/report/*'")
    parser.add_argument("--again", type=Path, help="of the sample, what survived in this output")
    given = parser.parse_args()
    paths = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tfzoo").rglob("*.py"))
    modules = [path for path in paths if any(fnmatch(path, pattern) for pattern in given.modules)]
    drawn, left_out = draw(modules, given.sample, given.seed)
    if given.again is not None:
        survived = given.again.read_text()
        drawn = [mutant for mutant in drawn if f"{mutant.change}\n" in survived]
    print(
        f"{len(drawn)} mutations; {left_out} known to change nothing were passed over", flush=True
    )
    tried, caught, timed_out = Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="tfzoo-mutants-") as folder:
        Path(folder).chmod(0o755)  # Some tests run as another user, who must find what is there.
        workshops: queue.Queue[Workshop] = queue.Queue()
        for job in range(given.jobs):
            workshops.put(Workshop.made_in(Path(folder, str(job))))
        for mutant, code in trial(drawn, workshops, given.jobs):
            tried[mutant.module] += 1
            caught[mutant.module] += code != 0
            timed_out += code is None
            if code == 0:
                print(f"{mutant.module}:{mutant.line} survived", flush=True)
                print(mutant.change, flush=True)
    print("\ntried caught survived  share  module")
    tried["all"], caught["all"] = tried.total(), caught.total()
    for name in sorted(tried, key=lambda name: (name == "all", name)):
        share, survived = caught[name] / tried[name], tried[name] - caught[name]
        print(f"{tried[name]:5} {caught[name]:6} {survived:8} {share:6.0%}  {name}")
    print(f"{timed_out} of those caught ran out of time")
    return 0 if caught["all"] >= AIM * tried["all"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""Where the tests find things in this checkout."""

from pathlib import Path

#: The checkout itself.
ROOT = Path(__file__).parents[2]

#: Small files of the tests' own, which no test writes to.
DATA = ROOT / "tests" / "data"

"""What an audit finds: operations counted, and what of them is dangerous."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tfzoo.errors import ModelFormatError
from tfzoo.safety.operations import Danger

#: Many times the nodes of any detector's graph; what has more is refused.
MOST_NODES = 300_000


@dataclass(frozen=True)
class Finding:
    """Something dangerous in a model.

    Attributes:
        danger: `code` (starts code), `files` (reads or writes them), `network`, `outside` (leads
            out of the model's folder), `unknown` (in no list of what only computes).
        what: The operation or the file.
        where: The first node that has it, and its graph or function.
        why: What it does, in words.
        count: How many nodes have it.
    """

    danger: Danger
    what: str
    where: str
    why: str
    count: int = 1

    def __str__(self) -> str:
        more = f", and {self.count - 1} more" if self.count > 1 else ""
        return f"{self.what} {self.why} ({self.where}{more})"


@dataclass(frozen=True)
class Audit:
    """What a model may do.

    Attributes:
        path: The folder or file.
        form: `SavedModel`, `frozen graph`, `ONNX` or `TensorFlow Lite`.
        operations: How many nodes there are of each operation, those in functions too.
        findings: What is dangerous; empty where nothing is.
    """

    path: Path
    form: str
    operations: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def dangerous(self) -> bool:
        """Whether anything was found."""
        return bool(self.findings)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "path": str(self.path),
            "form": self.form,
            "dangerous": self.dangerous,
            "nodes": sum(self.operations.values()),
            "operations": self.operations,
            "findings": [asdict(finding) for finding in self.findings],
        }


@dataclass
class Notes:
    """What is noted while a model is read."""

    operations: Counter[str] = field(default_factory=Counter)
    found: dict[tuple[Danger, str, str], Finding] = field(default_factory=dict)
    seen: int = 0

    def count(self, operation: str) -> None:
        """One node more."""
        self.operations[operation] += 1
        self.see()

    def see(self, many: int = 1) -> None:
        """So many things more were read.

        Raises:
            ModelFormatError: They are too many for a detector.
        """
        self.seen += many
        if self.seen > 10 * MOST_NODES or self.operations.total() > MOST_NODES:
            raise ModelFormatError(
                f"the graph has more than {MOST_NODES:,} nodes, which no detector has: it is not "
                "looked through. Get the model from a source that you trust"
            )

    def note(self, danger: Danger, what: str, where: str, why: str) -> None:
        """Notes something dangerous; the same again is counted."""
        key = danger, what, why
        earlier = self.found.get(key)
        count = 1 if earlier is None else earlier.count + 1
        self.found[key] = Finding(danger, what, earlier.where if earlier else where, why, count)

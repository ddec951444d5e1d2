"""Which operations of a graph only compute, and what is known of some that do more.

The lists are closed: an operation that stands in none is told of, whatever it is. TensorFlow's has
the operations on arrays, of mathematics, networks, images, random numbers, control flow and
variables of TensorFlow 2.20 that neither read nor write files, start code nor speak to others, and
those that read tf.Example: all that the Object Detection API's exporter puts into a graph, and
their like. ONNX's has the operators of its standard (onnx.ai, opsets 1 to 28).
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

#: What may be wrong with an operation, a file or a link.
Danger = Literal["code", "files", "network", "unknown", "outside"]

#: Operations of TensorFlow's that do more than to compute: (names, danger, what they do).
_KNOWN: tuple[tuple[str, Danger, str], ...] = (
    (r"(Eager)?PyFunc(Stateless)?", "code", "runs Python code of the process"),
    (r"Abort", "code", "ends the process"),
    (r"\w*(LoadLibrary|LoadDataset|SaveDataset)\w*", "files", "loads or saves what a path names"),
    (r"Xla\w*(HostCompute|CustomCall|Launch|Send|Recv)\w*", "code", "calls compiled code"),
    (r"(TRTEngineOp|RemoteFusedGraphExecute|CompositeTensorVariant\w*|TPU\w+|TfLite\w+)", "code",
     "hands over to code outside of the graph"),
    (r"(ReadFile|MatchingFiles|WholeFileReader\w*|\w*LMDB\w*|ImmutableConst)", "files",
     "reads files"),
    (r"(TextLine|TFRecord|FixedLengthRecord|Identity)Reader\w*|Reader(Read|Restore)\w*", "files",
     "reads files"),
    (r"InitializeTableFromTextFile\w*|(De|En)codeProto\w*|RecordInput|\w*Dataset\w*", "files",
     "reads files"),
    (r"(Save\w*|Write\w+File\w*|WriteFile|Restore\w*|MergeV2Checkpoints|ShardedFile\w*)", "files",
     "reads or writes files"),
    (r"(Print|PrintV2|Write\w*Summary\w*|\w*SummaryWriter\w*|Debug(Identity|N)\w*)", "files",
     "writes to files or to the terminal"),
    (r"_?(Host)?(Send|Recv)\w*|RemoteCall|\w*Rpc\w*|Collective\w*|Nccl\w*", "network",
     "speaks to other processes"),
)  # fmt: skip
_COMPILED = [(re.compile(names), danger, what) for names, danger, what in _KNOWN]

#: The parts of a checkpoint's saver, which every SavedModel has; see `saved_model.py`.
OF_A_SAVER = frozenset({"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"})

#: Operations of TensorFlow Lite's that are no built-in ones, and compute.
OF_LITE = frozenset({"TFLite_Detection_PostProcess"})


@cache
def computing(form: Literal["tensorflow", "onnx"]) -> frozenset[str]:
    """The operations that only compute."""
    listed = files("tfzoo.safety").joinpath(f"{form}_operations.txt").read_text("utf-8")
    return frozenset(listed.split())


def danger_of(operation: str) -> tuple[Danger, str]:
    """What is dangerous in an operation of TensorFlow's that is not in the list, in words."""
    for names, danger, what in _COMPILED:
        if names.fullmatch(operation):
            return danger, what
    return "unknown", "is no operation that a detector needs"

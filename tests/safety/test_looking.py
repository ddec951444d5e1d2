"""What a model may do is told from its files: hostile models of every kind, and honest ones."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.helpers import standins
from tfzoo.errors import ModelFormatError
from tfzoo.safety.findings import MOST_NODES
from tfzoo.safety.looking import audit, audit_files


def saved(path: Path, function: Callable[[Any], Any]) -> Path:
    """A SavedModel that calls a function with an image, as a detector of the zoo's is called."""
    import tensorflow as tf

    module = tf.Module()
    module.call = tf.function(
        lambda image: {"out": function(image)},
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8, name="input_tensor")],
    )
    tf.saved_model.save(module, str(path), signatures=module.call.get_concrete_function())
    return path


def edited(path: Path, edit: Callable[[Any], None]) -> Path:
    """An honest SavedModel whose graph was changed by hand."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved(path, lambda image: image + 1)
    file = path / "saved_model.pb"
    message = SavedModel.FromString(file.read_bytes())
    edit(message.meta_graphs[0])
    file.write_bytes(message.SerializeToString())
    return path


def added(path: Path, operation: str, function: bool = False) -> Path:
    def edit(meta: Any) -> None:
        graph = meta.graph_def
        nodes = graph.library.function[0].node_def if function else graph.node
        nodes.add(name="x", op=operation)

    return edited(path, edit)


def nested(path: Path) -> Path:
    import tensorflow as tf

    @tf.function
    def innermost(image: Any) -> Any:
        return tf.io.read_file("/etc/passwd")

    @tf.function
    def middle(image: Any) -> Any:
        return innermost(image)

    return saved(path, lambda image: middle(image))


def in_a_branch(path: Path) -> Path:
    import tensorflow as tf

    def wrote() -> Any:
        with tf.control_dependencies([tf.io.write_file("/tmp/evil", "x")]):
            return tf.constant(1)

    return saved(path, lambda image: tf.cond(tf.size(image) > 9, wrote, lambda: tf.constant(0)))


def in_a_loop(path: Path) -> Path:
    import tensorflow as tf

    def body(i: Any) -> list[Any]:
        return [i + tf.size(tf.io.matching_files("/home/*"))]

    return saved(path, lambda image: tf.while_loop(lambda i: i < 5, body, [tf.constant(0)])[0])


def python_function(path: Path) -> Path:
    import tensorflow as tf

    return saved(path, lambda image: tf.numpy_function(lambda x: x, [image], tf.uint8))


def printed(path: Path) -> Path:
    import tensorflow as tf

    def function(image: Any) -> Any:
        tf.print("x", output_stream="file:///tmp/evil")
        return image

    return saved(path, function)


def vocabulary(path: Path) -> Path:
    import tensorflow as tf

    words = path.parent / "words.txt"
    words.write_text("a\nb\n")
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, -1
        ),
        -1,
    )
    module.call = tf.function(
        lambda x: {"out": module.table.lookup(x)}, input_signature=[tf.TensorSpec([], tf.string)]
    )
    tf.saved_model.save(module, str(path), signatures=module.call)
    return path


def saver_at_its_own_path(path: Path) -> Path:
    def edit(meta: Any) -> None:
        for function in meta.graph_def.library.function:
            for node in function.node_def:
                if node.op == "RestoreV2":
                    function.node_def.add(name="evil", op="Const")
                    node.input[0] = "evil:output:0"

    return edited(path, edit)


def saver_in_the_signature(path: Path) -> Path:
    def edit(meta: Any) -> None:
        graph = meta.graph_def
        graph.node.add(name="p", op="Placeholder")
        graph.node.add(name="save", op="SaveV2", input=["p"])
        graph.node.add(name="y", op="Identity", input=["^save"])
        meta.signature_def["serving_default"].outputs["more"].name = "y:0"

    return edited(path, edit)


def run_when_loaded(path: Path) -> Path:
    def edit(meta: Any) -> None:
        meta.graph_def.node.add(name="p", op="Placeholder")
        meta.graph_def.node.add(name="evil", op="MergeV2Checkpoints", input=["p"])
        meta.collection_def["saved_model_main_op"].node_list.value.append("evil")

    return edited(path, edit)


def shadowing(path: Path) -> Path:
    def edit(meta: Any) -> None:
        meta.graph_def.library.function.add().signature.name = "AddV2"

    return edited(path, edit)


def twice_named(path: Path) -> Path:
    def edit(meta: Any) -> None:
        functions = meta.graph_def.library.function
        functions.add().CopyFrom(functions[0])

    return edited(path, edit)


def second_graph(path: Path) -> Path:
    def edit(meta: Any) -> None:
        pass

    edited(path, edit)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = path / "saved_model.pb"
    message = SavedModel.FromString(file.read_bytes())
    more = message.meta_graphs.add()
    more.meta_info_def.tags.append("gpu")
    more.graph_def.node.add(name="x", op="WriteFile")
    file.write_bytes(message.SerializeToString())
    return path


def appended(path: Path) -> Path:
    """A second piece of the same graph at the file's end: protobuf joins the two."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    edited(path, lambda meta: None)
    more = SavedModel()
    more.meta_graphs.add().graph_def.node.add(name="late", op="ReadFile")
    with (path / "saved_model.pb").open("ab") as file:
        file.write(more.SerializeToString())
    return path


def link(path: Path) -> Path:
    edited(path, lambda meta: None)
    (path / "variables" / "more").symlink_to("/etc")
    return path


def text_beside(path: Path) -> Path:
    edited(path, lambda meta: None)
    (path / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    return path


def frozen(path: Path) -> Path:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    graph = GraphDef()
    graph.node.add(name="image_tensor", op="Placeholder")
    graph.node.add(name="x", op="DecodeProtoV2", input=["image_tensor"])
    file = path.with_suffix(".pb")
    file.write_bytes(graph.SerializeToString())
    return file


def onnx_model(path: Path, *nodes: Any, functions: Any = (), **tensor: Any) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    for key, value in tensor.items():
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key=key, value=value)
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])
    graph = helper.make_graph(list(nodes), "g", [value], [value], [weight])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions)
    file = path.with_suffix(".onnx")
    file.write_bytes(model.SerializeToString())
    return file


def node(operator: str, domain: str = "", **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(operator, ["x"], ["y"], name="n", domain=domain, **attributes)


def onnx_within(path: Path) -> Path:
    from onnx import helper

    inner = helper.make_graph([node("Run", "evil")], "inner", [], [])
    outer = helper.make_graph([node("If", then_branch=inner, else_branch=inner)], "outer", [], [])
    return onnx_model(path, node("If", then_branch=outer, else_branch=outer))


def onnx_function(path: Path) -> Path:
    from onnx import helper

    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    function = helper.make_function("evil", "f", ["x"], ["y"], [node("Run", "evil")], opsets)
    return onnx_model(path, node("f", "evil"), functions=[function])


def lite(path: Path, custom: str, builtin: int = 32) -> Path:
    import flatbuffers

    build = flatbuffers.Builder()
    name = build.CreateString(custom)
    build.StartObject(4)
    build.PrependInt8Slot(0, builtin, 0)
    build.PrependUOffsetTRelativeSlot(1, name, 0)
    code = build.EndObject()
    build.StartObject(9)
    operator = build.EndObject()
    operators = _list(build, operator)
    build.StartObject(5)
    build.PrependUOffsetTRelativeSlot(3, operators, 0)
    graph = build.EndObject()
    codes, graphs = _list(build, code), _list(build, graph)
    build.StartObject(8)
    build.PrependUOffsetTRelativeSlot(1, codes, 0)
    build.PrependUOffsetTRelativeSlot(2, graphs, 0)
    build.Finish(build.EndObject(), file_identifier=b"TFL3")
    file = path.with_suffix(".tflite")
    file.write_bytes(build.Output())
    return file


def _list(build: Any, only: int) -> int:
    build.StartVector(4, 1, 4)
    build.PrependUOffsetTRelative(only)
    return int(build.EndVector())


#: Each is made at a path, and what it does is named so.
DANGEROUS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "functions in functions": (nested, "files", "ReadFile"),
    "a branch": (in_a_branch, "files", "WriteFile"),
    "a loop": (in_a_loop, "files", "MatchingFiles"),
    "Python": (python_function, "code", "PyFunc"),
    "a print to a file": (printed, "files", "PrintV2"),
    "a vocabulary": (vocabulary, "files", "words.txt"),
    "renamed": (lambda path: added(path, "Readfile"), "unknown", "Readfile"),
    "renamed with a space": (lambda path: added(path, "AddV2 "), "unknown", "AddV2 "),
    "no name": (lambda path: added(path, ""), "unknown", ""),
    "an operation of somebody's": (lambda path: added(path, "EvilOp"), "unknown", "EvilOp"),
    "in a function": (lambda path: added(path, "Abort", function=True), "code", "Abort"),
    "a debug dump": (lambda path: added(path, "DebugIdentityV2"), "files", "DebugIdentityV2"),
    "mapped memory": (lambda path: added(path, "ImmutableConst"), "files", "ImmutableConst"),
    "a data set": (lambda path: added(path, "TFRecordDataset"), "files", "TFRecordDataset"),
    "an engine": (lambda path: added(path, "TRTEngineOp"), "code", "TRTEngineOp"),
    "a call elsewhere": (lambda path: added(path, "RemoteCall"), "network", "RemoteCall"),
    "a hidden send": (lambda path: added(path, "_Send"), "network", "_Send"),
    "a saver's own path": (saver_at_its_own_path, "files", "RestoreV2"),
    "a saver in the signature": (saver_in_the_signature, "files", "SaveV2"),
    "run when it is loaded": (run_when_loaded, "files", "MergeV2Checkpoints"),
    "a function like an operation": (shadowing, "unknown", "AddV2"),
    "two functions of one name": (twice_named, "unknown", ""),
    "a second graph": (second_graph, "files", "WriteFile"),
    "a graph that goes on": (appended, "files", "ReadFile"),
    "a link out of the folder": (link, "outside", "variables/more"),
    "a graph as text": (text_beside, "unknown", "saved_model.pbtxt"),
    "a frozen graph": (frozen, "files", "DecodeProtoV2"),
    "ONNX: somebody's": (lambda path: onnx_model(path, node("Run", "evil")), "unknown", "evil.Run"),
    "ONNX: no operator": (lambda path: onnx_model(path, node("Rum")), "unknown", "Rum"),
    "ONNX: within": (onnx_within, "unknown", "evil.Run"),
    "ONNX: a function": (onnx_function, "unknown", "evil.Run"),
    "ONNX: outside": (lambda path: onnx_model(path, location="../w"), "files", "../w"),
    "Lite: somebody's": (lambda path: lite(path, "Evil"), "unknown", "Evil"),
    "Lite: TensorFlow's": (lambda path: lite(path, "FlexReadFile"), "files", "FlexReadFile"),
    "Lite: a delegate": (lambda path: lite(path, "", builtin=51), "unknown", "operation 51"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DANGEROUS)
def test_what_is_dangerous_is_named(kind: str, tmp_path: Path) -> None:
    make, danger, what = DANGEROUS[kind]
    found = audit_files(make(tmp_path / "model"))
    assert found.dangerous
    named = {(finding.danger, finding.what) for finding in found.findings}
    assert (danger, what) in named or (what == "" and danger in {one for one, _ in named})
    assert all(finding.where and finding.why for finding in found.findings)


def cut(path: Path, share: float) -> Path:
    file = saved(path, lambda image: image + 1) / "saved_model.pb"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    return path


def sparse(path: Path, start: bytes) -> Path:
    """A gigabyte of nothing, which takes no room on most disks."""
    path.mkdir()
    with (path / "saved_model.pb").open("wb") as file:
        file.write(start)
        file.truncate(1 << 30)
    return path


def repeated(path: Path) -> Path:
    """More nodes than any detector has, in a small file for so many."""
    one = b"\x0a\x03\x12\x01A"  # A node of an operation "A".
    graph = one * (MOST_NODES + 1)
    meta = b"\x12" + varint(len(graph)) + graph
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"\x08\x01\x12" + varint(len(meta)) + meta)
    return path


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def deep(path: Path) -> Path:
    """Graphs in graphs, without an end that a reader could wait for."""
    graph = b""
    for _ in range(2000):
        attribute = b"\x32" + varint(len(graph)) + graph
        inner = b"\x2a" + varint(len(attribute)) + attribute
        graph = b"\x0a" + varint(len(inner)) + inner
    file = path.with_suffix(".onnx")
    file.write_bytes(b"\x3a" + varint(len(graph)) + graph)
    return file


def bad_lite(path: Path, damage: Callable[[bytes], bytes]) -> Path:
    file = lite(path, "TFLite_Detection_PostProcess")
    file.write_bytes(damage(file.read_bytes()))
    return file


def written(path: Path, suffix: str, content: bytes) -> Path:
    file = path.with_suffix(suffix)
    file.write_bytes(content)
    return file


REFUSED: dict[str, Callable[[Path], Path]] = {
    "nine tenths": lambda path: cut(path, 0.9),
    "a tenth": lambda path: cut(path, 0.1),
    "nothing": lambda path: cut(path, 0),
    "a gigabyte of nothing": lambda path: sparse(path, b""),
    "a graph of a gigabyte of nothing": lambda path: sparse(
        path, b"\x12" + varint((1 << 30) - 10) + b"\x12" + varint((1 << 30) - 20)
    ),
    "no end of nodes": repeated,
    "ONNX of graphs in graphs": deep,
    "ONNX of noise": lambda path: written(path, ".onnx", os.urandom(1000)),
    "a frozen graph of text": lambda path: written(path, ".pb", b"node { name: 'x' }"),
    "Lite cut": lambda path: bad_lite(path, lambda content: content[:40]),
    "Lite astray": lambda path: bad_lite(path, lambda c: struct.pack("<I", 2**31 - 8) + c[4:]),
    "no model": lambda path: written(path, ".txt", b"x"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_not_be_read_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    path = REFUSED[kind](tmp_path / "model")
    with pytest.raises(ModelFormatError) as refused:
        audit_files(path)
    assert "model" in str(refused.value) or "graph" in str(refused.value)


def test_what_only_computes_is_found_harmless(tmp_path: Path) -> None:
    for kind in ("standard", "mask_rcnn", "tflite_keypoints"):
        assert audit_files(standins.save(kind, tmp_path / kind)).findings == ()
    onnx = standins.save("yolov5", tmp_path / "yolov5.onnx")
    found = audit(onnx)
    assert (found.form, found.findings) == ("ONNX", ())
    assert found.operations["Mul"]
    harmless = lite(tmp_path / "detect", "TFLite_Detection_PostProcess")
    assert audit(harmless).operations == {"TFLite_Detection_PostProcess": 1}


def test_a_model_with_variables_and_their_saver_is_harmless(tmp_path: Path) -> None:
    import tensorflow as tf

    weight = tf.Variable(1.0)
    module = tf.Module()
    module.weight = weight
    module.call = tf.function(lambda x: x * weight, input_signature=[tf.TensorSpec([2])])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures=module.call)
    found = audit_files(tmp_path / "model")
    assert found.operations["SaveV2"] and found.operations["RestoreV2"]
    assert found.findings == ()


def test_real_models_are_harmless(tmp_path: Path) -> None:
    if "TFZOO_TEST_DATA" not in os.environ:
        pytest.skip("needs TFZOO_TEST_DATA")
    for archive in sorted(Path(os.environ["TFZOO_TEST_DATA"], "zoo").glob("*.tar.gz")):
        found = audit(archive)
        assert found.findings == () and sum(found.operations.values()) > 1000


def test_an_audit_loads_no_tensorflow(tmp_path: Path) -> None:
    import subprocess

    model = standins.save("yolov5", tmp_path / "yolov5.onnx")
    program = (
        "import sys; from pathlib import Path; from tfzoo.safety.looking import audit_files; "
        "audit_files(Path(sys.argv[1])); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(model)], check=True, timeout=60)

"""To ONNX: cut, as `--runtime onnx` opens it, or all in one graph, from any image to detections.

The second is the first with the exporter's own resizing before and its suppression after, written
in ONNX's operators (https://onnx.ai/onnx/operators) with what was read off the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfzoo.errors import ModelFormatError, RuntimeUnavailableError
from tfzoo.exports.source import Source, Written
from tfzoo.loading import detector_of
from tfzoo.prepare.cut import WHOLE, Cut
from tfzoo.prepare.export import export_onnx
from tfzoo.prepare.postprocess import RAW_BOXES, RAW_SCORES, PostProcessing
from tfzoo.prepare.preprocess import Preprocessing
from tfzoo.runtimes.runtime import open_runtime

if TYPE_CHECKING:
    import onnx

#: The network's inputs, as `tfzoo.prepare.graph_part` names them.
_NETWORK, _SHAPE = "input_tensor", "true_image_shape"
#: Keeps the network's names apart from ours.
_PREFIX = "network/"


def write_onnx(source: Source, folder: Path) -> Written:
    """Writes a model as an ONNX file.

    Args:
        source: What is exported.
        folder: Where to; what is cut stays in the cache.

    Raises:
        ModelFormatError: The model can't be converted, or has no network of one size of images.
        RuntimeUnavailableError, OfflineError, StoreError: See `tfzoo.prepare.export.export_onnx`.
    """
    made = export_onnx(source.model)
    cut, file = made.cut, made.folder / "model.onnx"
    if not source.settings.inside:
        return _written(source, file, cut, made.note)
    if cut == WHOLE:
        return _written(source, file, cut, "takes an image [1,?,?,3], as it was exported")
    if cut.before is None:
        raise ModelFormatError(
            f"{source.model.id} can't be one ONNX graph from image to detections: {made.note}. "
            "Export it with --no-nms"
        )
    if find_spec("onnx") is None:
        raise RuntimeUnavailableError(
            "one ONNX graph with its suppression inside needs the library onnx, which is not "
            "installed: pip install 'tfzoo[onnx]'"
        )
    whole = folder / "model.onnx"
    _save(with_ends(file, cut, source.settings.min_score), whole)
    note = "takes one uint8 image [1,?,?,3], RGB; gives the exporter's detections"
    return _written(source, whole, WHOLE, note)


def _written(source: Source, file: Path, cut: Cut, note: str) -> Written:
    runtime = open_runtime("onnx", file, "cpu")
    detector = detector_of(source.model, runtime, cut, source.labels)
    return Written(file, note, detector.detect, runtime.signature)


def _save(model: onnx.ModelProto, file: Path) -> None:
    import onnx

    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(file))


def with_ends(file: Path, cut: Cut, min_score: float = 0.0) -> onnx.ModelProto:
    """A cut graph with what is left to do outside of it.

    Args:
        file: The graph, `.onnx`.
        cut: What is left to do; something before the network.
        min_score: Detections below it are left out too.
    """
    import onnx

    network = onnx.load(str(file))
    head = (
        f'<ir_version: {network.ir_version}, opset_import: ["" : '
        f"{next(one.version for one in network.opset_import if not one.domain)}]>"
    )
    del network.opset_import[:]
    network.opset_import.append(onnx.helper.make_opsetid("", int(head.split(":")[-1][:-2])))
    assert cut.before is not None
    entry = onnx.parser.parse_model(head + _entry(cut.before))
    ports = [("network", f"{_PREFIX}{_NETWORK}")]
    ports += [("content", f"{_PREFIX}{_SHAPE}")] if cut.true_shapes else []
    network = onnx.compose.add_prefix(network, _PREFIX)
    outputs = [value.name for value in network.graph.output]
    outputs += ["window"] if cut.after else []
    whole = onnx.compose.merge_models(entry, network, io_map=ports, outputs=outputs)
    if cut.after is not None:
        tail = onnx.parser.parse_model(head + _tail(cut.after, min_score))
        ends = [(f"{_PREFIX}{name}", f"{name}_in") for name in (RAW_BOXES, RAW_SCORES)]
        ends.append(("window", "window_in"))
        whole = onnx.compose.merge_models(whole, tail, io_map=ends)
    _rename(whole.graph, {"image": _NETWORK})
    _rename(whole.graph, {name: name.removeprefix(_PREFIX) for name in outputs})
    whole.producer_name = "tfzoo"
    return whole


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Gives tensors other names, of which none is taken."""
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for ports in (node.input, node.output):
            ports[:] = [names.get(name, name) for name in ports]


def _entry(before: Preprocessing) -> str:
    """From an image to the network's input, as ONNX's text."""
    resizer = before.resizer
    height, width = resizer.size
    way = "half_pixel" if before.half_pixel else "asymmetric"
    if resizer.min_dimension is None:
        content = f"content = Constant <value = int64[2] {{{height}, {width}}}> ()"
    else:
        # float32 and half to even, as `Resizer.content_size` has it. No constant is divided: by a
        # shape, OpenVINO 2026.4 gives the quotient's inverse.
        content = f"""
            sides = Cast <to = 1> (size)
            shorter = ReduceMin <axes = [0], keepdims = 0> (sides)
            longer = ReduceMax <axes = [0], keepdims = 0> (sides)
            most_short = Constant <value = float {{{float(resizer.min_dimension)}}}> ()
            most_long = Constant <value = float {{{float(max(resizer.size))}}}> ()
            nothing = Sub (shorter, shorter)
            short_side = Add (most_short, nothing)
            long_side = Add (most_long, nothing)
            short_scale = Div (short_side, shorter)
            long_scale = Div (long_side, longer)
            factor = Min (short_scale, long_scale)
            scaled_sides = Mul (sides, factor)
            rounded_sides = Round (scaled_sides)
            content = Cast <to = 7> (rounded_sides)"""
    return f"""
        entry (uint8[1,height,width,3] image) =>
            (float[1,{height},{width},3] network, int32[1,3] content, float[4] window) {{
            shape = Shape (image)
            size_at = Constant <value = int64[2] {{1, 2}}> ()
            size = Gather (shape, size_at)
            {content.replace("content =", "content_size =")}
            floats = Cast <to = 1> (image)
            planes = Transpose <perm = [0, 3, 1, 2]> (floats)
            of_one = Constant <value = int64[2] {{1, 3}}> ()
            sizes = Concat <axis = 0> (of_one, content_size)
            resized = Resize <mode = "linear", coordinate_transformation_mode = "{way}">
                (planes, , , sizes)
            order = Constant <value = int64[3] {_list(before.order)}> ()
            ordered = Gather <axis = 1> (resized, order)
            scale = Constant <value = float[3,1,1] {_list(before.scale)}> ()
            offset = Constant <value = float[3,1,1] {_list(before.offset)}> ()
            scaled = Mul (ordered, scale)
            normalised = Add (scaled, offset)
            padding = Constant <value = float[3,1,1] {_list(before.padding)}> ()
            above_padding = Sub (normalised, padding)
            whole_size = Constant <value = int64[2] {{{height}, {width}}}> ()
            missing = Sub (whole_size, content_size)
            none_missing = Constant <value = int64[6] {{0, 0, 0, 0, 0, 0}}> ()
            pads = Concat <axis = 0> (none_missing, missing)
            padded = Pad (above_padding, pads)
            back = Add (padded, padding)
            network = Transpose <perm = [0, 2, 3, 1]> (back)
            three = Constant <value = int64[1] {{3}}> ()
            content_shape = Concat <axis = 0> (content_size, three)
            content_number = Cast <to = 6> (content_shape)
            first = Constant <value = int64[1] {{0}}> ()
            content = Unsqueeze (content_number, first)
            content_float = Cast <to = 1> (content_size)
            whole_float = Cast <to = 1> (whole_size)
            filled = Div (content_float, whole_float)
            window = Concat <axis = 0> (filled, filled)
        }}"""


def _tail(after: PostProcessing, min_score: float) -> str:
    """From raw boxes and scores to the exporter's detections, as ONNX's text."""
    threshold = max(after.score_threshold, min_score)
    empty = (
        """
            low_at = Constant <value = int64[2] {0, 1}> ()
            high_at = Constant <value = int64[2] {2, 3}> ()
            corners_0 = Gather <axis = 1> (clipped, low_at)
            corners_1 = Gather <axis = 1> (clipped, high_at)
            box_sides = Sub (corners_1, corners_0)
            areas = ReduceProd <axes = [1], keepdims = 0> (box_sides)
            zero_area = Constant <value = float {0.0}> ()
            wanted = Greater (areas, zero_area)
            boxes = Compress <axis = 0> (clipped, wanted)
            best = Compress <axis = 0> (scores, wanted)
            ids = Compress <axis = 0> (classes, wanted)"""
        if after.drop_empty
        else """
            boxes = Identity (clipped)
            best = Identity (scores)
            ids = Identity (classes)"""
    )
    frame = "Div (chosen, window_in)" if after.change_frame else "Identity (chosen)"
    return f"""
        tail (float[1,anchors,4] {RAW_BOXES}_in, float[1,anchors,columns] {RAW_SCORES}_in,
              float[4] window_in) =>
            (float[1,found,4] detection_boxes, float[1,found] detection_scores,
             float[1,found] detection_classes, float[1] num_detections) {{
            columns_from = Constant <value = int64[1] {{-{after.num_classes}}}> ()
            columns_to = Constant <value = int64[1] {{{2**31 - 1}}}> ()
            last = Constant <value = int64[1] {{2}}> ()
            by_anchor = Slice ({RAW_SCORES}_in, columns_from, columns_to, last)
            by_class = Transpose <perm = [0, 2, 1]> (by_anchor)
            per_class = Constant <value = int64[1] {{{after.max_per_class}}}> ()
            overlap = Constant <value = float[1] {{{after.iou_threshold!r}}}> ()
            threshold = Constant <value = float[1] {{{threshold!r}}}> ()
            kept = NonMaxSuppression ({RAW_BOXES}_in, by_class, per_class, overlap, threshold)
            scores = GatherND (by_class, kept)
            class_at = Constant <value = int64 {{1}}> ()
            box_at = Constant <value = int64 {{2}}> ()
            classes = Gather <axis = 1> (kept, class_at)
            anchors = Gather <axis = 1> (kept, box_at)
            batch_at = Constant <value = int64[1] {{0}}> ()
            all_boxes = Squeeze ({RAW_BOXES}_in, batch_at)
            unclipped = Gather <axis = 0> (all_boxes, anchors)
            zero = Constant <value = float {{0.0}}> ()
            above_zero = Max (unclipped, zero)
            clipped = Min (above_zero, window_in)
            {empty}
            count = Shape (best)
            most = Constant <value = int64[1] {{{after.max_total}}}> ()
            number = Min (count, most)
            top_scores, top = TopK <axis = 0> (best, number)
            chosen = Gather <axis = 0> (boxes, top)
            framed = {frame}
            detection_boxes = Unsqueeze (framed, batch_at)
            detection_scores = Unsqueeze (top_scores, batch_at)
            top_ids = Gather <axis = 0> (ids, top)
            one = Constant <value = int64 {{1}}> ()
            from_one = Add (top_ids, one)
            as_floats = Cast <to = 1> (from_one)
            detection_classes = Unsqueeze (as_floats, batch_at)
            num_detections = Cast <to = 1> (number)
        }}"""


def _list(values: Any) -> str:
    return "{" + ", ".join(map(repr, values)) + "}"

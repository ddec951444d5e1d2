"""YOLO: a text file an image, a line an object, named by a `data.yaml`.

As Ultralytics reads them (https://docs.ultralytics.com/datasets/detect/): the labels of
`.../images/a.jpg` are `.../labels/a.txt`, each line a class (an index into `names`) and x and y of
the centre, width and height in shares of the image; an image without labels has no objects. Of a
segment, or a box that is turned, the bounding box of its corners is taken, of a pose its box.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tfzoo.accuracy.formats.gathered import Gathered
from tfzoo.accuracy.formats.yolo_data import EXPECTED, read_yolo_data, wrong
from tfzoo.accuracy.image_files import find_files
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.detections.label_files import read_labels
from tfzoo.errors import AnnotationError
from tfzoo.images.reading import size_of

_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_FIELDS = ("x", "y", "width", "height")


def find_yolo(path: Path) -> Path | None:
    """The data file that a path means, or None."""
    if path.is_file():
        return path if path.suffix.lower() in (".yaml", ".yml") else None
    return next((path / name for name in _NAMES if (path / name).is_file()), None)


def yolo_images(path: Path) -> Path:
    """The folder that all images of a data file lie below."""
    return read_yolo_data(path).root


def read_yolo(path: Path, images: Path | None) -> GroundTruth:
    """Reads the images for evaluating of a YOLO data file, which are those of `val`.

    Args:
        path: The data file.
        images: A folder to look for the images in, where it is another than the file says.

    Raises:
        UsageError: The data file, a line of labels, or where an image lies is not as expected.
    """
    data = read_yolo_data(path)
    gathered = Gathered(path, read_labels(path))
    labels = dict(data.labels(None if images == data.root else images))
    if labels and not any(file.is_file() for file in labels.values()):
        example = next(iter(labels.values()))
        raise wrong(path, f"none of its {len(labels)} images has labels, such as {example}")
    for name, file in find_files(images or data.root, {name: name for name in labels}).items():
        width, height = size_of(file)
        key = Path(name).with_suffix("").as_posix()
        if gathered.image(key, name, width=width, height=height, where=name):
            for where, words in _lines(labels[name]):
                _add(gathered, key, where, words, (width, height), data.extra)
    return gathered.truth(EXPECTED)


def _lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The words of each line that has some, and which it is."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise AnnotationError(f"labels {path} can't be read: {error.strerror}") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if words := line.split():
            yield f"{path.name}, line {number}", words


def _add(
    gathered: Gathered,
    key: str,
    where: str,
    words: list[str],
    size: tuple[int, int],
    extra: int,
) -> None:
    index = words[0].removesuffix(".0")
    if not index.isdecimal() or len(index) > 9 or int(index) not in gathered.categories:
        rule = "are of a class that names does not list"
        gathered.problems.add("lines", rule, where, "class", {"class": words[0]})
        return
    shares = words[1:]
    if len(shares) == 4 or (extra and len(shares) == 4 + extra):
        box = _centred(gathered, where, shares)
    elif len(shares) >= 6 and len(shares) % 2 == 0:
        box = _around(gathered, where, shares)
    else:
        rule = (
            "are neither a class and x, y, width, height, nor a class and x and y of three or "
            "more corners"
        )
        gathered.problems.add("lines", rule, where, "numbers", {"numbers": len(shares)})
        return
    if box is not None:
        x, y, width, height = box
        box = [x * size[0], y * size[1], width * size[0], height * size[1]]
        gathered.object(key, int(index), box)


def _centred(gathered: Gathered, where: str, words: list[str]) -> list[float] | None:
    """The box of a centre and a size: x, y, width, height in shares of the image."""
    record = dict(zip(_FIELDS, words, strict=False))
    found = gathered.numbers(where, record, _FIELDS, shares=True)
    if found is None:
        return None
    x, y, width, height = found
    return [x - width / 2, y - height / 2, width, height]


def _around(gathered: Gathered, where: str, words: list[str]) -> list[float] | None:
    """The box around corners: x, y, width, height in shares of the image."""
    record = {f"number {index}": word for index, word in enumerate(words, start=2)}
    found = gathered.numbers(where, record, tuple(record), shares=True)
    if found is None:
        return None
    left, top = min(found[::2]), min(found[1::2])
    return [left, top, max(found[::2]) - left, max(found[1::2]) - top]

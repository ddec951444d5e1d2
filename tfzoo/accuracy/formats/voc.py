"""Pascal VOC: an XML file an image (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf).

A box is taken as `xmin, ymin, xmax - xmin, ymax - ymin`, as the Object Detection API's
`create_pascal_tf_record.py` and the common converters from COCO take and write it. By the letter of
VOC, corners are whole pixels counted from 1, both inside the box: that would be `xmin - 1` and one
pixel more each way.

What is `difficult` is neither to be found nor wrong to find, as in VOC's own evaluation. COCO has
`iscrowd` for that, which lies more leniently over small detections inside of it.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from tfzoo.accuracy.fields import Record
from tfzoo.accuracy.formats.beside import SPLITS, has_images, images_below
from tfzoo.accuracy.formats.gathered import Gathered
from tfzoo.accuracy.truth import GroundTruth
from tfzoo.errors import AnnotationError

_EXPECTED = (
    "Expected Pascal VOC's annotations: an XML file an image, with <filename>, <size> and an "
    "<object> each with <name> and <bndbox> (xmin, ymin, xmax, ymax in pixels)"
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")

#: A file of an image's objects takes kilobytes.
_LARGEST = 16 * 2**20


def find_voc(path: Path) -> Path | None:
    """The folder of XML files (or the one file) that a path means, or None."""
    if path.is_file():
        return path if path.suffix.lower() == ".xml" else None
    for name in ("", "Annotations", "annotations", *SPLITS):
        if any((path / name).glob("*.xml")):
            return path / name
    return None


def voc_images(path: Path) -> Path | None:
    """The folder of the images that annotations are of, or None."""
    folder = path.parent if path.is_file() else path
    for near in (folder.parent / "JPEGImages", folder.parent / "images", folder):
        if has_images(near):
            return near
    return None


def read_voc(named: Path, images: Path | None) -> GroundTruth:
    """Reads Pascal VOC's annotations.

    Args:
        named: What was named: the folder of a whole set, of which those in `ImageSets/Main/val.txt`
            (or `test.txt`) are taken where there is such a list; a folder of XML files; or one.
        images: The folder of their images, where it is known.

    Raises:
        AnnotationError: They are none, or something in them is wrong.
    """
    path = find_voc(named)
    assert path is not None
    listed = _listed(named) if path != named else None
    files = [path] if path.is_file() else sorted(path.glob("*.xml"))
    if listed is not None:
        files = [path / f"{name}.xml" for name in listed]
    by_key = images_below(images) if images is not None else {}
    gathered = Gathered(named)
    for file in files:
        root = _parsed(file)
        size = root.find("size")
        given = {side: None if size is None else size.findtext(side) for side in _SIDES}
        gathered.image(file.stem, _file_name(root, file, by_key), where=file.name, **given)
        for number, one in enumerate(root.findall("object"), start=1):
            _add(gathered, file.stem, f"{file.name}, object {number}", one)
    return gathered.truth(_EXPECTED)


_SIDES = ("width", "height")


def _listed(folder: Path) -> list[str] | None:
    """The names of the images that a set holds for evaluating, where it lists them."""
    for name in ("val.txt", "test.txt"):
        path = folder / "ImageSets" / "Main" / name
        if path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
            return [line.split()[0] for line in lines if line.strip()]
    return None


def _parsed(path: Path) -> Any:
    """The root of an XML file.

    Raises:
        AnnotationError: It is none of VOC's, or has entities, by which a small file grows without
            end or reads others.
    """
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    except ImportError:
        raise AnnotationError(
            f"{path} takes defusedxml to read: pip install 'tfzoo[evaluate]'"
        ) from None
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AnnotationError(f"annotations {path} can't be read: {reason}") from None
    if len(data) > _LARGEST:
        raise AnnotationError(f"{path} has more than {_LARGEST >> 20} MiB. {_EXPECTED}")
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise AnnotationError(
            f"{path} declares a document type or entities, which can be made to grow without end "
            f"or to read other files, and is not read. {_EXPECTED}"
        ) from None
    except (ParseError, ValueError, LookupError) as error:  # An encoding that nobody knows.
        raise AnnotationError(f"{path} is no XML: {str(error)[:200]}. {_EXPECTED}") from None
    if root.tag != "annotation":
        raise AnnotationError(f"{path} holds <{str(root.tag)[:60]}>, no <annotation>. {_EXPECTED}")
    return root


def _file_name(root: Any, path: Path, by_key: dict[str, str]) -> str:
    """The name of the image: as the file says, where no other image goes by the file's own name."""
    given = (root.findtext("filename") or "").strip()
    if PurePosixPath(given).stem == path.stem and PurePosixPath(given).suffix:
        return given
    return by_key.get(path.stem) or given or f"{path.stem}.jpg"


def _add(gathered: Gathered, key: str, where: str, one: Any) -> None:
    corners: Record = {name: one.findtext(f"bndbox/{name}") for name in _CORNERS}
    box = gathered.box(where, corners, _CORNERS)
    category = gathered.category(one.findtext("name"), where, "name")
    if box is None or category is None:
        return
    difficult = (one.findtext("difficult") or "0").strip()
    if difficult not in ("0", "1"):
        rule = "have a difficult that is neither 0 nor 1"
        gathered.problems.add("objects", rule, where, "difficult", {"difficult": difficult})
    gathered.object(key, category, box, ignored=difficult == "1")

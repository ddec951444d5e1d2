"""Images in: every kind of file gives the right pixels or an error that says what it is."""

from __future__ import annotations

import io
import os
import random
import resource
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from tests.helpers.films import film
from tests.helpers.limits import no_longer_than
from tfzoo.errors import ImageError, UsageError
from tfzoo.images import addresses, sources
from tfzoo.images.reading import is_one_image, read_image
from tfzoo.images.sources import ImageFile, find_images, left_out_text

#: Mutated files tried for each format; .ci/run tries 10,000.
MUTATIONS = int(os.environ.get("MUTATIONS", "300"))


def gradient(height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    """A picture without symmetry: red grows to the right, green downwards."""
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[:, :, 0] = np.linspace(0, 255, width)[None, :]
    picture[:, :, 1] = np.linspace(0, 255, height)[:, None]
    return picture


def encoded(format: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(gradient())).save(file, format, **options)
    return file.getvalue()


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


# What can be read


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG", "WEBP", "AVIF"])
def test_each_format_gives_its_pixels_in_rgb(format: str) -> None:
    if format == "AVIF" and "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow is built without AVIF")
    image = read_image(encoded(format))
    assert image.dtype == np.uint8
    assert difference(image, gradient()) < (0.01 if format in ("PNG", "BMP", "TIFF", "PPM") else 8)


def test_gray_palette_cmyk_and_alpha_become_rgb() -> None:
    whole = Image.fromarray(gradient())
    gray = np.asarray(whole.convert("L"))
    assert (read_image(encoded("PNG", whole.convert("L"))) == gray[:, :, None]).all()
    assert (read_image(encoded("PNG", whole.convert("LA"))) == gray[:, :, None]).all()
    assert (read_image(encoded("PNG", whole.convert("RGBA"))) == gradient()).all()
    assert difference(read_image(encoded("PNG", whole.quantize(256))), gradient()) < 8
    assert difference(read_image(encoded("JPEG", whole.convert("CMYK"))), gradient()) < 8
    assert set(np.unique(read_image(encoded("PNG", whole.convert("1"))))) <= {0, 255}


def test_16_bits_keep_their_high_byte() -> None:
    deep = np.linspace(0, 65535, 60, dtype=np.uint16)[None, :].repeat(40, axis=0)
    for format in ("PNG", "TIFF"):
        image = read_image(encoded(format, Image.fromarray(deep)))
        assert (image == (deep >> 8).astype(np.uint8)[:, :, None]).all()
    dark = np.full((4, 4), 255, np.uint16)
    assert read_image(encoded("PNG", Image.fromarray(dark))).max() == 0
    assert (read_image(deep)[:, :, 0] == deep >> 8).all()


def test_float_and_32_bit_tiffs_are_scaled_where_they_leave_8_bits() -> None:
    values = np.array([[0, 100, 255]], np.float32)
    assert (read_image(encoded("TIFF", Image.fromarray(values)))[0, :, 0] == values[0]).all()
    wide = np.array([[0, 25600, 65535]], np.int32)
    assert list(read_image(encoded("TIFF", Image.fromarray(wide)))[0, :, 0]) == [0, 100, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = gradient()
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright), 7: np.rot90(upright[:, ::-1], -1),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    image = read_image(encoded("JPEG", Image.fromarray(np.ascontiguousarray(stored)), exif=exif))
    assert difference(image, upright) < 8


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.fromarray(np.full((8, 8, 3), shade, np.uint8)) for shade in (10, 200)]
    for format in ("GIF", "WEBP", "PNG"):
        options = {"save_all": True, "append_images": frames[1:]}
        options |= {"lossless": True} if format == "WEBP" else {}
        assert read_image(encoded(format, frames[0], **options)).max() == 10


def test_one_pixel_is_an_image() -> None:
    assert read_image(encoded("PNG", Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def test_the_extension_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "really.jpg").write_bytes(encoded("PNG"))
    assert (read_image(tmp_path / "really.jpg") == gradient()).all()


def test_arrays_and_pil_images_are_taken() -> None:
    assert (read_image(gradient()) == gradient()).all()
    assert (read_image(Image.fromarray(gradient())) == gradient()).all()
    assert (read_image(np.dstack([gradient(), gradient()[:, :, :1]])) == gradient()).all()
    assert read_image(gradient()[:, :, 0]).shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), r"got float32 \[4, 4, 3\].*astype"),
        (np.zeros((2, 4, 4, 3), np.uint8), "pass a batch as a list"),
        (np.zeros((0, 4, 3), np.uint8), "the image is empty"),
        (3, "not int"),
    ],
)
def test_what_is_no_image_is_refused(array: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(array)


# What can't


@lru_cache(maxsize=1)
def bad_files() -> dict[str, tuple[bytes, str]]:
    png = encoded("PNG")
    jpeg = encoded("JPEG", Image.fromarray(gradient(400, 600)))
    return {
        "empty": (b"", "the file is empty"),
        "text": (b"hello", "not an image that can be read"),
        "html": (b"<!DOCTYPE html><html>", "not an image that can be read"),
        "truncated JPEG": (jpeg[: len(jpeg) // 2], "damaged image"),
        "truncated PNG": (png[:-30], "damaged image"),
        "header alone": (jpeg[:20], "damaged image|not an image"),
        "truncated WebP": (encoded("WEBP")[:-50], "damaged image|not an image"),
        "EPS, which would start Ghostscript": (encoded("EPS"), "not an image that can be read"),
        "bomb": (
            encoded("PNG", Image.new("1", (13_000, 13_000))),
            "over the limit|far more pixels",
        ),
    }


@pytest.mark.parametrize("kind", list(bad_files()))
def test_a_bad_file_gives_its_reason(kind: str, tmp_path: Path) -> None:
    content, message = bad_files()[kind]
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ImageError, match=message) as raised:
        read_image(tmp_path / "bad.png")
    assert str(tmp_path / "bad.png") in str(raised.value)


class Tensor:
    """What numpy takes for an array, as tensors are."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        if self._array.size == 0:
            raise TypeError("can't convert a device tensor to numpy")
        return self._array


def test_open_files_views_and_tensors_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    written = io.BytesIO()
    written.write(encoded("PNG"))  # It stands at its end.
    with (tmp_path / "a.png").open("rb") as file:
        for source in (file, written, Tensor(gradient()), memoryview(gradient())):
            assert (read_image(source) == gradient()).all()
            assert is_one_image(source)
        assert not file.closed
    for kind in (bytes, bytearray, memoryview):
        assert (read_image(kind(encoded("PNG"))) == gradient()).all()
    as_read = np.array(encoded("PNG"), dtype=object)
    assert (read_image(Tensor(as_read)) == gradient()).all()
    with (
        (tmp_path / "a.png").open(encoding="latin-1") as text,
        pytest.raises(ImageError, match=r"a\.png: opened as text; open .* 'rb'"),
    ):
        read_image(text)
    with pytest.raises(ImageError, match="the Tensor given can't be had as an array: can't"):
        read_image(Tensor(np.zeros((0, 3))))
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ImageError, match="the file given: can't be read"):
        read_image(closed)


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.ones((4, 4, 3), np.float32), r"pass floats from 0 to 1 as \(255 \* image\)\.round"),
        (np.full((4, 4, 3), 200.0), r"pass values from 0 to 255 as image\.round\(\)\.astype"),
        (np.full((4, 4, 3), 200), r"got int64 .*values from 0 to 255 as image\.round"),
        (np.full((4, 4, 3), -1.0), "values from -1 to -1 as uint8, brought to 0 to 255"),
        (np.zeros((3, 4, 5), np.uint8), r"the channels last: image\.transpose\(1, 2, 0\)"),
        (np.zeros((4, 4, 3), bool), "booleans as"),
        (np.zeros((5, 4, 7), np.uint8), "one image, or a batch as a list"),
        (np.full((4, 4, 3), None), "pixels from 0 to 255 as uint8"),
    ],
)
def test_the_advice_fits_the_values(array: NDArray[Any], advice: str) -> None:
    with pytest.raises(ImageError, match=advice):
        read_image(array)


def test_several_images_are_not_one(tmp_path: Path) -> None:
    assert all(map(is_one_image, ["a.jpg", tmp_path, b"", gradient(), Image.new("L", (1, 1))]))
    several = (["a.jpg"], iter("ab"), np.zeros((2, 4, 4, 3)), np.array(["a.jpg", "b.jpg"]))
    assert not any(map(is_one_image, several))


def test_a_larger_limit_lets_a_large_image_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses twice as many.
    large = encoded("PNG")
    with pytest.raises(ImageError, match="far more pixels than the limit of 1500"):
        read_image(large, max_pixels=1500)
    with pytest.raises(ImageError, match="60x40 is 2400 pixels, over the limit of 2399"):
        read_image(large, max_pixels=2399)
    assert (read_image(large, max_pixels=2400) == gradient()).all()


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="a pipe or device"):
        read_image(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="a folder"):
        read_image(tmp_path)
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(ImageError, match="symbolic links"):
        read_image(tmp_path / "loop.png")
    with pytest.raises(ImageError, match="no file can be called so"):
        read_image("a\0b.png")


MUTANTS = [
    encoded("JPEG", quality=90),
    encoded("JPEG", progressive=True),
    encoded("PNG"),
    encoded("PNG", Image.fromarray(gradient()).quantize(16)),
    encoded("WEBP"),
    encoded("WEBP", lossless=True),
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A file with bytes changed, cut out, repeated or put in."""
    data = bytearray(draw(st.sampled_from(MUTANTS)))
    # Mostly one change: of eight, hardly a file could still be read.
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4, 8]))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        kind = draw(st.sampled_from(["flip", "set", "cut", "repeat", "insert", "end"]))
        if kind == "end":
            del data[at:]
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif data:
            at = min(at, len(data) - 1)
            data[at] = draw(st.integers(0, 255)) if kind == "set" else data[at] ^ 1 << (at % 8)
    return bytes(data)


def test_no_mutated_file_crashes_hangs_or_swells() -> None:
    outcomes = {"read": 0, "refused": 0}

    @settings(
        max_examples=MUTATIONS, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(mutated())
    def check(data: bytes) -> None:
        with no_longer_than(5):
            try:
                image = read_image(data, max_pixels=10_000_000)
            except ImageError:
                outcomes["refused"] += 1
            else:
                assert image.dtype == np.uint8
                assert image.ndim == 3
                assert image.shape[0] * image.shape[1] <= 10_000_000
                outcomes["read"] += 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check()
    swollen_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert swollen_mib < 300
    assert outcomes["read"] > MUTATIONS / 20
    assert outcomes["refused"] > MUTATIONS / 20


# Finding them


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded("PNG"))
    return folder


def names(*given: str | Path, recursive: bool = False) -> list[str]:
    return [image.name for image in find_images(given, recursive)]


def test_a_folder_gives_its_images_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a.jpg", "c.txt", "10.webp", "9.tif", "sub/d.png", "sub/a/z.gif")
    assert names(tmp_path) == ["10.webp", "9.tif", "a.jpg", "b.PNG"]
    found = names(tmp_path, recursive=True)
    assert found == ["10.webp", "9.tif", "a.jpg", "b.PNG", "sub/a/z.gif", "sub/d.png"]


def test_files_globs_and_several_sources(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.png", "b/1.png", "odd.dat")
    assert names(tmp_path / "odd.dat") == ["odd.dat"]
    assert names(f"{tmp_path}/*/1.png") == [f"{tmp_path}/{part}/1.png" for part in "ab"]
    assert names(tmp_path / "b", tmp_path / "a") == [
        f"{tmp_path}/{name}.png" for name in ("b/1", "a/1", "a/2")
    ]


def test_every_ending_that_pillow_reads_is_walked_and_the_others_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.JFIF", "b.avif", "c.jpe", "d.jp2", "e.tga", "f.HEIC", "._a.jpg", ".b.jpg")
    touch(tmp_path, "1.txt", "2.txt", "clip.MP4", ".DS_Store", "README", "__MACOSX/a.jpg")
    left_out: Counter[str] = Counter()
    found = [image.name for image in find_images([tmp_path], True, left_out)]
    assert found == [".b.jpg", "a.JFIF", "b.avif", "c.jpe", "d.jp2", "e.tga", "f.HEIC"]
    assert left_out == {".txt": 2, ".mp4": 1, "": 1}
    remote = Counter[str]()
    assert [i.name for i in find_images([f"file://{tmp_path}"], True, remote)] == found
    assert remote == left_out


def test_what_was_left_out_is_told_by_ending() -> None:
    assert left_out_text({".txt": 3, ".heic": 9}) == (
        "12 files left out: 9 .heic (pip install 'tfzoo[heif]'), 3 .txt"
    )
    assert left_out_text({"": 1}) == "1 file left out: 1 without ending"
    assert left_out_text({".mp4": 2, ".a": 2}) == (
        "4 files left out: 2 .a, 2 .mp4 (videos are read where they are named)"
    )


def test_a_folder_of_other_files_says_so(tmp_path: Path) -> None:
    touch(tmp_path, "a.mov", "b.mov")
    with pytest.raises(UsageError, match=r"no image found .*; 2 files left out: 2 \.mov \(videos"):
        names(tmp_path)


def test_brackets_in_a_name_that_is_there_are_no_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "photos [2020]/a.png", "photos [2020]/b [1].png", "photos 2/c.png", "p1.png")
    below = f"{tmp_path}/photos [2020]"
    both = [f"{below}/a.png", f"{below}/b [1].png"]
    assert names(f"{below}/*.png") == both
    assert names(f"{tmp_path}/**/photos [2020]/*.png") == both
    assert names(f"{below}/b [1]*") == both[1:]
    assert names(f"{tmp_path}/photos [12]/*.png") == [f"{tmp_path}/photos 2/c.png"]
    assert names(f"{tmp_path}/p[0-9].png") == [f"{tmp_path}/p1.png"]
    with pytest.raises(UsageError, match="no image found"):
        names(f"{tmp_path}/p[x].png")


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a.png")
    (tmp_path / "photos" / "up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "up.png").symlink_to(tmp_path / "photos")
    assert names(tmp_path / "photos", recursive=True) == ["a.png", "up.png"]


def test_a_subfolder_that_can_not_be_read_is_an_entry_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    scan = os.scandir

    def denied(path: str) -> Any:
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = list(find_images([tmp_path], recursive=True))
    assert [image.name for image in found] == ["a", "b/2.png"]
    with pytest.raises(ImageError, match="can't be read: Permission denied"):
        read_image(found[0].path)


def test_folders_may_lie_as_deep_as_names_can_be_long(tmp_path: Path) -> None:
    folders = [tmp_path.joinpath("photos", *["d"] * depth) for depth in range(1101)]
    try:
        for folder in folders:
            folder.mkdir()
        for folder in (folders[0], folders[-1]):
            (folder / "x.png").touch()
        names = [image.name for image in find_images([tmp_path / "photos"], recursive=True)]
        assert names == ["d/" * 1100 + "x.png", "x.png"]
    finally:
        for folder in reversed(folders):  # Too many for what removes folders with all.
            (folder / "x.png").unlink(missing_ok=True)
            folder.rmdir()


@pytest.mark.parametrize("held", [1, 3, 7, 1000])
def test_folders_are_sorted_with_few_names_in_memory(held: int) -> None:
    entries = [(f"{i}\udce9é\n.png", bool(i % 2)) for i in range(50)]
    shuffled = random.Random(1).sample(entries, len(entries))
    ordered = [tuple(entry) for entry in sources._sorted(iter(shuffled), held)]
    assert ordered == sorted(entries)


def test_a_text_file_gives_the_paths_on_its_lines(tmp_path: Path) -> None:
    touch(tmp_path / "data", "a.png", "sub/b.png")
    listing = tmp_path / "data" / "list.txt"
    listing.write_bytes(
        b"\xef\xbb\xbf# photos\nsub/b.png\r\n\n  a.png  \nhttps://host/c.jpg\ncaf\xe9.png\n"
    )
    assert list(find_images([listing])) == [
        ImageFile(f"{tmp_path}/data/sub/b.png", "sub/b.png"),
        ImageFile(f"{tmp_path}/data/a.png", "a.png"),
        ImageFile("https://host/c.jpg", "https://host/c.jpg"),
        ImageFile(f"{tmp_path}/data/caf\udce9.png", "caf\udce9.png"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_a_list_may_be_written_in_any_unicode(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("a.png\r\n\r\nsub/bär.png\r\n".encode(encoding))
    assert names(tmp_path / "list.txt") == ["a.png", "sub/bär.png"]


def test_a_list_may_have_quotes_home_folders_and_backslashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(touch(tmp_path, "home.png", "sub/b.png")))
    lines = ['"a b.png"', "'c.png'", "~/home.png", '"~/home.png"', "sub\\b.png", "'d.png", "''"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    home = f"{tmp_path}/home.png"
    expected = ["a b.png", "c.png", home, home, "sub/b.png", "'d.png", "''"]
    assert names(tmp_path / "list.txt") == expected
    assert [image.path for image in find_images(["~/home.png"])] == [home]
    with pytest.raises(UsageError, match="no-such-user"):
        names("~no-such-user/a.png")


def test_nothing_found_says_what_was_expected(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png")
    with pytest.raises(UsageError, match=r"no image found.*\.jpeg.*--recursive"):
        names(tmp_path)
    with pytest.raises(UsageError, match="does not exist; expected a file, a folder, a glob"):
        names(tmp_path / "nowhere")


def test_a_folder_at_an_address_is_walked(tmp_path: Path) -> None:
    touch(tmp_path / "my photos", "b.png", "a.png", "sub/c.png", "notes.md")
    address = f"file://{tmp_path}/my%20photos"
    found = list(find_images([address]))
    assert [image.name for image in found] == ["a.png", "b.png"]
    assert all((read_image(image.path) == gradient()).all() for image in found)
    assert names(address, recursive=True) == ["a.png", "b.png", "sub/c.png"]
    with pytest.raises(UsageError, match="nothing lies at"):
        names(f"file://{tmp_path}/nowhere")
    with pytest.raises(ImageError, match="can't be read"):
        read_image(f"file://{tmp_path}/gone.png")


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/photo.png?size=1" else 404)
            self.end_headers()
            self.wfile.write(encoded("PNG"))

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_an_image_behind_an_address_is_fetched(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{server}/photo.png?size=1"
    assert names(address) == [address]
    assert (read_image(address) == gradient()).all()
    with pytest.raises(ImageError, match="the server answered 404"):
        read_image(f"{server}/gone.png")
    with pytest.raises(ImageError, match="can't be fetched"):
        read_image("http://127.0.0.1:1/photo.png")
    monkeypatch.setattr(addresses, "MAX_FETCHED_BYTES", 10)
    with pytest.raises(ImageError, match="larger than"):
        read_image(address)


def test_a_file_behind_an_address_may_have_the_limits_size_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert addresses.MAX_FETCHED_BYTES == 512 * 1024 * 1024
    data = encoded("PNG")
    (tmp_path / "photo.png").write_bytes(data)
    monkeypatch.setattr(addresses, "MAX_FETCHED_BYTES", len(data))
    assert (read_image(f"file://{tmp_path}/photo.png") == gradient()).all()
    monkeypatch.setattr(addresses, "MAX_FETCHED_BYTES", len(data) - 1)
    with pytest.raises(ImageError, match="larger than"):
        read_image(f"file://{tmp_path}/photo.png")


def test_videos_count_where_they_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "clip.MP4")
    assert names(tmp_path) == ["a.png"]
    assert [image.is_video for image in find_images([tmp_path / "clip.MP4"])] == [True]
    assert ImageFile("https://host/clip.mp4?key=1", "clip").is_video
    assert not ImageFile("https://host/clip", "clip").is_video


def test_whatever_opens_as_a_video_and_is_no_image_is_one(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", 2)
    for ending in ("", ".rm", ".dat"):
        clip = clip.rename(tmp_path / f"clip{ending}")
        assert ImageFile(str(clip), "clip").is_video
    touch(tmp_path, "photo.dat", "photo")
    (tmp_path / "text.md").write_text("# A text\n" * 100)
    (tmp_path / "empty").touch()
    (tmp_path / "phone.dat").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    for name in ("photo.dat", "photo", "text.md", "empty", "gone", "phone.dat"):
        assert not ImageFile(str(tmp_path / name), name).is_video
    for ending in ["3gp", "3g2", "ts", "mts", "m2ts", "wmv", "asf", "flv", "ogv", "vob", "mjpeg"]:
        assert ImageFile(f"clip.{ending.upper()}", "clip").is_video


def test_an_address_of_nothing_is_one_image_that_fails_or_a_source_that_is_none() -> None:
    assert [image.name for image in find_images(["http://["])] == ["http://["]
    for source in ("s3://[", "nowhere://host/x.jpg"):
        with pytest.raises(UsageError, match="can't be read"):
            list(find_images([source]))
    for address in ("http://[", "http://127.0.0.1:99999999/x.jpg", "s3://["):
        assert not ImageFile(address, address).is_video
        with pytest.raises(ImageError):
            read_image(address)


class Hostile:
    """A file that fails like no other."""

    name = "hostile.png"

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def read(self, *given: Any) -> bytes:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (KeyError("x"), "can't be read: 'x'"),
        (RecursionError(), "can't be read: RecursionError"),
        (MemoryError(), "too large for this machine's memory"),
        (OSError("line one"), "can't be read: line one"),
        (UnicodeDecodeError("ascii", b"x", 0, 1, "no"), "can't be read: 'ascii' codec"),
    ],
)
def test_whatever_is_raised_in_reading_is_an_image_error(failure: Exception, reason: str) -> None:
    with pytest.raises(ImageError, match=f"hostile.png: {reason}"):
        read_image(Hostile(failure))
    with pytest.raises(KeyboardInterrupt):
        read_image(Hostile(KeyboardInterrupt()))  # type: ignore[arg-type]

"""Hostile and damaged archives are refused whole; good ones are found whatever their shape."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.store_faults import (
    POLICY,
    check_cache,
    make_archive,
    make_spec,
    serving,
    trial,
    trials,
)
from tfzoo.errors import ArchiveError
from tfzoo.store.archive import Limits, records, unpack
from tfzoo.store.fetch import fetch
from tfzoo.store.unpacked import find_model

GOOD = make_archive(seed=1, size=50_000)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    """One entry of a tar, header and content."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(-(-size // 512) * 512)


def tar(*members: bytes) -> bytes:
    """A tar of these entries, after a good model's."""
    good = make_archive(seed=1, size=50_000, mode="w").content
    return good.rstrip(b"\0").ljust(-(-len(good.rstrip(b"\0")) // 512) * 512, b"\0") + b"".join(
        (*members, bytes(1024))
    )


def zipped(name: str, content: bytes = b"", mode: int = stat.S_IFREG | 0o644) -> bytes:
    """A zip of a good model with one more entry."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/saved_model.pb", b"\x08\x01")
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def encrypted() -> bytes:
    """A zip whose second entry says that it is encrypted."""
    content = bytearray(zipped("m/secret", b"secret"))
    # The flags of its header, and of the directory at the end (PKWARE's APPNOTE, 4.3.7, 4.3.12).
    content[content.rindex(b"PK\x03\x04") + 6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def claim(kind: bytes, size: int) -> bytes:
    """The header of an entry that claims to be of this size, without its content."""
    info = tarfile.TarInfo("claim")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "..": lambda: tar(member("../escaped")),
    ".. in the middle": lambda: tar(member("some_model/../../escaped")),
    "absolute": lambda: tar(member("/tmp/escaped")),
    "drive": lambda: tar(member("C:/escaped")),
    "backslash": lambda: tar(member("..\\escaped")),
    "symlink out": lambda: tar(member("out", tarfile.SYMTYPE, "../../escaped")),
    "symlink absolute": lambda: tar(member("out", tarfile.SYMTYPE, "/etc/passwd")),
    "symlink to a folder, then through it": lambda: tar(
        member("out", tarfile.SYMTYPE, "."), member("out/../escaped")
    ),
    "symlink chain": lambda: tar(
        member("a", tarfile.SYMTYPE, "some_model"), member("b", tarfile.SYMTYPE, "a/..")
    ),
    "dangling symlink": lambda: tar(member("out", tarfile.SYMTYPE, "nowhere")),
    "hard link out": lambda: tar(member("out", tarfile.LNKTYPE, "../../../etc/passwd")),
    "hard link absolute": lambda: tar(member("out", tarfile.LNKTYPE, "/etc/passwd")),
    "character device": lambda: tar(member("device", tarfile.CHRTYPE)),
    "block device": lambda: tar(member("device", tarfile.BLKTYPE)),
    "pipe": lambda: tar(member("pipe", tarfile.FIFOTYPE)),
    "unknown kind": lambda: tar(member("odd", b"Z")),
    "twice": lambda: tar(member("x", size=1), member("x", size=2)),
    "file as a folder": lambda: tar(member("x", size=1), member("x/y", size=1)),
    "huge size": lambda: tar(claim(tarfile.REGTYPE, 1 << 40)),
    "huge header": lambda: tar(claim(tarfile.XHDTYPE, 1 << 30)),
    "sparse": lambda: tar(claim(tarfile.GNUTYPE_SPARSE, 1 << 40)),
    "damaged header": lambda: tar(b"x" * 512, member("after")),
    "zip ..": lambda: zipped("../escaped"),
    "zip absolute": lambda: zipped("/tmp/escaped"),
    "zip symlink": lambda: zipped("out", b"/etc/passwd", stat.S_IFLNK | 0o777),
    "zip encrypted": encrypted,
    "zip pipe": lambda: zipped("out", b"", stat.S_IFIFO | 0o644),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    root = tmp_path / "deep" / "in" / "cache"
    monkeypatch.setenv("TFZOO_CACHE", str(root))
    content = HOSTILE[kind]()
    with serving(GOOD) as server:
        server.objects["/hostile.tar.gz"] = content
        spec = make_spec(server.url + "/hostile.tar.gz")
        with trial("hostile archive of each kind"):
            with pytest.raises(ArchiveError, match=r"refused|damaged"):
                fetch(spec, policy=POLICY, allow_unverified=True)
            assert check_cache(root) == []
            assert list((root / "models").rglob("*.tmp")) == []
            assert not list(tmp_path.rglob("*escaped*"))
            assert not Path("/tmp/escaped").exists()
        good = make_spec(server.url + "/hostile.tar.gz", server.url + "/some_model.tar.gz")
        fetch(good, policy=POLICY, allow_unverified=True)
        assert len(check_cache(root, GOOD)) == 1


def test_a_bomb_of_zeros_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    size = 64 << 20
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar_file:
        for index in range(3):
            info = tarfile.TarInfo(f"zeros{index}")
            info.size = size
            tar_file.addfile(info, io.BytesIO(bytes(size)))
    (tmp_path / "bomb.tar.gz").write_bytes(packed.getvalue())
    limits = Limits(always_bytes=100 << 20)
    with pytest.raises(ArchiveError, match="implausible size"):
        unpack(tmp_path / "bomb.tar.gz", tmp_path / "out", limits)
    written = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert written <= limits.always_bytes
    (tmp_path / "bomb.zip").write_bytes(zipped("zeros", bytes(2 * size)))
    with pytest.raises(ArchiveError, match="implausible size"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out2", limits)


def test_a_bomb_of_many_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bomb.tar").write_bytes(tar(*(member(f"f{n}") for n in range(101))))
    with trial("hostile archive of each kind"):
        with pytest.raises(ArchiveError, match="more than 100 entries"):
            unpack(tmp_path / "bomb.tar", tmp_path / "out", Limits(files=100))
        assert len(list((tmp_path / "out").iterdir())) <= 100


def test_the_limits_are_those_of_a_generous_model() -> None:
    """1 GiB whatever the archive, above it a hundred times its size; a header of 16 MiB."""
    expected = Limits(files=10_000, always_bytes=1_073_741_824, ratio=100, header_bytes=16_777_216)
    assert Limits() == expected


def test_an_archive_right_at_a_limit_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    # Two entries: saved_model.pb of two bytes, and zeros.
    path.write_bytes(zipped("m/zeros", bytes(100_000)))

    def tried(**limits: int) -> int:
        folder = tmp_path / f"out {limits}"
        return len(unpack(path, folder, Limits(**limits)))

    assert tried(files=2, always_bytes=100_002, ratio=0) == 2
    with pytest.raises(ArchiveError, match="more than 1 entries"):
        tried(files=1)
    with pytest.raises(ArchiveError, match="implausible size"):
        tried(always_bytes=100_001, ratio=0)
    ratio = -(-100_002 // path.stat().st_size)
    assert tried(always_bytes=0, ratio=ratio) == 2
    with pytest.raises(ArchiveError, match=f"more than {ratio - 1} times its own"):
        tried(always_bytes=0, ratio=ratio - 1)


def test_a_header_right_at_its_limit_is_read(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar_file:
        info = tarfile.TarInfo("m/saved_model.pb")
        info.pax_headers = {"comment": "x" * (2 << 20)}
        tar_file.addfile(info)
    (tmp_path / "m.tar").write_bytes(packed.getvalue())
    # In whole blocks of 512 bytes, and each field with its name and length.
    claimed = (2 << 20) + 512
    unpack(tmp_path / "m.tar", tmp_path / "out", Limits(header_bytes=claimed))
    with pytest.raises(ArchiveError, match="claims an implausible size"):
        unpack(tmp_path / "m.tar", tmp_path / "out2", Limits(header_bytes=claimed - 1))


def test_zeros_after_the_last_entry_are_a_bomb_too(tmp_path: Path) -> None:
    padded = make_archive(size=1000, mode="w").content + bytes(64 << 20)
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(padded))
    with pytest.raises(ArchiveError, match="implausible size"):
        unpack(tmp_path / "bomb.tar.gz", tmp_path / "out", Limits(always_bytes=32 << 20))


def test_an_archive_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    for chance in trials("truncated archive"):
        after = chance.randrange(1, len(GOOD.content))
        path = tmp_path / f"cut {after}.tar.gz"
        path.write_bytes(GOOD.content[:after])
        with pytest.raises(ArchiveError, match=r"damaged|no archive"):
            unpack(path, tmp_path / f"out {after}")


def test_a_plain_tar_cut_between_its_entries_is_damaged(tmp_path: Path) -> None:
    whole = make_archive(size=1000, mode="w").content
    end = len(whole.rstrip(b"\0"))
    (tmp_path / "m.tar").write_bytes(whole[: -(-end // 512) * 512])
    with pytest.raises(ArchiveError, match="without its end"):
        unpack(tmp_path / "m.tar", tmp_path / "out")


def test_a_page_of_text_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(b"<!DOCTYPE html><title>Sign in to the network</title>")
    with pytest.raises(ArchiveError, match=r"no archive .it starts with b'<!DOCTYPE html>"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "out")


def test_links_inside_the_tree_become_files(tmp_path: Path) -> None:
    target = "some_model/saved_model/saved_model.pb"
    content = tar(
        member("some_model/copy.pb", tarfile.SYMTYPE, "saved_model/saved_model.pb"),
        member("some_model/other/copy.pb", tarfile.SYMTYPE, "../saved_model/saved_model.pb"),
        member("hard.pb", tarfile.LNKTYPE, target),
    )
    (tmp_path / "m.tar").write_bytes(content)
    files = unpack(tmp_path / "m.tar", tmp_path / "out")
    for name in ("some_model/copy.pb", "some_model/other/copy.pb", "hard.pb"):
        path = tmp_path / "out" / name
        assert not path.is_symlink()
        assert path.read_bytes() == GOOD.files[target]
        assert files[name] == files[target]


def test_folders_that_an_archive_does_not_list_are_made(tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(tar(member("not/listed/before", size=3)))
    unpack(tmp_path / "m.tar", tmp_path / "out")
    assert (tmp_path / "out/not/listed/before").read_bytes() == bytes(3)


def test_what_somebody_else_unpacked_is_recorded_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(GOOD.content)
    recorded = unpack(tmp_path / "m.tar.gz", tmp_path / "out")
    assert records(tmp_path / "out") == recorded
    (tmp_path / "out" / "empty").mkdir()
    assert records(tmp_path / "out") == recorded


@pytest.mark.parametrize("kind", ["link", "link to a folder", "pipe"])
def test_what_somebody_else_unpacked_may_hold_no_link_and_no_pipe(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "file").touch()
    odd = tmp_path / "out" / "deep" / "odd"
    if kind == "pipe":
        os.mkfifo(odd)
    else:
        odd.symlink_to("../file" if kind == "link" else "..")
    with pytest.raises(ArchiveError, match="out is refused: 'deep/odd' is a link or no file"):
        records(tmp_path / "out")


def test_modes_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar_file:
        info = tarfile.TarInfo("m/saved_model.pb")
        info.size, info.mode, info.uid = 2, 0o6777, 0
        tar_file.addfile(info, io.BytesIO(b"\x08\x01"))
    (tmp_path / "m.tar.gz").write_bytes(packed.getvalue())
    unpack(tmp_path / "m.tar.gz", tmp_path / "out")
    mode = (tmp_path / "out" / "m" / "saved_model.pb").stat().st_mode
    assert stat.S_IMODE(mode) & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR | stat.S_IWOTH) == 0


@pytest.mark.parametrize("root", ["stem", "another_name", "a/b/c", "."])
@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_the_model_is_found_wherever_it_lies(tmp_path: Path, root: str, mode: str) -> None:
    archive = make_archive(size=1000, root=root, mode=mode)
    name = "m.tar.gz" if mode == "w:gz" else "m.tar"
    (tmp_path / name).write_bytes(archive.content)
    unpack(tmp_path / name, tmp_path / "out")
    found = find_model(tmp_path / "out")
    assert found == tmp_path / "out" / root / "saved_model"


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(zipped("m/variables/variables.index", b"index"))
    files = unpack(tmp_path / "m.zip", tmp_path / "out")
    assert set(files) == {"m/saved_model.pb", "m/variables/variables.index"}
    assert (tmp_path / "out/m/variables/variables.index").read_bytes() == b"index"


def test_an_archive_without_a_model_or_with_several_says_so(tmp_path: Path) -> None:
    (tmp_path / "frozen").mkdir()
    (tmp_path / "frozen" / "graph.pb").touch()
    with pytest.raises(ArchiveError, match=r"no saved_model\.pb"):
        find_model(tmp_path / "frozen")
    for name in ("one", "two"):
        (tmp_path / "both" / name).mkdir(parents=True)
        (tmp_path / "both" / name / "saved_model.pb").touch()
    with pytest.raises(ArchiveError, match="several models: one, two"):
        find_model(tmp_path / "both")
    (tmp_path / "both" / "saved_model.pb").touch()
    assert find_model(tmp_path / "both") == tmp_path / "both"


def test_nothing_is_written_through_a_link_that_lies_in_wait(tmp_path: Path) -> None:
    """A folder that somebody swapped for a link before unpacking is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "m.tar.gz").write_bytes(GOOD.content)
    with pytest.raises(FileExistsError):
        unpack(tmp_path / "m.tar.gz", tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_checkpoint_without_a_saved_model_is_told_from_an_empty_archive(tmp_path: Path) -> None:
    """As the archive of ExtremeNet is said to be (tensorflow/models 8989)."""
    with pytest.raises(ArchiveError, match=r"holds no saved_model\.pb"):
        find_model(tmp_path)
    (tmp_path / "extremenet").mkdir()
    (tmp_path / "extremenet" / "ckpt-1.index").touch()
    with pytest.raises(ArchiveError, match=r"checkpoint \(extremenet/ckpt-1\.index\).*exporter"):
        find_model(tmp_path)

"""What a command seems not to have installed; test_light_start.py has what then is not loaded."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import ModuleType

import pytest

from tfzoo.cli.light import start_light


class Asked(MetaPathFinder):
    """Notes what is sought, as a finder may that another library has put first or last."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> None:
        self.names.append(name)


def test_what_is_kept_out_is_sought_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(sys, "meta_path", [asked, *sys.meta_path])
    for name in ("pandas", "openvino.tools.ovc"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in ("openvino", "openvino.tools"):
        package = ModuleType(name)
        package.__path__ = []
        monkeypatch.setitem(sys.modules, name, package)

    def array(values: list[float]) -> None:
        with pytest.raises(ModuleNotFoundError, match="No module named 'pandas'"):
            import_module("pandas")

    pyarrow = ModuleType("pyarrow")
    pyarrow.array = array  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyarrow", pyarrow)
    start_light()
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'openvino\.tools\.ovc'"):
        import_module("openvino.tools.ovc")
    assert not {"pandas", "openvino.tools.ovc"} & set(asked.names)

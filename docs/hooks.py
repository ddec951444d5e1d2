"""The site's pages that lie outside of docs/: README and its like, and the notebooks as stored.

mkdocs calls the `on_...` functions. Links are written for a checkout (`docs/cli.md`); here they
are made the site's own, and what a page links to comes with it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

ROOT = Path(__file__).parents[1]

NOTEBOOKS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("notebooks/*.ipynb"))

#: Files of the checkout to the pages of the site that show them.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "measured.md",
    "demo_model/README.md": "demo_model.md",
    **{path: path.replace(".ipynb", ".md") for path in NOTEBOOKS},
}
#: Folders of the checkout to the pages that stand for them.
FOLDERS = {
    "demo_model": "demo_model.md",
    "docs": "index.md",
    "examples": "examples.md",
    "notebooks": PAGES[NOTEBOOKS[0]],
}
#: The same, the other way.
_SHOWN = {page: path for path, page in PAGES.items()}

#: A link or picture of Markdown to a file of the checkout: its path and its anchor.
_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside of docs/."""
    for path, page in PAGES.items():
        if path.endswith(".ipynb"):
            content, pictures = read_notebook(ROOT / path)
            for name, data in pictures.items():
                files.append(File.generated(config, f"notebooks/{name}", content=data))
        else:
            content = (ROOT / path).read_text()
        files.append(File.generated(config, page, content=content))
    return files


def read_notebook(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook as stored, not run: its Markdown, and its pictures by their names beside it."""
    resources: dict[str, Any] = {
        "unique_key": path.stem,
        "output_files_dir": f"{path.stem}_files",
    }
    notebook = nbformat.read(path, as_version=4)
    markdown, resources = MarkdownExporter().from_notebook_node(notebook, resources)
    # Tables look like the site's own, and pictures are told by what they are.
    markdown = re.sub(r"<style scoped>.*?</style>\s*", "", markdown, flags=re.DOTALL)
    markdown = markdown.replace('<table border="1" class="dataframe">', "<table>")
    markdown = re.sub(r"!\[(svg|png|jpeg)\]", "![What the code above draws]", markdown)
    return markdown, resources["outputs"]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes a page's links the site's own."""
    here = page.file.src_uri
    source = _SHOWN.get(here, f"docs/{here}")

    def relinked(link: re.Match[str]) -> str:
        # A notebook's pictures are made here; the checkout has no such files.
        if files.get_file_from_path(posixpath.join(posixpath.dirname(here), link[1])):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        there = _page_of(path, config, files)
        return f"]({posixpath.relpath(there, posixpath.dirname(here) or '.')}{link[2] or ''})"

    return _LINK.sub(relinked, markdown)


def _page_of(path: str, config: MkDocsConfig, files: Files) -> str:
    """Where the site has a file or folder of the checkout; what it has not yet, it takes."""
    if path in PAGES or path in FOLDERS:
        return (PAGES | FOLDERS)[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if (ROOT / path).is_file() and files.get_file_from_path(path) is None:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return path

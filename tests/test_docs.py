"""What the pages of the documentation show is what happens."""

import doctest
import re
from pathlib import Path

import pytest

_PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.stem)
def test_sessions_of_a_page_come_out_as_printed(page):
    if page.stem == "opencl":
        pytest.importorskip("pyopencl")
    # The end of a fenced block would be taken for output.
    text = page.read_text(encoding="utf-8").replace("\n```", "\n\n")
    session = doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(session).failed == 0


def test_there_are_sessions_to_run():
    assert any(">>> " in page.read_text(encoding="utf-8") for page in _PAGES)


_ROOT = Path(__file__).parents[1]
#: Pages whose code is plain, to be copied; on the start page each block stands alone.
_COPIED = [_ROOT / "README.md", _ROOT / "docs" / "index.md", _ROOT / "docs" / "getting_started.md"]


def blocks(page: Path) -> list[str]:
    """The Python code of a page."""
    return re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", _COPIED, ids=lambda page: page.stem)
def test_code_that_is_meant_to_be_copied_runs(page):
    pytest.importorskip("matplotlib")
    shared: dict = {}
    found = blocks(page)
    assert found
    for block in found:
        exec(compile(block, page.name, "exec"), {} if page.stem == "index" else shared)

"""The pages of fastgibbs/docs: their Python runs as it stands, and the files that they name are there."""

import re
from pathlib import Path
from unittest import mock

import pytest

from fastgibbs.engines import ENGINES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "fastgibbs" / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md"))


def test_there_are_four_pages():
    assert PAGES == ["architecture.md", "changelog.md", "citing.md", "extending.md"]


@pytest.mark.parametrize("page", PAGES)
def test_every_python_block_runs_and_prints_what_it_says(page, capsys):
    names = {"__name__": "page"}
    with mock.patch.dict(ENGINES):  # one is registered
        for block in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
            exec(block, names)
            assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page):
    named = set(re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", (DOCS / page).read_text()))
    missing = {
        name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "fastgibbs", ROOT / "tests"))
    }
    assert not missing


def test_the_table_of_floors_is_that_of_the_tests():
    from test_floors import FLOORS

    rows = re.findall(r"^\| \d \| (.*) \|$", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    told = [set(re.findall(r"`([\w.]+?)(?:\.py)?`", row)) for row in rows]
    assert told == [set(floor) for floor in FLOORS[: len(told)]]
    assert set(FLOORS[len(told) :][0]) == {"__init__", "__main__"}

"""The README and the pages of fastgibbs/docs: their Python runs as it stands, and what they name is there."""

import re
from pathlib import Path
from unittest import mock

import pytest

from fastgibbs.__main__ import main
from fastgibbs.engines import ENGINES
from fastgibbs.gallery.runs import BUILT_IN

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "fastgibbs" / "docs"
PAGES = {page.name: page for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))}
FOLDERS = (ROOT, ROOT / "fastgibbs", ROOT / "tests")  # that names of files start at
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


@every_page
def test_every_python_block_runs_and_prints_what_it_says(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    with mock.patch.dict(ENGINES):  # one is registered
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            exec(block, names)
            assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


@every_page
def test_every_file_that_a_page_names_is_there(page):
    text = page.read_text()
    named = set(re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", text))  # alone, also without a folder
    named |= set(re.findall(r"(?<![\w/.])((?:\w+/)+\w+\.(?:py|md|json|png))\b", text))
    assert not [name for name in named if not any((folder / name).exists() for folder in FOLDERS)]


@every_page
def test_every_link_and_picture_of_a_page_is_there(page):
    targets = re.findall(r"\]\((?!https?:)(.*?)\)", page.read_text())
    assert not [target for target in targets if not (page.parent / target).exists()]


@every_page
def test_every_command_that_a_page_names_is_one(page, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    known = set(re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE))
    text = page.read_text()
    assert set(re.findall(r"python -m fastgibbs (\w+)", text)) <= known
    assert set(re.findall(r"python -m fastgibbs run ([a-z]\w*)", text)) <= set(BUILT_IN)
    pages = set(re.findall(r"python -m fastgibbs\.pages ([a-z]\w*)", text))
    assert pages <= {"reference", *(script.stem for script in DOCS.glob("*.py"))}


def test_the_readme_names_every_page_and_script():
    linked = set(re.findall(r"\]\(fastgibbs/docs/(.*?)\)", (ROOT / "README.md").read_text()))
    assert linked == {path.name for path in DOCS.iterdir() if path.suffix in {".md", ".py"}}


def test_the_table_of_floors_is_that_of_the_tests():
    from test_floors import FLOORS

    rows = re.findall(r"^\| \d \| (.*) \|$", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    told = [set(re.findall(r"`([\w.]+?)(?:\.py)?`", row)) for row in rows]
    assert told == [set(floor) for floor in FLOORS[: len(told)]]
    assert set(FLOORS[len(told) :][0]) == {"__init__", "__main__"}


def test_the_table_of_engines_has_all_of_them():
    named = re.findall(r"^\| `(\w+)` \| ", (DOCS / "architecture.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(ENGINES)

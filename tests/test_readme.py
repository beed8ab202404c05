"""The README's Python runs as it stands."""

import re
from pathlib import Path

import pytest

from fastgibbs.__main__ import main
from fastgibbs.gallery.runs import BUILT_IN

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_every_python_block_runs_and_prints_what_it_says(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        exec(block, names)
        assert capsys.readouterr().out.splitlines() == re.findall(r"print\(.*\)  # (.*)", block)


def test_the_first_python_block_has_eight_lines():
    first = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    assert len([line for line in first.splitlines() if line.strip()]) == 8


def test_every_command_named_is_one(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    known = re.findall(r"^    (\w+)  ", capsys.readouterr().out, flags=re.M)
    assert len(known) > 5
    named = set(re.findall(r"python -m fastgibbs (\w+)", README))
    assert {"verify", "info"} < named <= set(known)
    assert set(re.findall(r"python -m fastgibbs run (\w+)", README)) <= set(BUILT_IN)

"""The README is a front door: what is to be done stands first, and each promise has what checks it."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()
SCREEN = 30  # lines
USERS = ("physicist", "optimiser", "learner")


def test_the_first_python_block_has_eight_lines():
    first = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    assert len([line for line in first.splitlines() if line.strip()]) == 8


def test_the_two_commands_stand_on_the_first_screen():
    commands = [number for number, line in enumerate(README.splitlines(), 1) if line.startswith("pip install")]
    assert len(commands) == 2 and commands[-1] <= SCREEN


def test_each_user_has_a_few_lines_a_page_and_an_example():
    for user in USERS:
        (words,) = re.findall(rf"^\*\*An? {user}\.\*\* (.*?)\n\n```python$", README, re.DOTALL | re.MULTILINE)
        assert len(words.splitlines()) <= 3
        assert f"(fastgibbs/docs/{user}.py)" in words and f"`python -m fastgibbs.pages {user}`" in words


def test_each_promise_has_a_command_or_a_call_that_checks_it():
    (rows,) = re.findall(r"^\| promise \| checked by \|\n\|---\|---\|\n(.*?)\n\n", README, re.DOTALL | re.MULTILINE)
    for row in rows.splitlines():
        promise, check = row.strip("| ").split(" | ")
        assert re.match(r"`(python -m (fastgibbs|pytest) |fg\.)\w+", check), promise
    assert "`python -m fastgibbs verify`" in rows and "`python -m fastgibbs info`" in README

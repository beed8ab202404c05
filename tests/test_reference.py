"""The API reference has every public name, says what its docstring says, and opens offline."""

import inspect
import re
import runpy
from html.parser import HTMLParser
from posixpath import normpath
from types import ModuleType

import pytest

import fastgibbs as fg

pytest.importorskip("pdoc", reason="it makes the reference")
from fastgibbs.pages.reference import write_reference


class Text(HTMLParser):
    """What a reader sees of a page, in one line."""

    def __init__(self, page):
        super().__init__()
        self.parts, self.links, self.hidden = [], [], False
        self.feed(page)
        self.line = " ".join("".join(self.parts).split())

    def handle_starttag(self, tag, attributes):
        self.hidden |= tag in {"style", "script"}
        self.links += [value for name, value in attributes if name in {"href", "src"}]

    def handle_endtag(self, tag):
        self.hidden &= tag not in {"style", "script"}

    def handle_data(self, data):
        self.parts.append("" if self.hidden else data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    names = write_reference(folder)
    assert {"index.html", "search.js"} < {path.name for path in folder.iterdir()}
    return {name: (folder.joinpath(*name.split(".")).with_suffix(".html")).read_text() for name in names}


def offered(module):
    return {name: getattr(module, name) for name in module.__all__}


def modules():
    return [fg, *(value for value in offered(fg).values() if isinstance(value, ModuleType))]


def test_every_public_name_is_there_with_the_methods_of_its_class(pages):
    for module in modules():
        shown = set(re.findall(r'id="([\w.]+)"', pages[module.__name__]))
        for name, value in offered(module).items():
            if inspect.isfunction(value) or inspect.isclass(value):
                assert name in shown, f"{module.__name__}.{name}"
            if inspect.isclass(value):
                own = [part for part, found in vars(value).items() if inspect.isfunction(found) and part[0] != "_"]
                assert {f"{name}.{part}" for part in own} <= shown
    assert {"AnnealResult.save", "SampleResult.to_xarray", "TemperResult.energy"} <= set(
        re.findall(r'id="([\w.]+)"', pages["fastgibbs"])
    )


def test_the_first_page_begins_with_the_guide_whose_names_are_links(pages):
    guide = pages["fastgibbs"].partition('<section id="')[0]
    assert {"#temper", "#Ising.from_edges", "fastgibbs/exact.html#spectrum"} <= set(Text(guide).links)


def plain(text):
    """Words alone: without signs of tables, lists and code."""
    text = re.sub(r"^(Args:| *- |\|[-|]+\|$|\d\. )|\|", " ", text, flags=re.MULTILINE)
    return " ".join(text.replace("`", "").split())


def test_a_page_says_all_that_docstrings_say(pages):
    for module in modules():
        shown = plain(Text(pages[module.__name__]).line)
        for name, value in offered(module).items():
            if inspect.isfunction(value) or inspect.isclass(value):
                text = inspect.getdoc(value).partition("\nFields:\n")[0]
                for part in re.split(r"\n\s*\n|\n(?=    \S)|\n(?=\d\. |- )", text):
                    assert plain(part) in shown, f"{module.__name__}.{name}"


def test_a_page_shows_types_as_they_are_written_and_nothing_private(pages):
    for page in pages.values():
        text = Text(page).line
        assert not re.findall(r"numpy\._\w+|ForwardRef|Alias for field|Create new instance|typing\.\w+\[", text)
        assert not re.findall(r'id="(?:[\w.]+\.)?_(?!_init__)\w*"', page)


def test_a_page_needs_nothing_from_elsewhere_and_its_links_are_there(pages):
    files = {f"{name.replace('.', '/')}.html" for name in pages} | {"index.html", "search.js"}
    for name, page in pages.items():
        links = set(Text(page).links)
        away = {link for link in links if re.match(r"\w+:|//", link)}
        assert {link for link in away if not link.startswith("data:")} <= {"https://pdoc.dev"}
        folder = f"/{name.replace('.', '/')}/.."
        paths = {normpath(f"{folder}/{link.partition('#')[0]}")[1:] for link in links - away if link and link[0] != "#"}
        assert paths <= files


def test_the_command_takes_scripts_names_of_those_that_ship_and_the_reference(monkeypatch, tmp_path):
    made = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastgibbs.pages.reference.write_reference", lambda folder: made.append(str(folder)))
    monkeypatch.setattr("fastgibbs.pages.scripts.rendered", lambda script: made.append(script.name) or b"page")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own.py").touch()
    for wrong in ([], ["reference", "lerner"]):
        monkeypatch.setattr("sys.argv", ["pages", *wrong])
        with pytest.raises(SystemExit, match=r"give SCRIPT\.py, or learner, optimiser, physicist, reference"):
            runpy.run_module("fastgibbs.pages", run_name="__main__")
    monkeypatch.setattr("sys.argv", ["pages", "reference", "learner", "mine/own.py"])
    runpy.run_module("fastgibbs.pages", run_name="__main__")
    assert made == ["reference", "learner.py", "own.py"]
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "learner.html", "own.html"}

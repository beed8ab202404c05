"""What pyproject.toml says of the package is so: licence, version, extras, and what a package index shows."""

import re
import tomllib
from pathlib import Path

import pytest

import fastgibbs as fg
from fastgibbs.info import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BRINGS = PROJECT["optional-dependencies"]
FOR_USERS = BRINGS.keys() - {"bench", "dev"}
CITING = (ROOT / "fastgibbs" / "docs" / "citing.md").read_text()


def names(requirements):
    return tuple(re.split(r"[<>=\[]", requirement)[0] for requirement in requirements)


def test_the_licence_is_there_and_is_the_one_that_is_named():
    assert PROJECT["license"] == "BSD-3-Clause"
    (text,) = PROJECT["license-files"]
    assert (ROOT / text).read_text().startswith("BSD 3-Clause License\n")


def test_one_version_is_told_everywhere():
    assert re.search(r"^## (\S+)", (ROOT / "fastgibbs/docs/changelog.md").read_text(), re.MULTILINE).group(1) == (
        fg.__version__
    )
    assert PROJECT["version"] == fg.__version__
    assert re.findall(r"version(?:: | = {)([\d.]+)", CITING.replace("cff-version", "")) == [fg.__version__] * 2


def test_what_is_cited_is_the_project():
    told = re.search(r"```yaml\n(.*?)```", CITING, re.DOTALL).group(1)
    assert f'abstract: "{PROJECT["description"]}"\n' in told
    assert f"license: {PROJECT['license']}\n" in told
    assert re.findall(r"^  - (?!name)(.*)$", told, re.MULTILINE) == PROJECT["keywords"]
    assert [{"name": name} for name in re.findall(r"^  - name: (.*)$", told, re.MULTILINE)] == PROJECT["authors"]


def test_every_extra_that_is_named_is_one():
    pages = [ROOT / "README.md", ROOT / "pyproject.toml"]
    pages += [path for folder in ("fastgibbs", "tests", "bench") for path in (ROOT / folder).rglob("*.*")]
    text = "\n".join(page.read_text() for page in pages if page.suffix in (".py", ".md", ".toml", ".sh"))
    named = {
        name
        for found in re.findall(r"(?:fastgibbs\\?|-e \"\.|extra )\[([a-z,-]+)\\?\]", text)
        for name in found.split(",")
    }
    assert {"plot", "xarray", "bench", "dev"} < named <= BRINGS.keys()


def test_info_tells_of_every_extra_what_it_brings():
    told = {extra: packages for extra, packages in EXTRAS.items() if extra != "no extra"}
    assert told == {extra: names(BRINGS[extra]) for extra in FOR_USERS}


def test_the_matrix_has_tests_for_every_extra():
    script = (ROOT / "bench/matrix.sh").read_text()
    touching = dict(re.findall(r'\[([\w-]+)\]="([\w ]+)"', script))
    assert touching.keys() == FOR_USERS
    listed = [
        *re.search(r'^quick="(.*?)"', script, re.MULTILINE).group(1).split(),
        *" ".join(touching.values()).split(),
    ]
    assert all((ROOT / "tests" / f"test_{name}.py").exists() for name in listed)


def test_developers_have_what_users_may_have():
    assert set(re.search(r"fastgibbs\[(.*)\]", BRINGS["dev"][-1]).group(1).split(",")) == FOR_USERS


def test_a_package_index_shows_no_picture_and_no_link_that_it_does_not_have():
    metadata = pytest.importorskip("hatchling.metadata.core", reason="what builds the package comes with [dev]")
    from hatchling.plugin.manager import PluginManager

    core = metadata.ProjectMetadata(str(ROOT), PluginManager()).core
    assert core.license_expression == PROJECT["license"] and core.license_files == PROJECT["license-files"]
    assert core.readme_content_type == "text/markdown"
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"\]\((?!https?:|#)", readme) and not re.findall(r"\]\((?!https?:|#)", core.readme)
    assert len(core.readme.splitlines()) == len(readme.splitlines())
    assert all(
        f"`{path}`" in core.readme and (ROOT / path).exists() for path in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", readme)
    )


def test_the_wheel_has_all_that_the_package_reads_and_nothing_else():
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="what builds the package comes with [dev]")
    packed = {Path(file.distribution_path) for file in wheel.WheelBuilder(str(ROOT)).recurse_included_files()}
    there = [path.relative_to(ROOT) for path in (ROOT / "fastgibbs").rglob("*") if path.is_file()]
    assert packed == {path for path in there if "__pycache__" not in path.parts}
    assert {path.suffix for path in packed} == {".py", ".typed", ".md", ".toml", ".png", ".gif", ".svg", ".slurm", ""}

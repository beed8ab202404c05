"""How a shipped run is configured and carried out: TOML -> Config -> Report -> a folder of results.

A run is a module with a frozen dataclass `Config` and a function `run(config, progress, checkpoint) -> Report`, where
`checkpoint(part)` is the file that a part of the run is saved to.
"""

import dataclasses
import importlib
import json
import platform
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_origin

from fastgibbs.analysis.reports import Report
from fastgibbs.io import VERSION, held, opened, replace_file
from fastgibbs.models import checks
from fastgibbs.pages.page import Picture, code, gallery, page
from fastgibbs.pages.reporting import provenance
from fastgibbs.types import Progress

SavedAs = Callable[[str], Path]  # the file that a part of a run is saved to
HERE = Path(__file__).parent
CONFIGURATION = "configuration.toml"  # the last that a run writes
PAGE = "report.html"
BUILT_IN = sorted(path.stem for path in HERE.glob("*.toml"))


class Findings(NamedTuple):
    """What a run found: a text to print and the files to write, name -> bytes; and whether it was stopped early."""

    text: str
    files: dict[str, bytes]
    interrupted: bool = False


class Interrupted(ValueError):
    """The run was stopped before there was anything to report; what it had saved is there to resume."""


def description(name: str) -> str:
    """The first comment of a built-in run's TOML file."""
    return (HERE / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def configure(source: str, **overrides: Any) -> tuple[ModuleType, Any]:
    """The run module and Config of a built-in run's name or a TOML file; overrides that are not None replace keys.

    Raises ValueError for an unknown run or key, naming the nearest valid one, a missing key, a value of the wrong type
    or one that is not finite; FileNotFoundError if there is no such file.
    """
    path = Path(source) if source.endswith(".toml") else HERE / f"{checks.choice('run', source, BUILT_IN)}.toml"
    with opened(path) as file:
        try:
            values = tomllib.loads(file.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:  # TOML, UTF-8, or an integer of too many digits
            raise ValueError(f"{path} is not valid TOML: {error}") from None
    name = values.pop("run", None)
    checks.choice(f"{path}: run", name, BUILT_IN)
    module = importlib.import_module(f"fastgibbs.gallery.{name}")
    fields = {field.name: field.type for field in dataclasses.fields(module.Config)}
    values |= {key: value for key, value in overrides.items() if value is not None}
    for key, value in values.items():
        checks.choice(f"{path}: a key", key, fields)
        if not _fits(value, fields[key]):
            raise ValueError(f"{path}: {key} is {value!r}: give {_KINDS.get(fields[key], fields[key])}")
    missing = fields.keys() - values.keys()
    if missing:
        raise ValueError(f"{path}: missing key {min(missing)!r}")
    return module, module.Config(**values)


_KINDS: dict[Any, str] = {str: "a printable str", int: "int", float: "a finite number"}


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and bool(value) and all(_fits(v, get_args(kind)[0]) for v in value)
    if kind is str:
        return isinstance(value, str) and value.isprintable()  # so that it can be written to a file again
    if kind is float and isinstance(value, int | float):
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max  # no NaN either
    return isinstance(value, kind) and not isinstance(value, bool)


def carry_out(
    source: str,
    output: str | None = None,
    progress: Progress = True,
    resume: bool = False,
    restart: bool = False,
    **overrides: Any,
) -> str:
    """Configure a run, run it and write its files and resolved configuration to `output`; returns the text to print.

    `output` is results/NAME by default. Each file is written whole or not at all, a page to send, report.html, among
    them. A run that is stopped leaves its
    checkpoints there, and the same call goes on from them; `resume` demands that there are some. Nothing is lost
    without `restart`, which begins anew: ValueError if the folder holds the results of a run, or checkpoints of another
    one.
    """
    module, config = configure(source, **overrides)
    name = module.__name__.rsplit(".", 1)[1]
    folder = Path(output or Path("results") / name).absolute()
    unfinished = any(folder.glob("*.checkpoint.npz"))
    if resume and restart:
        raise ValueError("--resume goes on with a run, --restart begins it anew: give one of them")
    if resume and not unfinished:
        raise ValueError(f"{folder} holds no checkpoint: there is nothing to resume")
    if not restart and not unfinished and (folder / CONFIGURATION).exists():
        raise ValueError(f"{folder} holds the results of an earlier run: give another --output, or --restart")
    saved: set[Path] = set()
    new: set[Path] = set()

    def checkpoint(part: str) -> Path:
        path = folder / f"{part}.checkpoint.npz"
        folder.mkdir(parents=True, exist_ok=True)
        if restart and path not in saved and path.exists():
            with held(path):
                path.unlink()
        new.update({path} - saved if not path.exists() else ())
        saved.add(path)
        return path

    try:
        report = module.run(config, progress, checkpoint)
    except Interrupted:
        raise
    except ValueError as error:
        for path in new:  # what cannot be reported on is not gone on with
            with suppress(ValueError), held(path):  # another run's is left alone
                path.unlink(missing_ok=True)
        if any(str(path) in str(error) for path in saved - new):
            raise ValueError(f"{error}, or --restart") from error
        raise
    finally:
        with suppress(OSError):  # it is there, or holds something
            folder.rmdir()
    folder.mkdir(parents=True, exist_ok=True)
    resolved = _resolved(name, config)
    files = {**report.files, PAGE: _page(name, report, resolved), CONFIGURATION: resolved}
    for file, content in files.items():
        replace_file(folder / file, content)
    written = f"{report.text}\nwritten to {folder}: {', '.join(sorted(files))}"
    if report.interrupted and saved:
        return f"{written}\nstopped early: the same command goes on"
    for path in saved:
        path.unlink(missing_ok=True)
    return written


def _page(name: str, found: Findings, resolved: bytes) -> bytes:
    """What was found, with its pictures, how to repeat it and on what it ran, in one file to send."""
    pictures = [Picture(file, content) for file, content in found.files.items() if file.endswith(".png")]
    warnings = ["WARNING: the run was stopped early."] if found.interrupted else []
    repeat = f"# python -m fastgibbs run {CONFIGURATION}, a file of these lines\n{resolved.decode()}"
    sections = [
        ("What was found", code(found.text) + Report([], {}, {}, warnings).html() + gallery(pictures, wide=True)),
        ("How to repeat it", code(repeat)),
        ("Provenance", provenance({"run": name})),
    ]
    return page(f"fastgibbs run {name}: {description(name)}", sections)


def _resolved(name: str, config: Any) -> bytes:
    """The configuration as TOML that `configure` reads again, with the versions it ran on as comments."""
    versions = [f"fastgibbs {VERSION}", *(f"{package} {metadata.version(package)}" for package in ("numba", "numpy"))]
    lines = [f"# {', '.join(versions)}, Python {platform.python_version()}", f'run = "{name}"']
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in dataclasses.asdict(config).items()]
    return "\n".join([*lines, ""]).encode()

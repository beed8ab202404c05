"""How a shipped run is configured and carried out: TOML -> Config -> Report -> a folder of results.

A run is a module with a frozen dataclass `Config` and a function `run(config, progress, checkpoint) -> Report`, where
`checkpoint(part)` is the file that a part of the run is saved to.
"""

import dataclasses
import importlib
import json
import platform
import tomllib
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, get_args, get_origin

from fastgibbs.io import replace_file
from fastgibbs.models import checks

HERE = Path(__file__).parent
BUILT_IN = sorted(path.stem for path in HERE.glob("*.toml"))


class Report(NamedTuple):
    """What a run found: a text to print and the files to write, name -> bytes; and whether it was stopped early."""

    text: str
    files: dict[str, bytes]
    interrupted: bool = False


class Interrupted(ValueError):
    """The run was stopped before there was anything to report; what it had saved is there to resume."""


def description(name: str) -> str:
    """The first comment of a built-in run's TOML file."""
    return (HERE / f"{name}.toml").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def configure(source: str, **overrides):
    """The run module and Config of a built-in run's name or a TOML file; overrides that are not None replace keys.

    Raises ValueError for an unknown run or key, naming the nearest valid one, a missing key or a value of the wrong
    type; FileNotFoundError if there is no such file.
    """
    path = Path(source) if source.endswith(".toml") else HERE / f"{checks.choice('run', source, BUILT_IN)}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from None
    name = values.pop("run", None)
    checks.choice(f"{path}: run", name, BUILT_IN)
    module = importlib.import_module(f"fastgibbs.gallery.{name}")
    fields = {field.name: field.type for field in dataclasses.fields(module.Config)}
    values |= {key: value for key, value in overrides.items() if value is not None}
    for key, value in values.items():
        checks.choice(f"{path}: a key", key, fields)
        if not _fits(value, fields[key]):
            raise ValueError(f"{path}: {key} is {value!r}: give {getattr(fields[key], '__name__', fields[key])}")
    missing = fields.keys() - values.keys()
    if missing:
        raise ValueError(f"{path}: missing key {min(missing)!r}")
    return module, module.Config(**values)


def _fits(value, kind) -> bool:
    if get_origin(kind) is list:
        return isinstance(value, list) and bool(value) and all(_fits(v, get_args(kind)[0]) for v in value)
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def carry_out(source: str, output: str | None = None, progress=True, resume=False, **overrides) -> str:
    """Configure a run, run it and write its files and resolved configuration to `output`; returns the text to print.

    `output` is results/NAME by default. Each file is written whole or not at all. A run that is stopped leaves its
    checkpoints there, and `resume` goes on from them: ValueError if there are none, or they are of another run.
    """
    module, config = configure(source, **overrides)
    name = module.__name__.rsplit(".", 1)[1]
    folder = Path(output or Path("results") / name)
    if resume and not any(folder.glob("*.checkpoint.npz")):
        raise ValueError(f"{folder} holds no checkpoint: there is nothing to resume")
    saved = set()

    def checkpoint(part):
        path = folder / f"{part}.checkpoint.npz"
        folder.mkdir(parents=True, exist_ok=True)
        if not resume and path not in saved:
            path.unlink(missing_ok=True)
        saved.add(path)
        return path

    try:
        report = module.run(config, progress, checkpoint)
    except Interrupted:
        raise
    except Exception:
        _forget(saved, folder)
        raise
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in {**report.files, "configuration.toml": _resolved(name, config)}.items():
        replace_file(folder / file, content)
    written = f"{report.text}\nwritten to {folder}: {', '.join(sorted([*report.files, 'configuration.toml']))}"
    if report.interrupted and saved:
        return f"{written}\nstopped early: --resume goes on"
    _forget(saved, folder)
    return written


def _forget(saved, folder):
    """Remove checkpoints, and the folder if there is nothing else in it."""
    for path in saved:
        path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _resolved(name: str, config) -> bytes:
    """The configuration as TOML that `configure` reads again, with the versions it ran on as comments."""
    versions = [f"{package} {metadata.version(package)}" for package in ("fastgibbs", "numba", "numpy")]
    lines = [f"# {', '.join(versions)}, Python {platform.python_version()}", f'run = "{name}"']
    lines += [f"{key} = {json.dumps(value)}" for key, value in dataclasses.asdict(config).items()]
    return "\n".join([*lines, ""]).encode()

"""A page of HTML in one file: it opens offline, on a phone too, in light and in dark, and asks for nothing else.

The policy in its head forbids scripts and addresses, whatever is in the rest.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from typing import NamedTuple

_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 62rem; margin: 0 auto; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #8888; }
code, pre { font: .875rem/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border-radius: .3rem; background: #8882; overflow-wrap: normal; }
table { border-collapse: collapse; margin: .75rem 0; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; overflow-wrap: normal; }
.numbers th, .numbers td { text-align: right; white-space: nowrap; }
.facts th { text-align: left; white-space: nowrap; padding-left: 0; }
.warning { margin: .5rem 0; padding: .4rem .75rem; border-left: .3rem solid #d55e00; background: #d55e0022; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
.wide { overflow-x: auto; }
figure { margin: .75rem 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .3rem; }
figure img { width: 100%; }
.wide img { min-width: 40rem; }
figcaption { font-size: .8rem; opacity: .8; }
@media (max-width: 30rem) { .facts th, .facts td { display: block; padding-left: 0; } .facts th { border: 0; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class Picture(NamedTuple):
    """A PNG and what it shows."""

    caption: str
    png: bytes


def page(title: str, sections: Iterable[tuple[str, str]]) -> bytes:
    """A whole page, UTF-8: `title` and headings are text, what stands below each heading is HTML."""
    parts = [
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<section><h2>{escape(heading)}</h2>\n{content}\n</section>" for heading, content in sections),
        "</body></html>\n",
    ]
    return "\n".join(parts).encode("utf-8", "replace")  # names of files may hold what is no text


def code(text: str) -> str:
    """Lines as they stand."""
    return f"<pre>{escape(text)}</pre>"


def image(picture: Picture) -> str:
    """A picture, held in the page itself."""
    data = b64encode(picture.png).decode()
    return f'<img alt="{escape(picture.caption)}" src="data:image/png;base64,{data}"/>'


def gallery(pictures: Iterable[Picture], wide: bool = False) -> str:
    """Pictures in a grid, as many side by side as there is room for; `wide` ones below each other, to be scrolled."""
    one, all_ = ("wide", "column") if wide else ("panel", "pictures")
    shown = [
        f'<figure><div class="{one}">{image(picture)}</div><figcaption>{escape(picture.caption)}</figcaption></figure>'
        for picture in pictures
    ]
    return f'<div class="{all_}">{"".join(shown)}</div>' if shown else ""

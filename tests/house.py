"""Draws fastgibbs/docs/architecture.svg, the rooms of the house and what they import: `python tests/house.py`.

An arrow that others together make is left out: who may import a room may import what that imports.
"""

from itertools import pairwise
from statistics import mean

from test_floors import FLOORS, PACKAGE, imports

PICTURE = PACKAGE / "docs" / "architecture.svg"
ROOMS = [room for floor in FLOORS for room in floor]
NAMES = {"__init__": "import fastgibbs", "__main__": "python -m fastgibbs"}
WIDTH, STEP, HEIGHT, LETTER = 780, 78, 30, 7.4  # pixels: of all, from floor to floor, of a room, of a letter
GAP, MARGIN = 40, 60  # at least, between rooms, and left of them
ROUNDS = 20
FONT = 'font-family="DejaVu Sans, Verdana, sans-serif"'


def room_of(module):
    """The room that a module is in, by its path within the package, or None."""
    parts = module.split(".")
    names = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
    return next((name for name in names if name in ROOMS), None)


def arrows():
    """Rooms that each room imports, but for those that come with another of them."""
    imported = {room: set() for room in ROOMS}
    for path in PACKAGE.rglob("*.py"):
        room = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
        if room is not None:
            others = (room_of(name.removeprefix("fastgibbs.")) for name in imports(path) if name[:10] == "fastgibbs.")
            imported[room] |= {other for other in others if other not in {None, room}}
    below = {}
    for room in ROOMS:  # floor by floor, so that those below are known
        below[room] = imported[room].union(*(below[other] for other in imported[room]))
    return {
        room: [other for other in ROOMS if other in found and not any(other in below[third] for third in found)]
        for room, found in imported.items()
    }


def places(drawn):
    """Centres of rooms, each near the mean of those that it has arrows to and from, floor by floor, again and again."""
    near = {room: {*others, *(other for other in ROOMS if room in drawn[other])} for room, others in drawn.items()}
    x = {room: WIDTH * (place + 1) / (len(floor) + 1) for floor in FLOORS for place, room in enumerate(floor)}
    for _ in range(ROUNDS):
        for floor in FLOORS:
            wanted = {room: mean([x[other] for other in near[room]] or [x[room]]) for room in floor}
            order = sorted(floor, key=wanted.get)
            found = [wanted[order[0]]]
            for one, other in pairwise(order):
                found.append(max(wanted[other], found[-1] + (width(one) + width(other)) / 2 + GAP))
            shift = mean(wanted[room] - place for room, place in zip(order, found, strict=True))
            left, right = found[0] - width(order[0]) / 2, found[-1] + width(order[-1]) / 2
            shift = min(max(shift, MARGIN - left), WIDTH - GAP - right)
            x |= {room: place + shift for room, place in zip(order, found, strict=True)}
    top = len(FLOORS) - 1
    return {room: (round(x[room]), STEP * (top - level) + 20) for level, floor in enumerate(FLOORS) for room in floor}


def width(room):
    """Of its box, in pixels."""
    return LETTER * len(NAMES.get(room, room)) + 20


def picture():
    """The SVG, as text."""
    drawn = arrows()
    at, tall = places(drawn), STEP * len(FLOORS) - 16
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {tall}" {FONT} font-size="13">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 1L8 4L0 7z" fill="#678"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for room, others in drawn.items():
        for other in others:
            (x, y), (to, end) = at[room], at[other]
            lines.append(
                f'<path d="M{x} {y + HEIGHT}L{to} {end - 2}" stroke="#678" fill="none" marker-end="url(#head)"/>'
            )
    for room in ROOMS:
        (x, y), wide = at[room], round(width(room))
        lines.append(
            f'<rect x="{x - wide // 2}" y="{y}" width="{wide}" height="{HEIGHT}" rx="5" fill="#e8f0f8" stroke="#246"/>'
        )
        lines.append(f'<text x="{x}" y="{y + 20}" text-anchor="middle">{NAMES.get(room, room)}</text>')
    for level in range(len(FLOORS) - 1):
        lines.append(f'<text x="12" y="{STEP * (len(FLOORS) - 1 - level) + 40}" fill="#678">{level}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture())

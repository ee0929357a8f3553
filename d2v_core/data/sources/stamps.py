"""The stamps of Tux Paint: pictures, their own sounds, and their names; birds with their songs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from d2v_core.data.inside import FoundFile, Inside
from d2v_core.data.sources.archives import package_tree
from d2v_core.data.sources.making import Row, Wish, choose, make_rows, write_metadata
from d2v_core.errors import InputError

PACKAGE = "tuxpaint-stamps-default"
_TREE = PurePosixPath("usr/share/tuxpaint/stamps")
_SOUND_SUFFIXES = (".ogg", ".wav")
_SINGULAR = {
    "amphibians": "amphibian",
    "birds": "bird",
    "insects": "insect",
    "lizards": "lizard",
    "mammals": "mammal",
    "marsupials": "marsupial",
}
_ABOUT = """Stamps of Tux Paint, from Debian's package tuxpaint-stamps-default.
Copyright 2002-2022 by Bill Kendrick and the contributors to Tux Paint.

This is free software: you can redistribute it and/or modify it under the terms of the GNU General
Public License, version 2, as published by the Free Software Foundation; see
https://www.gnu.org/licenses/old-licenses/gpl-2.0.html. It comes without any warranty. What is made
from these files and handed on is under the same licence. The files are unchanged but for their
names; source: https://tuxpaint.org and https://packages.debian.org/tuxpaint-stamps-default.

A row is a stamp: its picture, its own sound if it has one, and its English description. Drawings
that exist as SVG alone have no picture here. Sounds of `symbols` are spoken names, not noises.
The column is_drawn is true for what is known to be a drawing; the rest are photographs, mostly.
"""


def make_stamps(folder: Path, wish: Wish) -> None:
    """Make the stamps: a row each, with picture, own sound and description where there are any."""
    with package_tree(PACKAGE, _TREE, from_=wish.from_, wanted=_is_wanted) as tree:
        names = sorted(path.relative_to(tree) for path in tree.rglob("*.txt"))
        inside = Inside(tree)
        stamps = [_stamp(name) for name in names if _pictures(inside, name) or _sound(inside, name)]
        if not stamps:
            raise InputError(f"{wish.from_ or tree} holds no stamps: no NAME.txt beside a NAME.png")
        chosen = choose(stamps, wish.limit)
        rows = make_rows(chosen, lambda stamp: _row(inside, folder, stamp), wish.progress)
    write_metadata(folder, rows, about=_ABOUT)


def _is_wanted(name: str) -> bool:
    """Leave out the spoken descriptions, which are most of the package."""
    path = PurePosixPath(name)
    return path.suffix in {".png", ".svg", ".txt", *_SOUND_SUFFIXES} and "_desc" not in path.stem


def _stamp(name: Path) -> dict[str, str]:
    parts = [part for part in name.parts[:-1] if part != "cartoon"]
    label = parts[min(1, len(parts) - 1)] if parts else "stamp"
    return {
        "id": "-".join(name.with_suffix("").parts),
        "label": _SINGULAR.get(label, label),
        "category": name.parent.as_posix(),
        "group": name.stem,
        "file": name.as_posix(),
    }


def _find(inside: Inside, name: Path, suffixes: Sequence[str]) -> list[FoundFile]:
    """Return the files of a stamp with these suffixes, in their order.

    Raises:
        InputError: if one is a link that leads out of the folder, or is no file.
    """
    names = [name.with_suffix(suffix) for suffix in suffixes]
    return [_file(inside, name) for name in names if os.path.lexists(inside.root / name)]


def _file(inside: Inside, name: Path) -> FoundFile:
    try:
        return inside.find(name.as_posix())
    except InputError as error:
        raise InputError(f"{inside.root / name}: {error}") from error


def _pictures(inside: Inside, name: Path) -> list[FoundFile]:
    """Return the picture files of a stamp; a PNG comes first."""
    return _find(inside, name, (".png", ".svg"))


def _sound(inside: Inside, name: Path) -> FoundFile | None:
    return next(iter(_find(inside, name, _SOUND_SUFFIXES)), None)


def _row(inside: Inside, folder: Path, stamp: dict[str, str]) -> Row:
    name = Path(stamp["file"])
    pictures, sound = _pictures(inside, name), _sound(inside, name)
    png = pictures[0] if pictures and pictures[0].name.endswith(".png") else None
    is_drawn = "cartoon" in name.parts or any(file.name.endswith(".svg") for file in pictures)
    return {
        "id": stamp["id"],
        "image_file_name": _copy(png, folder, f"images/{stamp['id']}.png"),
        "audio_file_name": _copy(
            sound, folder, f"audio/{stamp['id']}{Path(sound.name).suffix}" if sound else ""
        ),
        "text": _description(_file(inside, name).path),
        "label": stamp["label"],
        "group": stamp["group"],
        "category": stamp["category"],
        "is_drawn": is_drawn,
    }


def _copy(source: FoundFile | None, folder: Path, name: str) -> str | None:
    if source is None:
        return None
    (folder / name).parent.mkdir(exist_ok=True)
    shutil.copyfile(source.path, folder / name)
    return name


def _description(path: Path) -> str | None:
    """Return the English description: the first line; the others are translations."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[0].strip() or None if lines else None

"""Entries of a folder without metadata: the name of the folder a file is in is its label."""

import os
from pathlib import Path, PurePosixPath

from d2v_core.data.inside import Inside
from d2v_core.data.items import SUFFIXES, Entry, Problem, modality_of
from d2v_core.data.splits import SPLITS_FILE, normalise_split
from d2v_core.errors import InputError

_ABOUT = {"authors", "changelog", "copying", "copyright", "licence", "license", "readme"}
"""Files of these names speak about the data and are none of it."""

_NOT_DATA = (".md", ".html", ".pdf", ".json", ".yaml", ".yml", ".toml")


def read_class_folders(inside: Inside) -> tuple[list[Entry], list[Problem]]:
    """Return the files below a folder, and those that cannot be used.

    `bird/001.png` has the label `bird`, `test/bird/001.png` the split `test` too, if all files are
    in folders named as splits; `001.png` has no label. Each file is a row of its own: that names
    are alike is no proof that a picture and a sound belong together; a metadata file says so.
    """
    entries, problems = [], []
    names = _walk(inside.root, problems)
    tops = {PurePosixPath(name).parts[0] if "/" in name else "" for name in names}
    has_splits = bool(tops) and all(normalise_split(top) for top in tops)
    for name in names:
        modality = modality_of(name)
        if modality is None:
            problems.append(Problem(name, _why_not(name)))
            continue
        try:
            found = inside.find(name)
        except InputError as error:
            problems.append(Problem(name, str(error)))
            continue
        folders = PurePosixPath(name).parts[has_splits:-1]
        split = normalise_split(PurePosixPath(name).parts[0]) if has_splits else None
        label = folders[-1] if folders else None
        entries.append(Entry(name, {modality: found}, label=label, split=split))
    return entries, problems


def _walk(root: Path, problems: list[Problem]) -> list[str]:
    """Return the relative names of all files that could be data, sorted."""
    names = []

    def report(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        problems.append(Problem(name, f"cannot be read: {error.strerror}"))

    for folder, subfolders, files in os.walk(root, onerror=report, followlinks=False):
        subfolders[:] = [n for n in subfolders if not n.startswith((".", "__MACOSX"))]
        here = Path(folder).relative_to(root)
        if modality_of(here.name) and not (subfolders or files):
            problems.append(Problem(here.as_posix(), "a folder, not a file, and nothing in it"))
        for name in subfolders:
            if (Path(folder) / name).is_symlink():
                reason = "a link to a folder; such links are not followed"
                problems.append(Problem((here / name).as_posix(), reason))
        for name in files:
            relative = (here / name).as_posix()
            if not _is_utf8(relative):
                shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
                problems.append(Problem(shown, "its name is not UTF-8; rename it"))
            elif not _is_about(relative):
                names.append(relative)
    return sorted(names)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_about(name: str) -> bool:
    path = PurePosixPath(name)
    is_top = len(path.parts) == 1
    return (
        path.name.startswith(".")
        or path.suffix.lower() in _NOT_DATA
        or path.name in {SPLITS_FILE, "Thumbs.db"}
        or (is_top and path.stem.lower() in _ABOUT)
    )


def _why_not(name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in {".svg", ".svgz"}:
        return "an SVG drawing, which has no pixels of its own; export it as PNG"
    known = ", ".join(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
    return f"its suffix is none of {known}"

"""Where the workbench keeps what is made in the browser, and what data folders there are.

Everything is below one folder, the project's own unless `--home PATH` names another:

HOME/
├── runs/           trainings
├── data/           data folders, as the README has them
├── stores/         embeddings
├── labels/         what people said of items
└── .cache/data/    what was brought or made in the browser
    .cache/tasks/   what is being done in the background
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

from d2v_core.errors import InputError

PROJECT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the folder of everything."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--home", type=Path, default=PROJECT)
    return parser.parse_known_args(sys.argv[1:])[0].home.resolve()


def runs_root() -> Path:
    """Return where runs are."""
    return home() / "runs"


def stores_root() -> Path:
    """Return where stores made in the browser are."""
    return home() / "stores"


def made_stores() -> list[Path]:
    """Return the stores that were made in the browser, in the order of their names."""
    root = stores_root()
    children = root.iterdir() if root.is_dir() else ()
    return sorted(filter(is_store, children), key=lambda path: path.name.lower())


def is_store(path: Path) -> bool:
    """Tell whether a path is a folder with tables of embeddings."""
    try:
        return next(path.glob("*.lance"), None) is not None
    except (OSError, ValueError):  # not to be read, or no path at all
        return False


def brought_root() -> Path:
    """Return where data folders are that were brought or made in the browser."""
    return home() / ".cache" / "data"


def task_folder(kind: str, *what: str) -> Path:
    """Return the folder of a task: the same for the same thing to do."""
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]
    return home() / ".cache" / "tasks" / f"{kind}-{digest}"


def task_folders(kind: str) -> list[Path]:
    """Return the folders of all tasks of a kind, the newest last."""
    root = home() / ".cache" / "tasks"
    found = root.glob(f"{kind}-*") if root.is_dir() else []
    return sorted(found, key=lambda path: path.stat().st_mtime)


def data_folders(sample: Path) -> list[Path]:
    """Return the data folders that are known without being named, the sample first.

    Args:
        sample: the folder of the sample, which may not be there.
    """
    found = [sample] if (sample / "metadata.csv").is_file() else []
    for root in (brought_root(), home() / "data"):
        if root.is_dir():
            children = (p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
            found += sorted(children, key=lambda p: p.name.lower())
    return found


def open_folder(typed: str) -> Path:
    """Return the data folder that somebody typed in.

    Raises:
        InputError: if there is none.
    """
    path = Path(typed.strip()).expanduser()
    if not typed.strip():
        raise InputError("no folder was named")
    if "\0" in typed or not path.exists():
        raise InputError(f"there is no {typed.strip()!r} on this machine; type a path that is")
    if not path.is_dir() and path.suffix.lower() != ".parquet":
        raise InputError(f"{path} is a file; wanted is a folder, or a .parquet file with the media")
    return path.resolve()

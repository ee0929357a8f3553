"""What is tried with each bad file, in a process with bounds; see tests/core/bounded.py."""

import shutil
import warnings

import numpy as np

from d2v_core.data.check import check_folder, decode
from d2v_core.data.folder import read_folder
from d2v_core.data.items import Item, modality_of
from d2v_core.embed import embed
from d2v_core.encoders import open_encoder
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.errors import CheckpointError, InputError, MediaError
from d2v_core.store import Store
from tests.core.bad_checkpoints import PAYLOAD, PICKLES
from tests.core.bad_folders import FOLDERS


def item(path):
    return Item(path.name, modality_of(path.name), path, None, "train", None, {})


def decodes(name, place):
    """Decode a file; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            found = decode(item(place / name))
        except MediaError as error:
            return str(error)
    assert len(found) > 0
    return None


def becomes_a_store(name, place):
    """Fill a folder, check it, and embed it."""
    root, store = place / "try" / "data", place / "try" / "store"
    root.mkdir(parents=True)
    FOLDERS[name].fill(root)
    try:
        return said_of(root, store)
    finally:
        shutil.rmtree(place / "try")


def said_of(root, store):
    """Return all that is said about a folder on its way into a store, None if nothing is."""
    try:
        report, folder = check_folder(root), read_folder(root)
    except InputError as error:
        return str(error)
    assert report.is_usable == bool(report.rows)
    assert report.to_json()
    if report.is_usable:
        done = embed(LowLevelEncoder(), folder, Store(str(store), create=True))
        rows = Store(str(store)).read(done.name)
        assert done.added == len(rows.items) == sum(report.usable.values())
        assert all((np.abs(layer).max(axis=1) > 0).all() for layer in rows.layers.values())
    return "\n".join(f"{problem.file}: {problem.reason}" for problem in report.problems) or None


def is_opened(name, place):
    """Open a file as ROLE:FILE; nothing may be executed."""
    role, _, file = name.partition(":")
    root = place / "try"
    root.mkdir()
    try:
        PICKLES[file].write(root / file)
        open_encoder(f"{role}:{root / file}")
    except CheckpointError as error:
        return str(error)
    finally:
        was_executed = (root / PAYLOAD).exists()
        shutil.rmtree(root)
        assert not was_executed
    return None


def is_a_model(name, place):
    """Open a folder as a model of the Hugging Face library."""
    try:
        open_encoder(f"hf:{place / name}")
    except CheckpointError as error:
        return str(error)
    return None

"""Small stores, and the app on them."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import workbench
from app.background import MapJobs
from d2v_core.data.folder import read_folder
from d2v_core.embed import embed
from d2v_core.encoders.lowlevel import LowLevelEncoder
from d2v_core.encoders.run import of_learner
from d2v_core.learner import Learner
from d2v_core.store import Store
from tests.conftest import smallest

MAIN = Path(workbench.__file__).parent / "main.py"
PATIENCE = 300.0
"""Seconds that a page, or a process, may take on a machine with much else to do."""


def fill(place, data, *, controls=True):
    """Embed a data folder with a run, and with its controls."""
    folder, store = read_folder(data), Store(place, create=True)
    encoders = [of_learner("toy", Learner(smallest()))]
    if controls:
        encoders += [of_learner("twin", Learner(smallest(seed=5)), role="random twin")]
        encoders += [LowLevelEncoder()]
    for encoder in encoders:
        embed(encoder, folder, store)
    return str(place)


@pytest.fixture(scope="session")
def toy_store(toys, tmp_path_factory):
    """Three modalities, paired and labelled, a run and two controls."""
    return fill(tmp_path_factory.mktemp("stores") / "toys", toys)


@pytest.fixture(scope="session")
def changed_store(toys, tmp_path_factory):
    """Return a function that makes a store of toys whose table was changed."""

    def make(change):
        root = tmp_path_factory.mktemp("changed")
        shutil.copytree(toys, root / "data")
        table = pd.read_csv(root / "data" / "metadata.csv", dtype={"id": str})
        change(table).to_csv(root / "data" / "metadata.csv", index=False)
        return fill(root / "store", root / "data", controls=False), root / "data"

    return make


@pytest.fixture
def no_umap(monkeypatch):
    """Let no map be made in a process of its own: that takes a quarter of a minute."""
    monkeypatch.setattr(MapJobs, "ensure", lambda _self, _job: "running")


@pytest.fixture
def open_app(monkeypatch, tmp_path):
    """Return a function that runs a page of the app on stores; the sample is not there."""
    monkeypatch.setattr(workbench, "SAMPLE_DATA", tmp_path / "nosample")

    def run(*stores, page=None, **query):
        arguments = [part for place in stores for part in ("--store", place)]
        monkeypatch.setattr(sys, "argv", ["main.py", *arguments])
        app = AppTest.from_file(MAIN, default_timeout=PATIENCE)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page:
            app.switch_page(f"views/{page}.py").run()
        return app

    return run

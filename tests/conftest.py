"""What all tests share. Nothing here is random without a seed."""

import csv
import dataclasses
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from hypothesis import settings
from PIL import Image

from d2v_core.presets import preset

MAIN = sys.modules["__main__"]
ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

settings.register_profile("the same draws each time", derandomize=True)
settings.register_profile("explore")  # other draws: pytest --hypothesis-profile=explore
settings.load_profile("the same draws each time")


def pytest_make_parametrize_id(val, argname):
    """Name bytes by their argument: a library may write the hour into them, and names must stay."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def main_is_given_back():
    """Streamlit leaves the page that it ran last as `__main__`: a new process would run it too."""
    yield
    sys.modules["__main__"] = MAIN


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    """Seed what several tests share, too: it is made before `seed`, after who knows which tests."""
    if fixturedef.scope != "function":
        torch.manual_seed(0)


@pytest.fixture
def shared_file():
    """Return a function that finds a file too large for the tree, or skips the test."""

    def find(name):
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{name} is not here: it is kept beside the project, not in it")
        return path

    return find


def smallest(name="shared-pairs-50", **settings):
    """Return a preset shrunk until a step takes milliseconds."""
    config = preset(name)
    small = {
        m: dataclasses.replace(x, target=dataclasses.replace(x.target, layers=2))
        for m in config.modalities
        if (x := config.of(m))
    }
    return dataclasses.replace(
        config,
        **{**small, **settings},
        trunk=dataclasses.replace(config.trunk, dim=32, depth=2, prenet_depth=1, heads=2),
        optim=dataclasses.replace(config.optim, steps=6, batch=4, warmup_steps=2),
        pairs=dataclasses.replace(config.pairs, batch=4, dim=16),
    )


def without_noise(config, **optim):
    """Return a config in which no process draws numbers of its own: dropouts and noise are 0."""
    quiet = {
        m: dataclasses.replace(
            x, dropout=0.0, decoder=dataclasses.replace(x.decoder, noise_std=0.0, dropout=0.0)
        )
        for m in config.modalities
        if (x := config.of(m))
    }
    trunk = dataclasses.replace(
        config.trunk, dropout=0.0, attention_dropout=0.0, drop_path=0.0, layer_drop=0.0
    )
    optim = dataclasses.replace(config.optim, **optim)
    return dataclasses.replace(config, **quiet, trunk=trunk, optim=optim)


COLOURS = {"robin": (200, 60, 40), "owl": (90, 70, 50), "duck": (40, 140, 60)}
TONES_HZ = {"robin": 3000, "owl": 400, "duck": 1000}


def write_toys(folder, items=24):
    """Write a data folder of coloured squares, tones and sentences: three kinds, all paired."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    time = np.arange(8000) / 16000
    rows = []
    for n in range(items):
        label = list(COLOURS)[n % 3]
        pixels = np.clip(COLOURS[label] + rng.normal(0, 20, (64, 64, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{n:02d}.png")
        tone = 0.3 * np.sin(2 * np.pi * TONES_HZ[label] * time[: 4000 + 200 * (n % 5)])
        soundfile.write(folder / f"{n:02d}.wav", tone + rng.normal(0, 0.01, tone.shape), 16000)
        rows.append(
            {
                "id": f"{n:02d}",
                "image_file_name": f"{n:02d}.png",
                "audio_file_name": f"{n:02d}.wav",
                "text": f"{'One Two Three'.split()[n % 2]} {label} sits here, number {n}.",
                "label": label,
                "split": ("train", "train", "train", "val", "test", "train")[n // 3 % 6],
                "size": n % 4,
            }
        )
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="session")
def with_few_sounds(toys, tmp_path_factory):
    """The same folder, but only every third row has a sound; read-only."""
    folder = tmp_path_factory.mktemp("data") / "few"
    shutil.copytree(toys, folder)
    table = pd.read_csv(folder / "metadata.csv", dtype=str)
    table.loc[table.index % 4 > 0, "audio_file_name"] = None
    table.to_csv(folder / "metadata.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def toys(tmp_path_factory):
    """A small data folder with three modalities; read-only."""
    return write_toys(tmp_path_factory.mktemp("data") / "toys")

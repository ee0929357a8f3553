"""What all tests share. Nothing here is random without a seed."""

import dataclasses
from pathlib import Path

import pytest
import torch

from d2v_core.presets import preset

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def seed():
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
    return dataclasses.replace(
        config,
        trunk=dataclasses.replace(config.trunk, dim=32, depth=2, prenet_depth=1, heads=2),
        teacher=dataclasses.replace(config.teacher, target_layers=2),
        optim=dataclasses.replace(config.optim, steps=6, batch=4, warmup_steps=2),
        pairs=dataclasses.replace(config.pairs, batch=4, dim=16),
        **settings,
    )

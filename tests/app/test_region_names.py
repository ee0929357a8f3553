"""Names of dense places: what prevails there, with its share, and nothing where nothing does."""

import numpy as np
import pandas as pd
import pytest

from app.scatter import regions
from app.scatter.naming import group_names


@pytest.fixture
def many(monkeypatch):
    """Three places of 100 items: all owls; 60 % ducks; and forty kinds alike."""
    monkeypatch.setattr(regions, "DENSITY_FROM", 200)
    rng = np.random.default_rng(0)
    at = np.repeat([[0.0, 0.0], [9.0, 0.0], [4.0, 8.0]], 100, axis=0)
    at = (at + rng.normal(0, 0.15, size=at.shape)).astype(np.float32)
    mixed = ["duck"] * 60 + [f"kind {n}" for n in range(40)]
    labels = ["owl"] * 100 + mixed + [f"kind {n % 40}" for n in range(100)]
    return pd.DataFrame({"label": labels, "modality": "audio"}), at


def test_places_are_named_by_what_prevails_with_its_share(many):
    points, at = many
    everybody = np.ones(300, dtype=bool)
    names = {name.text.split()[0]: name for name in group_names(points, at, "label", everybody)}

    assert set(names) == {"owl", "duck"}
    assert names["owl"].text == "owl 100 %"
    assert abs(int(names["duck"].text.split()[1]) - 60) <= 3  # strays of the edge are not near
    assert np.hypot(names["owl"].x, names["owl"].y) < 0.4
    assert np.hypot(names["duck"].x - 9, names["duck"].y) < 0.4
    modality = group_names(points, at, "modality", everybody)
    assert {name.text for name in modality} == {"sounds 100 %"}


def test_only_what_is_seen_is_named_and_what_has_no_value_names_nothing(many):
    points, at = many
    first = np.arange(300) < 201
    points.loc[:99, "label"] = None
    names = group_names(points, at, "label", first)

    assert [name.text.split()[0] for name in names] == ["duck"]
    assert regions.region_names(points, at, "label", np.zeros(300, dtype=bool)) == ()


def test_few_items_of_few_values_are_named_by_value(many):
    points, at = many
    shown = np.arange(300) < 160  # owls and ducks alone

    assert [name.text for name in group_names(points, at, "label", shown)] == ["owl", "duck"]
    assert not regions.are_places_named(points, "label", shown)
    assert regions.are_places_named(points, "label", np.ones(300, dtype=bool))
    said = regions.source_words("label")
    assert said.startswith("A name on the map is the most frequent label among the items near")

"""One space for several modalities: rotations and shifts are undone, on items nobody showed."""

import json

import numpy as np
import pytest
from scipy.stats import ortho_group

from probes.checks import unit_rows
from probes.joining import centred_joint, turned_joint


def clouds(items=60, dim=6):
    """Return one cloud, and the same turned, mirrored and shifted."""
    x = np.random.default_rng(0).normal(size=(items, dim)) * np.arange(1, dim + 1)
    y = 3.0 * x @ ortho_group.rvs(dim, random_state=1) + 5.0
    return x, y


def test_what_was_turned_and_shifted_is_found_again_on_other_items():
    x, y = clouds()
    space = turned_joint({"image": x[:40], "audio": y[:40]}, "image", {"audio": (x[:40], y[:40])})

    own, other = space.carry("image", x[40:]), space.carry("audio", y[40:])
    np.testing.assert_allclose(own, other, atol=1e-9)
    np.testing.assert_allclose(own, unit_rows(x[40:] - x[:40].mean(axis=0)))
    assert json.loads(json.dumps(space.to_json())) == {"hub": "image", "pairs": {"audio": 40}}


def test_centring_takes_off_a_shift_but_turns_nothing():
    x, y = clouds()
    shifted = centred_joint({"image": x, "audio": x + 7})
    turned = centred_joint({"image": x, "audio": y})

    np.testing.assert_allclose(shifted.carry("image", x), shifted.carry("audio", x + 7))
    cosines = np.sum(turned.carry("image", x) * turned.carry("audio", y), axis=1)
    assert cosines.mean() < 0.5


def test_mixed_up_pairs_teach_nothing():
    x, y = clouds()
    mixed = np.random.default_rng(2).permutation(40)
    known = {"image": x[:40], "audio": y[:40]}
    true = turned_joint(known, "image", {"audio": (x[:40], y[:40])})
    wrong = turned_joint(known, "image", {"audio": (x[:40], y[:40][mixed])})

    def closeness(space):
        return np.sum(space.carry("image", x[40:]) * space.carry("audio", y[40:]), axis=1).mean()

    assert closeness(true) > 0.999
    assert closeness(wrong) < 0.6


def test_few_pairs_keep_only_what_they_say():
    """Two centred pairs span a plane at most: nothing of the other modality leaves it."""
    x, y = clouds()
    space = turned_joint({"image": x, "audio": y}, "image", {"audio": (x[:2], y[:2])})

    assert np.linalg.matrix_rank(space.carry("audio", y), tol=1e-8) <= 2


def test_the_space_of_another_width_can_be_turned_but_not_only_centred():
    x, y = clouds()
    known = {"image": x, "audio": y[:, :4]}

    assert turned_joint(known, "image", {"audio": (x, y[:, :4])}).carry(
        "audio", y[:, :4]
    ).shape == (60, 6)
    with pytest.raises(ValueError, match=r"different numbers of channels \(image 6, audio 4\)"):
        centred_joint(known)


def test_a_modality_without_pairs_is_refused():
    x, y = clouds()

    with pytest.raises(ValueError, match="audio has no pairs with image to be turned by"):
        turned_joint({"image": x, "audio": y}, "image", {})

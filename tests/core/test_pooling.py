"""Pooling: what each way gives in closed form, and that padding never counts."""

import pytest
import torch

from d2v_core.encoders.pooling import POOLINGS, check_pooling, pool, pooled_width
from d2v_core.encoders.run import of_learner
from d2v_core.errors import InputError
from d2v_core.learner import Learner
from tests.conftest import smallest
from tests.core.small import item, redrawn, run_of

TOKENS = torch.tensor([[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]]])
FIRST = torch.tensor([[7.0, 8.0]])
TWO = torch.tensor([[True, True, False]])


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", [2.0, -3.0]),
        ("mean+std", [2.0, -3.0, 1.0, 1.0]),
        ("max", [3.0, -2.0]),
        ("first", [7.0, 8.0]),
    ],
)
def test_in_closed_form(pooling, expected):
    found = pool(TOKENS, TWO, first=FIRST, pooling=pooling)

    assert found.tolist() == [expected]
    assert found.shape[1] == pooled_width(2, pooling)


@pytest.mark.parametrize("name", ["image", "mel", "wave", "text"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_item_alone_is_the_same_beside_a_longer_one(name, pooling):
    config = run_of(name)
    (modality,) = config.modalities
    encoder = of_learner("x", redrawn(Learner(config)), pooling=pooling, ffn=True)
    short, long = (item(config.of(modality), size) for size in (3, 7))
    alone, beside = encoder.encode(modality, [short]), encoder.encode(modality, [short, long])

    for tap, width, a, b in zip(
        encoder.taps, encoder.widths, alone.pooled, beside.pooled, strict=True
    ):
        assert a.shape == (1, width), tap
        torch.testing.assert_close(a[0], b[0], rtol=0, atol=1e-4)


def test_tokens_and_mask_give_the_pooled_vectors():
    config = run_of("text")
    encoder = of_learner("x", redrawn(Learner(config)), ffn=True)
    states = encoder.encode("text", [item(config.text, size) for size in (2, 5)])
    assert states.valid.sum(dim=1).tolist() == [6, 15]

    for tokens, pooled in zip(states.tokens, states.pooled, strict=True):
        torch.testing.assert_close(tokens[0, :6].mean(dim=0), pooled[0])
        torch.testing.assert_close(tokens[1].mean(dim=0), pooled[1])


def test_the_joint_space_has_no_tokens_and_one_pooling():
    learner = Learner(smallest())
    plain, other = of_learner("x", learner), of_learner("x", learner, pooling="max", ffn=True)
    assert plain.taps[-1] == other.taps[-1] == "joint"
    assert other.taps[-2].endswith(".ffn")
    config = learner.config
    pictures = [torch.randn(3, config.image.size, config.image.size) for _ in range(2)]
    ours, theirs = plain.encode("image", pictures), other.encode("image", pictures)

    assert ours.tokens[-1] is None
    torch.testing.assert_close(ours.pooled[-1], theirs.pooled[-1])
    assert not torch.allclose(ours.pooled[-2], theirs.pooled[len(plain.taps) - 2])


def test_a_pooling_that_is_none():
    with pytest.raises(InputError, match="no pooling 'median'; there are mean, "):
        check_pooling("median")

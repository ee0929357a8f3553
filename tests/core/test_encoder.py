"""The student, for every front end: what it may see, and what its layers may not depend on."""

import itertools

import pytest
import torch

from d2v_core.inputs import Visible, with_mask
from d2v_core.modalities.distance import Alibi, RelativeBias, alibi_slopes
from d2v_core.modalities.wave import WaveTokens
from d2v_core.modality_config import WaveConfig
from d2v_core.model import Student, tokens_of
from d2v_core.transformer import padding_bias
from tests.core.small import (
    DEPTH,
    DIM,
    MASK,
    MASKS,
    SETTINGS,
    WAVE,
    batch_of,
    item,
    masked_batch,
    masks_of,
    modality_of,
    redrawn,
    run_of,
    with_other,
)

CLOSE = {"rtol": 0, "atol": 2e-5}
WITH_LENGTHS = [name for name in SETTINGS if "image" not in name]
every_front_end = pytest.mark.parametrize("name", SETTINGS)


def student_of(name):
    return redrawn(Student(run_of(name))).eval(), modality_of(name)


def encoded(student, modality, inputs):
    """Return every layer of the visible tokens: (layers, rows, visible, dim)."""
    states = student.encode_visible(modality, student.embed(modality, inputs), inputs)
    return torch.stack(states.residual)[:, :, student.extra_tokens(modality) :]


def sizes_of(name):
    return (7, 4) if name in WITH_LENGTHS else (7, 7)


def shown(inputs):
    valid = inputs.visible.valid
    return torch.ones_like(inputs.visible.ids, dtype=torch.bool) if valid is None else valid


@every_front_end
def test_masks_in_one_call_are_as_masks_in_calls_of_their_own(name):
    student, modality = student_of(name)
    inputs = masked_batch(student.config, sizes_of(name))
    together = encoded(student, modality, inputs)
    for n in range(MASKS):
        one = with_mask(inputs, inputs.mask[n::MASKS])
        alone = encoded(student, modality, one)
        keep = shown(one)

        assert keep.sum() > 10
        torch.testing.assert_close(
            together[:, n::MASKS, : keep.shape[1]][:, keep], alone[:, keep], **CLOSE
        )


def by_hand(student, modality, inputs):
    """Run over all tokens of every row, the masked ones as keys that nothing attends to."""
    prenet, rows = student.prenets[modality], len(inputs.mask)
    tokens = student.embed(modality, inputs).repeat_interleave(MASKS, dim=0)
    valid = torch.arange(inputs.tokens) < inputs.lengths.repeat_interleave(MASKS)[:, None]
    seen = valid & ~inputs.mask
    if prenet.positions is not None:
        heard = torch.where(seen[..., None], tokens, torch.zeros(()))
        tokens = tokens + prenet.positions(heard, valid[..., None].float())
    x = prenet.norm(torch.cat([prenet.extra.expand(rows, -1, -1), tokens], dim=1))
    extra = prenet.extra.shape[1]
    bias = padding_bias(torch.cat([torch.ones(rows, extra, dtype=torch.bool), seen], dim=1))
    if prenet.bias is not None:
        bias = bias + prenet.bias(torch.arange(inputs.tokens)[None], inputs.grid)
    x = prenet.blocks(x, bias).residual[-1]
    states = student.trunks[modality](x, bias)
    return torch.stack(states.residual)[:, :, extra:], states.output[:, :extra]


@every_front_end
def test_visible_tokens_alone_are_as_the_whole_sequence_with_hidden_keys(name):
    student, modality = student_of(name)
    inputs = masked_batch(student.config, sizes_of(name))
    ids, keep = inputs.visible.ids, shown(inputs)
    whole, extra = by_hand(student, modality, inputs)
    expected = whole.gather(2, ids[None, ..., None].expand(len(whole), -1, -1, 32))
    states = student.encode_visible(modality, student.embed(modality, inputs), inputs)

    torch.testing.assert_close(
        encoded(student, modality, inputs)[:, keep], expected[:, keep], **CLOSE
    )
    torch.testing.assert_close(states.output[:, : extra.shape[1]], extra, **CLOSE)


@every_front_end
def test_the_order_of_visible_tokens_only_orders_the_outputs(name):
    student, modality = student_of(name)
    inputs = masked_batch(student.config, sizes_of(name))
    order = torch.randperm(inputs.visible.ids.shape[1])
    ids, valid = inputs.visible
    shuffled = inputs._replace(
        visible=Visible(ids[:, order], None if valid is None else valid[:, order])
    )
    keep = shown(shuffled)

    torch.testing.assert_close(
        encoded(student, modality, shuffled)[:, keep],
        encoded(student, modality, inputs)[:, :, order][:, keep],
        **CLOSE,
    )


@every_front_end
def test_no_block_ever_receives_a_hidden_token(name):
    student, modality = student_of(name)
    inputs = masked_batch(student.config, sizes_of(name))
    shapes = []
    blocks = [*student.prenets[modality].blocks.blocks, *student.trunks[modality].blocks]
    for block in blocks:
        block.register_forward_hook(lambda _block, x, _y: shapes.append(tuple(x[0].shape)))
    encoded(student, modality, inputs)
    width = student.extra_tokens(modality) + inputs.visible.ids.shape[1]

    assert width < inputs.tokens
    assert shapes == [(2 * MASKS, width, DIM)] * (1 + DEPTH)


@pytest.mark.parametrize("name", [name for name in SETTINGS if "wave" not in name])
def test_what_is_hidden_changes_nothing_and_what_is_visible_does(name):
    student, modality = student_of(name)
    config = student.config.of(modality)
    inputs = masked_batch(student.config)
    inputs = with_mask(inputs, inputs.mask[::MASKS])
    hidden = with_other(inputs, inputs.mask, config)
    visible = with_other(inputs, ~inputs.mask, config)
    before = encoded(student, modality, inputs)

    assert not torch.equal(hidden.values, inputs.values)
    assert torch.equal(encoded(student, modality, hidden), before)
    assert (encoded(student, modality, visible) - before)[-1].abs().max() > 0.01


@pytest.mark.parametrize("name", ["wave", "wave, single"])
def test_hidden_features_of_sound_change_nothing_and_visible_ones_do(name):
    """Samples belong to two tokens, so it is the features that are changed."""
    student, modality = student_of(name)
    inputs = masked_batch(student.config)
    inputs = with_mask(inputs, inputs.mask[::MASKS])
    tokens = student.embed(modality, inputs)
    other, masked = torch.randn_like(tokens), inputs.mask[..., None]
    before = student.encode_visible(modality, tokens, inputs).output
    hidden = student.encode_visible(modality, torch.where(masked, other, tokens), inputs).output
    visible = student.encode_visible(modality, torch.where(masked, tokens, other), inputs).output

    assert torch.equal(hidden, before)
    assert (visible - before).abs().max() > 0.01


@pytest.mark.parametrize("name", WITH_LENGTHS)
def test_an_items_layers_do_not_depend_on_what_else_is_in_the_batch(name):
    student, modality = student_of(name)
    items = [item(student.config.of(modality), size) for size in (4, 7)]
    together, alone = batch_of(student.config, items), batch_of(student.config, items[:1])
    count = int(alone.lengths[0])
    extra = student.extra_tokens(modality)
    assert count < together.tokens

    layers = [
        torch.stack(student.encode(modality, student.embed(modality, x), x).residual)[:, :1]
        for x in (together, alone)
    ]
    torch.testing.assert_close(
        layers[0][:, :, : extra + count], layers[1][:, :, : extra + count], **CLOSE
    )
    pooled = [student.pooled_layers(modality, x)[:, 0] for x in (together, alone)]
    torch.testing.assert_close(*pooled, **CLOSE)


@pytest.mark.parametrize("name", WITH_LENGTHS)
def test_a_masked_items_layers_do_not_depend_on_what_else_is_in_the_batch(name):
    student, modality = student_of(name)
    items = [item(student.config.of(modality), size) for size in (4, 7)]
    together, alone = batch_of(student.config, items), batch_of(student.config, items[:1])
    mask = masks_of(alone, MASK)
    wider = torch.zeros(2 * MASKS, together.tokens, dtype=torch.bool)
    wider[:MASKS, : mask.shape[1]] = mask
    together, alone = with_mask(together, wider), with_mask(alone, mask)
    keep = shown(alone)
    assert together.visible.ids.shape[1] > keep.shape[1]

    torch.testing.assert_close(
        encoded(student, modality, together)[:, :MASKS, : keep.shape[1]][:, keep],
        encoded(student, modality, alone)[:, keep],
        **CLOSE,
    )


# ALiBi and BEiT's table.


def test_slopes_of_12_and_of_16_heads_as_published():
    assert alibi_slopes(12) == pytest.approx(
        [
            *(0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625),
            *(0.70710678, 0.35355339, 0.17677670, 0.08838835),
        ]
    )
    sixteen = alibi_slopes(16)
    assert sixteen[:3] == pytest.approx([0.70710678, 0.5, 0.35355339])
    assert sixteen[-1] == 0.00390625
    assert [b / a for a, b in itertools.pairwise(sixteen)] == pytest.approx([2**-0.5] * 15)


def test_attention_falls_with_the_distance_along_rows_and_columns():
    """The first of two heads falls by 1/16 a step; nine places in three rows."""
    bias = Alibi(2, extra=0)(torch.arange(9)[None], (3, 3))

    assert (bias[0, 0, 0] * -16).tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4]
    assert (bias[0, 1, 0] * -256).tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4]
    torch.testing.assert_close(bias, bias.transpose(-2, -1))
    line = Alibi(2, extra=0)(torch.arange(9)[None], (9,))
    assert (line[0, 0, 4] * -16).tolist() == [4, 3, 2, 1, 0, 1, 2, 3, 4]


def test_extra_tokens_are_near_and_scales_below_zero_count_as_zero():
    alibi = Alibi(2, extra=1)
    with torch.no_grad():
        alibi.scale.copy_(torch.tensor([2.0, -1.0]))
    bias = alibi(torch.tensor([[5, 1]]), (9,))

    expected = torch.zeros(1, 2, 3, 3)
    expected[0, 0, 1, 2] = expected[0, 0, 2, 1] = -2 * 4 / 16
    torch.testing.assert_close(bias.abs(), expected.abs())
    assert bias.min() == -0.5


@pytest.mark.parametrize("bias", [Alibi(4, extra=1), RelativeBias((3, 5), 4)])
def test_biases_of_a_few_places_are_those_of_all_places_there(bias):
    redrawn(bias)
    ids = torch.stack([torch.randperm(15)[:6] for _ in range(2)])
    whole = bias(torch.arange(15)[None], (3, 5))[0]
    places = torch.nn.functional.pad(ids + 1, (1, 0))

    for row, chosen in zip(bias(ids, (3, 5)), places, strict=True):
        torch.testing.assert_close(row, whole[:, chosen][:, :, chosen])


def test_a_table_entry_stands_for_one_offset():
    """Down and across count apart, and to the left is not to the right."""
    bias = RelativeBias((3, 5), 1)
    with torch.no_grad():
        bias.table.copy_(torch.arange(len(bias.table))[:, None])
    matrix = bias(torch.arange(15)[None], (3, 5))[0, 0, 1:, 1:]
    offsets = [(a // 5 - b // 5, a % 5 - b % 5) for a in range(15) for b in range(15)]
    entries = dict(zip(offsets, matrix.flatten().tolist(), strict=True))

    assert [entries[offset] for offset in offsets] == matrix.flatten().tolist()
    assert sorted(entries.values()) == list(range(5 * 9))


# Raw sound and fixed positions.

LENGTHS = {400: 1, 719: 1, 720: 2, 16_000: 49, 32_000: 99, 160_000: 499, 320_000: 999}


@pytest.fixture
def wave():
    return WaveTokens(WaveConfig(**WAVE), 32)


def test_tokens_of_raw_sound_are_as_many_as_published(wave):
    lengths = wave.token_lengths(torch.tensor(list(LENGTHS)))

    assert lengths.tolist() == list(LENGTHS.values())
    for samples, tokens in list(LENGTHS.items())[:4]:
        assert wave.features(torch.randn(1, samples)).shape == (1, tokens, 32)
        assert wave.grid_of(samples) == (tokens,)


@pytest.mark.parametrize("token", [0, 3, 6])
def test_a_token_hears_400_samples_from_320_times_its_number(wave, token):
    samples = torch.randn(1, 400 + 6 * 320, requires_grad=True)
    redrawn(wave).features(samples)[0, token].sum().backward()
    heard = samples.grad[0].nonzero()[:, 0]

    assert (heard[0].item(), heard[-1].item()) == (320 * token, 320 * token + 399)
    assert len(heard) == 400


def test_the_gradient_that_reaches_the_convolutions_is_scaled_and_nothing_else():
    gradients, outputs = [], []
    for share in (1.0, 0.1):
        torch.manual_seed(0)
        wave = WaveTokens(WaveConfig(feature_gradient=share, **WAVE), 32)
        features = wave.features(torch.ones(1, 800).cumsum(dim=1).sin())
        features.square().sum().backward()
        outputs.append(features.detach())
        gradients.append((wave.convs[0].weight.grad, wave.proj.weight.grad))
    torch.testing.assert_close(*outputs)

    torch.testing.assert_close(gradients[1][0], 0.1 * gradients[0][0])
    torch.testing.assert_close(gradients[1][1], gradients[0][1])


@pytest.mark.parametrize(("config", "columns"), [(SETTINGS["image"], 5), (SETTINGS["mel"], 4)])
def test_fixed_positions_are_those_of_row_and_column(config, columns):
    """sin 1 at the first channel for column 1, at the middle one for row 1."""
    tokens = tokens_of(config, 32)
    positions = tokens.placed(torch.zeros(1, 5 * columns, 32))[0]

    assert positions[1, 0].item() == pytest.approx(0.84147, abs=1e-5)
    assert positions[1, 16].item() == 0.0
    assert positions[columns, 16].item() == pytest.approx(0.84147, abs=1e-5)
    assert positions[columns, 0].item() == 0.0

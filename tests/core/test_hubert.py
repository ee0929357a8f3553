"""HuBERT's objective: a softmax over cosines at masked places, and the labels that go into it."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from d2v_core.data.batches import Collator
from d2v_core.data.walk import seeded
from d2v_core.errors import ConfigError, InputError
from d2v_core.inputs import Inputs, Totals, with_mask
from d2v_core.labels import NO_LABEL, Labels
from d2v_core.learner import Learner
from d2v_core.modality_config import (
    ClusterConfig,
    MaskConfig,
    MelConfig,
    TargetConfig,
    WaveConfig,
)
from d2v_core.objectives import make_objective
from d2v_core.objectives.data2vec import hidden_outputs
from d2v_core.objectives.hubert import FEATURE_PENALTY, Hubert, cosine_logits
from d2v_core.presets import preset
from tests.conftest import smallest

CLUSTERS = 7
SPANS = MaskConfig(ratio=0.5, shape="spans", length=2, masks=2)


def mel_run(**settings):
    """Return a small run on spectrograms: patches of 160 ms by 16 bins, so four tokens a time."""
    clusters = ClusterConfig(count=CLUSTERS, dim=16)
    target = TargetConfig(layers=2)
    audio = MelConfig(objective="hubert", mask=SPANS, clusters=clusters, target=target, **settings)
    return smallest("separate", image=None, text=None, audio=audio)


def wave_run(**settings):
    clusters = ClusterConfig(count=CLUSTERS, dim=16)
    audio = WaveConfig(
        **{
            "objective": "hubert",
            "mask": SPANS,
            "clusters": clusters,
            "target": TargetConfig(layers=2),
            "channels": 8,
            "conv_norm": "group",
            "positions": "single",
            "position_kernel": 16,
            "position_groups": 4,
            "alibi": False,
            "train_samples": 6400,
            **settings,
        }
    )
    return smallest("separate", image=None, text=None, audio=audio)


def labelled(run, items=3, *, seconds=0.4, short=False):
    """Return a masked batch of noise with random labels at 100 Hz; `short`: of unequal lengths."""
    is_wave = isinstance(run.audio, WaveConfig)
    random = torch.Generator().manual_seed(0)
    parts = [0.5 if short and n % 2 else 1.0 for n in range(items)]
    shapes = [
        (round(16000 * seconds * part),)
        if is_wave
        else (round(100 * seconds * part), run.audio.bins)
        for part in parts
    ]
    tensors = [torch.randn(shape, generator=random) for shape in shapes]
    sequences = {
        str(n): torch.randint(CLUSTERS, (round(100 * seconds * part),), generator=random)
        for n, part in enumerate(parts)
    }
    collate = Collator(run, "audio", labels=Labels(sequences, 100.0, CLUSTERS))
    generators = [seeded("batch", n) for n in range(items)]
    return collate.masked(tensors, generators=generators, ids=list(sequences))


def parts_of(run):
    learner = Learner(run).eval()
    return learner.student, learner.objectives["audio"]


@pytest.mark.parametrize("run", [mel_run(), wave_run()], ids=["mel", "wave"])
@pytest.mark.parametrize("short", [False, True], ids=["equal", "padded"])
@torch.no_grad()
def test_the_loss_is_a_softmax_over_cosines_at_masked_places(run, short):
    """Written out token by token: −log (exp(cos(p, e_y) / 0.1) / Σ_c exp(cos(p, e_c) / 0.1))."""
    student, objective = parts_of(run)
    inputs = labelled(run, short=short)
    states = objective.masked.encode(student, "audio", inputs)
    extra = student.extra_tokens("audio")
    found, count = 0.0, 0
    classes = objective.classes.double().numpy()
    for row, token in inputs.mask.nonzero().tolist():
        p = objective.head(states.output[row, extra + token]).double().numpy()
        cosines = classes @ p / np.linalg.norm(classes, axis=1) / np.linalg.norm(p)
        label = int(inputs.labels[row // 2, token])
        found -= cosines[label] / 0.1 - math.log(sum(math.exp(c / 0.1) for c in cosines))
        count += 1

    assert count > 10
    assert objective(student, student, inputs).losses["clusters"].item() == pytest.approx(
        found / count, rel=1e-5
    )


def test_a_perfect_prediction_costs_almost_nothing():
    """With orthogonal classes: log(1 + (C − 1) e⁻¹⁰), however long the vectors are."""
    classes = torch.eye(CLUSTERS, 16) * 5
    logits = cosine_logits(1e3 * torch.eye(CLUSTERS, 16), classes)
    loss = torch.nn.functional.cross_entropy(logits.double(), torch.arange(CLUSTERS))

    assert loss.item() == pytest.approx(math.log1p((CLUSTERS - 1) * math.exp(-10)), rel=1e-4)


def test_a_prediction_like_no_class_costs_the_logarithm_of_their_number():
    away = torch.zeros(1, 16)
    away[0, -1] = 1.0
    logits = cosine_logits(away, torch.eye(CLUSTERS, 16))

    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([3]))
    assert loss.item() == pytest.approx(math.log(CLUSTERS))


def test_cosines_are_not_rounded_to_bf16():
    """A difference of 1e-3 is below what bf16 tells apart."""
    angle = torch.tensor([[0.3], [0.301]])
    predicted = torch.cat([angle.cos(), angle.sin()], dim=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = cosine_logits(predicted, torch.eye(2))

    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, 10 * predicted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("run", [mel_run(), wave_run()], ids=["mel", "wave"])
@torch.no_grad()
def test_labels_count_where_tokens_are_masked_and_nowhere_else(run):
    student, objective = parts_of(run)
    inputs = labelled(run)
    loss = objective(student, student, inputs).losses["clusters"]
    masked = inputs.mask.unflatten(0, (-1, 2)).any(dim=1)  # of either of an item's two rows
    other = (inputs.labels + 1) % CLUSTERS

    elsewhere = inputs._replace(labels=torch.where(masked, inputs.labels, other))
    assert (elsewhere.labels != inputs.labels).any()
    assert objective(student, student, elsewhere).losses["clusters"] == loss
    here = inputs._replace(labels=torch.where(masked, other, inputs.labels))
    assert objective(student, student, here).losses["clusters"] != loss


@torch.no_grad()
def test_the_student_does_not_see_what_is_masked():
    """Other sound in a masked patch, and the loss is as before; in a visible one it is not."""
    run = mel_run()
    student, objective = parts_of(run)
    plain = labelled(run, items=1)._replace(visible=None, hidden=None)
    inputs = with_mask(plain, plain.mask[:1])
    loss = objective(student, student, inputs).losses["clusters"]

    def disturbed(token):
        values = inputs.values.clone()
        row, column = divmod(token, 4)
        values[0, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 1
        return objective(student, student, inputs._replace(values=values)).losses["clusters"]

    mask = inputs.mask[0].tolist()
    assert disturbed(mask.index(True)) == loss
    assert disturbed(mask.index(False)) != loss


@torch.no_grad()
def test_a_masked_token_without_a_label_costs_nothing():
    run = mel_run()
    student, objective = parts_of(run)
    inputs = labelled(run)
    labels = inputs.labels.clone()
    first = int(inputs.hidden[0])
    labels[0, first] = NO_LABEL

    found = objective(student, student, inputs._replace(labels=labels, totals=Totals(10.0, 6.0)))
    whole = objective(student, student, inputs._replace(totals=Totals(10.0, 6.0)))
    states = objective.masked.encode(student, "audio", inputs)
    logits = cosine_logits(objective.head(hidden_outputs(states, 1, inputs)), objective.classes)
    row, place = inputs.hidden // inputs.tokens, inputs.hidden % inputs.tokens
    gone = (row < 2) & (place == first)
    wanted = inputs.labels[row // 2, place]
    cost = torch.nn.functional.cross_entropy(logits[gone], wanted[gone], reduction="sum") / 10
    assert gone.any()
    torch.testing.assert_close(
        found.losses["clusters"], whole.losses["clusters"] - cost, rtol=1e-5, atol=1e-6
    )


def test_masks_leave_out_tokens_without_a_label():
    """40 frames are 3 rows of tokens, of which labels for 20 reach two."""
    run = mel_run()
    collate = Collator(run, "audio", labels=Labels({"a": torch.arange(33) % 7}, 100.0, CLUSTERS))
    batches = [
        collate.masked([torch.randn(40, 64)], generators=[seeded(n)], ids=["a"]) for n in range(20)
    ]

    for inputs in batches:
        assert inputs.labels[0].tolist() == [0] * 4 + [16 % 7] * 4 + [32 % 7] * 4
    short = Labels({"a": torch.arange(31) % 7}, 100.0, CLUSTERS)
    batches = [
        Collator(run, "audio", labels=short).masked(
            [torch.randn(40, 64)], generators=[seeded(n)], ids=["a"]
        )
        for n in range(20)
    ]
    for inputs in batches:
        assert inputs.labels[0].tolist() == [0] * 4 + [16 % 7] * 4 + [NO_LABEL] * 4
        assert not inputs.mask[:, 8:].any()
    assert any(inputs.mask[:, :8].any() for inputs in batches)


@pytest.mark.parametrize("run", [mel_run(), wave_run()], ids=["mel", "wave"])
def test_a_crop_brings_the_labels_of_its_place(run):
    """Values count samples (frames), labels count themselves: label 0 of the crop is its time."""
    is_wave = isinstance(run.audio, WaveConfig)
    run = dataclasses.replace(
        run,
        audio=dataclasses.replace(
            run.audio, **({"train_samples": 3200} if is_wave else {"train_frames": 32})
        ),
    )
    seconds = 2.0
    ramp = torch.arange(32000.0) if is_wave else torch.arange(200.0)[:, None].expand(200, 64)
    tensors = [ramp] * 8
    sequences = {str(n): torch.arange(round(100 * seconds)) for n in range(8)}
    collate = Collator(run, "audio", labels=Labels(sequences, 100.0, 200))
    generators = [seeded(n) for n in range(8)]
    inputs = collate.masked(tensors, generators=generators, ids=list(sequences))

    starts = inputs.values[:, 0] if is_wave else 160 * inputs.values[:, 0, 0]
    assert starts.unique().numel() > 4
    ratio, columns = (2, 1) if is_wave else (16, 4)
    steps = torch.arange(inputs.tokens) // columns * ratio
    wanted = (starts / 160).round().long()[:, None] + steps
    assert torch.equal(inputs.labels, torch.where(wanted < 200, wanted, NO_LABEL))


def test_padding_has_no_label():
    inputs = labelled(mel_run(), short=True)

    assert inputs.lengths.tolist() == [12, 8, 12]
    assert (inputs.labels[1, 8:] == NO_LABEL).all()
    assert (inputs.labels[[0, 2]] != NO_LABEL).all()


def test_padding_has_no_label_even_where_the_labels_last_longer():
    """0.2 s are 9 tokens; the labels, 0.09 s longer, would reach 5 tokens further."""
    sequences = {"a": torch.zeros(40).long(), "b": torch.zeros(29).long()}
    collate = Collator(wave_run(), "audio", labels=Labels(sequences, 100.0, CLUSTERS))
    tensors = [torch.randn(6400), torch.randn(3200)]
    inputs = collate.masked(tensors, generators=[seeded(0), seeded(1)], ids=["a", "b"])

    assert inputs.labels[1].tolist() == [0] * 9 + [NO_LABEL] * 10


def test_labels_that_last_too_short_stop_the_training():
    collate = Collator(mel_run(), "audio", labels=Labels({"a": torch.arange(20)}, 100.0, 20))
    with pytest.raises(InputError, match=r"item a lasts 0\.40 s, but its labels 0\.20 s at 100 a"):
        collate.masked([torch.randn(40, 64)], generators=[seeded(0)], ids=["a"])


@pytest.mark.parametrize("short", [False, True], ids=["equal", "padded"])
@torch.no_grad()
def test_the_penalty_is_ten_times_the_mean_square_of_what_the_convolutions_hear(short):
    run = wave_run(conv_norm="layer")
    student, objective = parts_of(run)
    inputs = labelled(run, items=2, short=short)
    heard = student.prenet("audio").tokens.convolved(inputs.values)
    items = [x[:n].square().mean() for x, n in zip(heard, inputs.lengths, strict=True)]

    found = objective(student, student, inputs).losses["features"]
    torch.testing.assert_close(found, FEATURE_PENALTY * (items[0] + items[1]) / 2)
    assert short == (len(set(inputs.lengths.tolist())) == 2)


def test_a_sound_goes_through_the_convolutions_once():
    student, objective = parts_of(wave_run())
    calls = []
    student.prenet("audio").tokens.convs[0].register_forward_hook(lambda *_: calls.append(1))
    objective(student, student, labelled(wave_run()))

    assert len(calls) == 1


def test_spectrograms_have_no_penalty():
    student, objective = parts_of(mel_run())

    assert set(objective(student, student, labelled(mel_run())).losses) == {"clusters"}


def test_the_gradient_of_the_convolutions_is_scaled_and_no_other():
    """A tenth reaches them, of the penalty as well, as in the reference."""

    def gradients(scale):
        torch.manual_seed(0)
        run = wave_run(feature_gradient=scale)
        student, objective = parts_of(run)
        objective(student, student, labelled(run)).total.backward()
        named = [*student.named_parameters(), *objective.named_parameters()]
        return {name: p.grad for name, p in named if p.grad is not None}

    whole, tenth = gradients(1.0), gradients(0.1)
    convolutions = {name for name in whole if ".tokens.conv" in name}
    assert len(convolutions) == 7 + 2
    assert convolutions < set(whole)
    for name, gradient in whole.items():
        scale = 0.1 if name in convolutions else 1.0
        torch.testing.assert_close(tenth[name], scale * gradient, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("run", [mel_run(), wave_run()], ids=["mel", "wave"])
@torch.no_grad()
def test_parts_of_a_step_add_up_to_the_whole(run):
    student, objective = parts_of(run)
    inputs = labelled(run, items=4)
    whole = objective(student, student, inputs).losses
    totals = Totals(float(len(inputs.hidden)), 8.0)
    sums = dict.fromkeys(whole, 0.0)
    for n in (0, 2):
        part = inputs._replace(
            values=inputs.values[n : n + 2],
            lengths=inputs.lengths[n : n + 2],
            labels=inputs.labels[n : n + 2],
            totals=totals,
        )
        part = with_mask(part, inputs.mask[2 * n : 2 * n + 4])
        for name, loss in objective(student, student, part).losses.items():
            sums[name] += loss.item()

    assert sums == pytest.approx({name: loss.item() for name, loss in whole.items()}, rel=1e-5)


@torch.no_grad()
def test_accuracy_stands_beside_that_of_always_naming_the_most_frequent_cluster():
    run = mel_run()
    student, objective = parts_of(run)
    objective.head.weight.zero_()
    objective.head.bias.copy_(objective.classes[3])  # whatever it hears, it names cluster 3
    inputs = labelled(run)
    wanted = inputs.labels.repeat_interleave(2, dim=0)[inputs.mask]
    statistics = objective(student, student, inputs).statistics

    assert statistics["accuracy"].item() == pytest.approx((wanted == 3).float().mean().item())
    assert statistics["majority"].item() == pytest.approx(
        (torch.bincount(wanted).max() / len(wanted)).item()
    )
    assert 0 < statistics["accuracy"] < 1


def test_class_vectors_and_mask_vector_start_uniform():
    run = mel_run()
    run = dataclasses.replace(
        run,
        audio=dataclasses.replace(run.audio, clusters=ClusterConfig(count=500, dim=64)),
    )
    objective = Hubert(run, "audio")

    assert objective.classes.shape == (500, 64)
    for start in (objective.classes, objective.masked.vector):
        assert start.min() >= 0
        assert start.max() <= 1
    assert objective.classes.mean().item() == pytest.approx(0.5, abs=0.01)
    assert objective.classes.var().item() == pytest.approx(1 / 12, abs=0.005)


def test_without_masks_or_labels_nothing_can_be_predicted():
    student, objective = parts_of(mel_run())
    inputs = labelled(mel_run())
    bare = Inputs(inputs.values, inputs.lengths, inputs.grid)

    for batch in (bare, inputs._replace(labels=None)):
        with pytest.raises(ValueError, match="hubert needs a masked batch with labels"):
            objective(student, student, batch)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_only_sounds_have_clusters(modality):
    run = preset("tiny")
    config = dataclasses.replace(run.of(modality), objective="hubert")
    run = dataclasses.replace(run, **{modality: config})
    with pytest.raises(ConfigError, match=f"clusters of sounds; choose another for {modality}"):
        make_objective(run, modality)

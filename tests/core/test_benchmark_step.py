"""What the benchmark of a training step compares with ours is the same step: loss and gradients."""

import dataclasses
import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from d2v_core.learner import Learner
from d2v_core.modality_config import ConvDecoderConfig
from d2v_core.teacher import Teacher

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
THEIR_NAMES = (
    ("student.prenets.image.tokens.proj.", "student.patch."),
    ("student.prenets.image.blocks.blocks.", "student.prenet."),
    ("student.prenets.image.", "student."),
    ("student.trunks.image.blocks.", "student.blocks."),
    ("objectives.image.", ""),
    (".attn.", "."),
    (".mlp.", "."),
)
BERT_NAMES = (
    (".proj.", ".layer.attention.output.dense."),
    (".norm1.", ".layer.attention.output.LayerNorm."),
    (".fc1.", ".layer.intermediate.dense."),
    (".fc2.", ".layer.output.dense."),
    (".norm2.", ".layer.output.LayerNorm."),
)


@pytest.fixture
def benchmark(monkeypatch):
    """The two files, which are scripts and no package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    step = importlib.import_module("training_step")
    yield step
    for name in ("training_step", "reference_step", "step_sizes"):
        sys.modules.pop(name, None)


@pytest.fixture
def case(benchmark):
    return benchmark.Case(
        "test",
        dim=32,
        depth=2,
        prenet_depth=1,
        heads=2,
        batch=2,
        rounds=1,
        masks=3,
        side=24,
        decoder_layers=2,
        groups=4,
    )


def silent(config):
    """Return the settings without noise in the decoder, which each way draws for itself."""
    decoder = ConvDecoderConfig(**dataclasses.asdict(config.image.decoder) | {"noise_std": 0.0})
    return dataclasses.replace(config, image=dataclasses.replace(config.image, decoder=decoder))


def theirs(state, *, is_bert):
    """Return tensors under the names that the reference has for them."""
    found = {}
    for name, value in state.items():
        for ours, other in THEIR_NAMES:
            name = name.replace(ours, other)
        if is_bert and ".qkv." in name:
            for part, x in zip(("query", "key", "value"), value.chunk(3), strict=True):
                found[name.replace(".qkv.", f".layer.attention.self.{part}.")] = x
            continue
        if is_bert and name.startswith(("student.prenet.", "student.blocks.")):
            for plain, other in BERT_NAMES:
                name = name.replace(plain, other)
        found[name] = value
    return found


@pytest.mark.parametrize(
    "is_bert", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "transformers"]
)
def test_the_reference_computes_the_same_loss_and_gradients(benchmark, case, is_bert):
    if is_bert:
        pytest.importorskip("transformers")
    config = silent(case.config())
    learner = Learner(config)
    with torch.no_grad():
        for parameter in learner.parameters():  # large ones, so that every part matters
            parameter.add_(0.2 * torch.randn_like(parameter))
    teacher = Teacher(learner.student)
    with torch.no_grad():
        for parameter in teacher.model.parameters():
            parameter.mul_(0.8)
    block = benchmark.TransformersBlock if is_bert else benchmark.PlainBlock
    reference = benchmark.ReferenceLearner(config, block)
    of_teacher = {f"student.{name}": x for name, x in teacher.model.state_dict().items()}
    loaded = theirs(learner.state_dict(), is_bert=is_bert)
    for name, x in theirs(of_teacher, is_bert=is_bert).items():
        loaded[name.replace("student.", "teacher.", 1)] = x
    reference.load_state_dict(loaded)
    batch = benchmark.make_batch(case)

    loss = learner(teacher.model, {"image": batch}, None).total
    loss.backward()
    other, _ = reference(batch.values, batch.mask)
    other.backward()

    assert loss.item() == pytest.approx(other.item(), rel=1e-4)
    wanted = theirs({n: p.grad for n, p in learner.named_parameters()}, is_bert=is_bert)
    found = {n: p.grad for n, p in reference.named_parameters() if p.requires_grad}
    assert found.keys() == wanted.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-4, msg=name)
        # A key's bias adds the same to all scores of a query, and has no gradient.
        assert gradient.abs().max() > 1e-4 or "key.bias" in name


def test_the_teacher_of_the_reference_follows_as_ours_does(benchmark, case):
    reference = benchmark.ReferenceLearner(case.config())
    with torch.no_grad():
        for parameter in reference.student.parameters():
            parameter.add_(torch.randn_like(parameter))
    teacher = Teacher(reference.teacher)
    teacher.follow(reference.student, decay=0.9)
    reference.follow(0.9)

    for name, parameter in reference.teacher.named_parameters():
        torch.testing.assert_close(parameter, dict(teacher.model.named_parameters())[name])


def test_a_step_of_both_learns(benchmark, case):
    """Twenty steps each on one batch; both losses fall."""
    batch = benchmark.make_batch(case)
    ours = benchmark.Ours(case, "ours")
    losses = []
    for done in range(1, 21):
        losses.append(benchmark.optimise(ours.training, ours.module, ours.batch, done)["loss"])
    reference = benchmark.ReferenceLearner(case.config())
    optimizer = torch.optim.AdamW(reference.learns(), lr=1e-3)
    others = [
        benchmark.reference_step(
            reference, optimizer, batch.values, batch.mask, clip_norm=3.0, decay=0.999
        )
        for _ in range(20)
    ]

    assert losses[-1] < 0.9 * losses[0]
    assert others[-1] < 0.9 * others[0]


def test_operations_are_counted_as_torch_counts_them(benchmark, case):
    """But for what can be left out: the last projection of visible places.

    With one group: torch counts the gradient of a grouped kernel as that of a full one.
    """
    case = dataclasses.replace(case, groups=1)
    reference = benchmark.ReferenceLearner(case.config())
    batch = benchmark.make_batch(case)
    with FlopCounterMode(display=False) as counter:
        reference(batch.values, batch.mask)[0].backward()
    visible = batch.visible.ids.numel()
    projected = 3 * 2.0 * visible * case.dim**2

    assert benchmark.flops(case) == pytest.approx(counter.get_total_flops() - projected, rel=1e-6)

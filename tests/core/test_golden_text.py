"""data2vec 2.0 for text against values computed by running the reference implementation.

Not one number here was computed by us: weights, inputs, masks, activations, targets, predictions,
losses, gradients and the teacher after three steps come from fairseq `examples/data2vec`.
"""

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.config import RunConfig, TeacherConfig, TrunkConfig
from d2v_core.inputs import Inputs, with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import ConvDecoderConfig, MaskConfig, TargetConfig, TextConfig
from d2v_core.teacher import Teacher, copied_names

WORDS = 48
OFFSET = 2  # rows of the reference's table of positions that no text uses
CONFIG = RunConfig(
    text=TextConfig(
        mask=MaskConfig(ratio=0.48, inverse=True, masks=3),
        decoder=ConvDecoderConfig(
            layers=2,
            kernel=9,
            width=32,
            groups=1,
            residual=False,
            projections=2,
            noise_std=0.0,
        ),
        target=TargetConfig(layers=3),
        loss_scale="sum",
        vocabulary="none but ids",
        size=64,
        max_tokens=64,
    ),
    trunk=TrunkConfig(dim=32, depth=4, prenet_depth=0, heads=4, norm_eps=1e-5),
    teacher=TeacherConfig(ema_decay_start=0.9, ema_decay_end=0.9),
)
ACTIVATIONS = {"rtol": 0, "atol": 2e-5}
NO_CLS = "student.prenets.text.extra"


def our_name(theirs):
    """Return our name of one of the reference's parameters."""
    if theirs.startswith("blocks."):
        return f"student.trunks.text.{theirs}"
    name = theirs.removeprefix("modality_encoders.TEXT.")
    if name.startswith("decoder.blocks."):
        number, _, kind = name.removeprefix("decoder.blocks.").split(".")
        return f"objectives.text.decoder.convs.{number}.{kind}"
    if name.startswith("decoder.proj."):
        return f"objectives.text.{name}"
    part, kind = name.removeprefix("local_encoder.").split(".")
    ours = {"embed_tokens": "embedding", "embed_positions": "positions"}
    return f"student.prenets.text.tokens.{ours.get(part, 'norm')}.{kind}"


def under(tensors, prefix, rename=our_name):
    found = {
        rename(name.removeprefix(prefix)): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    return {k: v[OFFSET:] if "positions" in k else v for k, v in found.items()}


def teachers_name(theirs):
    """The reference's teacher is made of blocks only."""
    return f"trunks.text.blocks.{theirs}"


@pytest.fixture
def golden(shared_file):
    return load_file(shared_file("golden/text.safetensors"))


@pytest.fixture
def learner(golden):
    learner = Learner(CONFIG)
    learner.load_state_dict({**under(golden, "init.student."), NO_CLS: torch.zeros(1, 0, 32)})
    return learner


@pytest.fixture
def teacher(golden, learner):
    student = learner.student
    teacher = Teacher(student, copied=copied_names(student, CONFIG))
    averaged = under(golden, "init.ema.", teachers_name)
    names = {name for name, _ in teacher.model.named_parameters()}
    assert set(averaged) == names - teacher.copied
    teacher.model.load_state_dict(averaged, strict=False)
    return teacher


@pytest.fixture
def inputs(golden):
    inputs = Inputs(golden["input.source"], torch.tensor([WORDS, WORDS]), (WORDS,))
    return with_mask(inputs, golden["input.precomputed_mask"].bool())


def in_reading_order(golden, name):
    order = golden["mask.ids_keep"].argsort(dim=1)[..., None]
    return golden[name].gather(1, order.expand_as(golden[name]))


def test_every_layer_of_the_whole_text(golden, learner, inputs):
    student = learner.student.eval()
    states = student.encode("text", student.embed("text", inputs), inputs)

    torch.testing.assert_close(states.output, golden["features.x"], **ACTIVATIONS)
    for number, ffn in enumerate(states.ffn):
        torch.testing.assert_close(ffn, golden[f"features.ffn{number}"], **ACTIVATIONS)


def test_every_layer_of_a_padded_text(golden, learner):
    padding = golden["features_pad.padding_mask"].bool()
    lengths = (~padding).sum(dim=1)
    assert len(set(lengths.tolist())) == 2
    inputs = Inputs(golden["features_pad.input.source"], lengths, (WORDS,))
    student = learner.student.eval()
    states = student.encode("text", student.embed("text", inputs), inputs)

    torch.testing.assert_close(
        states.output[~padding], golden["features_pad.x"][~padding], **ACTIVATIONS
    )
    for number, ffn in enumerate(states.ffn):
        expected = golden[f"features_pad.ffn{number}"][~padding]
        torch.testing.assert_close(ffn[~padding], expected, **ACTIVATIONS)


def test_every_layer_of_the_masked_text(golden, learner, inputs):
    student = learner.student
    states = student.encode_visible("text", student.embed("text", inputs), inputs)

    for number, ffn in enumerate(states.ffn):
        for ours, theirs in ((states.residual[number + 1], "out"), (ffn, "ffn")):
            expected = in_reading_order(golden, f"student.block{number}.{theirs}")
            torch.testing.assert_close(ours, expected, **ACTIVATIONS)
    predicted = learner.objectives["text"].decoder(states.output, inputs)
    torch.testing.assert_close(predicted, golden["decoder.pred"][inputs.mask], **ACTIVATIONS)


def test_targets(golden, learner, teacher, inputs):
    tokens = learner.student.embed("text", inputs)
    target, _ = learner.objectives["text"].targets(teacher.model, tokens, inputs)

    torch.testing.assert_close(target, golden["target.y"], **ACTIVATIONS)


def test_losses_and_all_gradients(golden, learner, teacher, inputs):
    outcome = learner(teacher.model, {"text": inputs}, None)
    expected = golden["loss.TEXT_regression.sum"].item() / golden["loss.sample_size"].item()
    assert outcome.total.item() == pytest.approx(expected, rel=1e-5)
    outcome.total.backward()
    gradients = under(golden, "grad.")
    parameters = dict(learner.named_parameters())
    assert set(gradients) == set(parameters) - {NO_CLS}

    for name, gradient in gradients.items():
        torch.testing.assert_close(parameters[name].grad, gradient, rtol=1e-4, atol=2e-5)


def test_the_teacher_after_three_steps(golden, learner, teacher, inputs):
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        learner(teacher.model, {"text": inputs}, None).total.backward()
        optimizer.step()
        teacher.follow(learner.student, decay=0.9)
    ours = teacher.model.state_dict()
    for name, expected in under(golden, "after3.ema.", teachers_name).items():
        torch.testing.assert_close(ours[name], expected, rtol=0, atol=2e-5)


def test_the_comparison_can_fail(golden, learner, teacher, inputs):
    """The control: the mean over channels instead of their sum is another loss."""
    learner.objectives["text"].config = dataclasses.replace(CONFIG.text, loss_scale="mean")
    outcome = learner(teacher.model, {"text": inputs}, None)
    expected = golden["loss.TEXT_regression.sum"].item() / golden["loss.sample_size"].item()

    assert outcome.total.item() == pytest.approx(expected / 32, rel=1e-5)

"""data2vec 2.0 for raw sound against values computed by running the reference implementation.

Not one number here was computed by us: weights, inputs, masks, activations, targets, predictions,
losses, gradients and the teacher after three steps come from fairseq `examples/data2vec`. Once
without blocks of the prenet, as published for Base, once with two, as for Large.
"""

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.config import RunConfig, TeacherConfig, TrunkConfig
from d2v_core.inputs import Inputs, with_mask
from d2v_core.learner import Learner
from d2v_core.modality_config import ConvDecoderConfig, MaskConfig, TargetConfig, WaveConfig
from d2v_core.teacher import Teacher, copied_names

TOKENS = 49
ACTIVATIONS = {"rtol": 0, "atol": 2e-5}


def config(prenet_depth):
    return RunConfig(
        audio=WaveConfig(
            mask=MaskConfig(ratio=0.5, length=5, adjust=0.05, masks=3),
            decoder=ConvDecoderConfig(layers=3, kernel=7, width=16, groups=4, noise_std=0.0),
            target=TargetConfig(layers=3),
            channels=24,
            position_groups=16,
            train_samples=16_000,
        ),
        trunk=TrunkConfig(dim=32, depth=4, prenet_depth=prenet_depth, heads=4, norm_eps=1e-5),
        teacher=TeacherConfig(ema_decay_start=0.9, ema_decay_end=0.9),
    )


def our_name(theirs):
    """Return our name of one of the reference's parameters."""
    if theirs.startswith("blocks."):
        return f"student.trunks.audio.{theirs}"
    name = theirs.removeprefix("modality_encoders.AUDIO.")
    if name.startswith("decoder.blocks."):
        number, _, kind = name.removeprefix("decoder.blocks.").split(".")
        return f"objectives.audio.decoder.convs.{number}.{kind}"
    if name.startswith("decoder.proj."):
        return f"objectives.audio.{name}"
    if name.startswith("local_encoder.conv_layers."):
        number, *kind = name.removeprefix("local_encoder.conv_layers.").split(".")
        norm = kind[:-1] == ["2", "1"]
        name = f"tokens.{'conv_norms' if norm else 'convs'}.{number}.{kind[-1]}"
    elif name.startswith("relative_positional_encoder."):
        number, _, kind = name.removeprefix("relative_positional_encoder.").split(".")
        name = f"positions.convs.{int(number) - 1}.{kind}"
    elif name == "alibi_scale":
        name = "bias.scale"
    else:
        for old, new in (
            ("project_features.1.", "tokens.norm."),
            ("project_features.2.", "tokens.proj."),
            ("context_encoder.blocks.", "blocks.blocks."),
            ("context_encoder.norm.", "norm."),
        ):
            name = name.replace(old, new)
    return f"student.prenets.audio.{name}"


def under(tensors, prefix):
    found = {
        our_name(name.removeprefix(prefix)): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
    return {k: v.flatten() if k.endswith("bias.scale") else v for k, v in found.items()}


@pytest.fixture(params=[("audio", 0), ("audio_prenet2", 2)], ids=["prenet 0", "prenet 2"])
def case(request, shared_file):
    name, prenet_depth = request.param
    return load_file(shared_file(f"golden/{name}.safetensors")), config(prenet_depth)


@pytest.fixture
def golden(case):
    return case[0]


@pytest.fixture
def learner(case):
    learner = Learner(case[1])
    wanted = under(case[0], "init.student.")
    wanted["student.prenets.audio.extra"] = torch.zeros(1, 0, 32)
    learner.load_state_dict(wanted)
    return learner


@pytest.fixture
def teacher(golden, learner):
    student = learner.student
    teacher = Teacher(student, copied=copied_names(student, learner.config))
    averaged = {k.removeprefix("student."): v for k, v in under(golden, "init.ema.").items()}
    names = {name for name, _ in teacher.model.named_parameters()}
    assert set(averaged) == names - teacher.copied - {"prenets.audio.extra"}
    teacher.model.load_state_dict(averaged, strict=False)
    return teacher


@pytest.fixture
def inputs(golden):
    inputs = Inputs(golden["input.source"], torch.tensor([TOKENS, TOKENS]), (TOKENS,))
    return with_mask(inputs, golden["input.precomputed_mask"].bool())


def in_reading_order(golden, name):
    order = golden["mask.ids_keep"].argsort(dim=1)[..., None]
    return golden[name].gather(1, order.expand_as(golden[name]))


def test_every_layer_of_the_whole_sound(golden, learner, inputs):
    student = learner.student.eval()
    tokens = student.embed("audio", inputs)
    torch.testing.assert_close(tokens, golden["student.local_features"], **ACTIVATIONS)
    states = student.encode("audio", tokens, inputs)

    torch.testing.assert_close(states.output, golden["features.x"], **ACTIVATIONS)
    for number, ffn in enumerate(states.ffn):
        torch.testing.assert_close(ffn, golden[f"features.ffn{number}"], **ACTIVATIONS)


def test_padding_is_heard_by_the_references_positions_and_not_by_ours(golden, learner):
    """With its positions left as they are, we have its numbers; ours do not depend on padding."""
    samples = (1 - golden["features_pad.input.padding_mask"]).sum(dim=1)
    student = learner.student.eval()
    prenet = student.prenets["audio"]
    lengths = prenet.tokens.token_lengths(samples)
    inputs = Inputs(golden["features_pad.input.source"], lengths, (TOKENS,))
    short = int(lengths[1])
    alone = Inputs(inputs.values[1:, : int(samples[1])], lengths[1:], (short,))
    ours = student.encode("audio", student.embed("audio", inputs), inputs).output
    expected = student.encode("audio", student.embed("audio", alone), alone).output
    torch.testing.assert_close(ours[1:, :short], expected, **ACTIVATIONS)

    deaf = prenet.positions.forward
    prenet.positions.forward = lambda x, _audible: deaf(x, None)
    theirs = student.encode("audio", student.embed("audio", inputs), inputs).output
    torch.testing.assert_close(theirs[0], golden["features_pad.x"][0], **ACTIVATIONS)
    torch.testing.assert_close(
        theirs[1, :short], golden["features_pad.x"][1, :short], **ACTIVATIONS
    )


def test_every_layer_of_the_masked_sound(golden, learner, inputs):
    student = learner.student
    states = student.encode_visible("audio", student.embed("audio", inputs), inputs)

    torch.testing.assert_close(
        states.residual[0], in_reading_order(golden, "student.context_out"), **ACTIVATIONS
    )
    for number, ffn in enumerate(states.ffn):
        for ours, theirs in ((states.residual[number + 1], "out"), (ffn, "ffn")):
            expected = in_reading_order(golden, f"student.block{number}.{theirs}")
            torch.testing.assert_close(ours, expected, **ACTIVATIONS)
    predicted = learner.objectives["audio"].decoder(states.output, inputs)
    torch.testing.assert_close(predicted, golden["decoder.pred"][inputs.mask], **ACTIVATIONS)


def test_attention_falls_with_distance_as_in_the_reference(golden, learner, teacher):
    """One of the scales is negative and must count as 0."""
    bias = teacher.model.prenets["audio"].bias
    assert bias.scale.min() < 0
    ours = bias(torch.arange(TOKENS)[None], (TOKENS,))

    torch.testing.assert_close(ours, golden["teacher.alibi_bias"], **ACTIVATIONS)


def test_targets(golden, learner, teacher, inputs):
    tokens = learner.student.embed("audio", inputs)
    target, _ = learner.objectives["audio"].targets(teacher.model, tokens, inputs)

    torch.testing.assert_close(target, golden["target.y"], **ACTIVATIONS)


def test_losses_and_all_gradients(golden, learner, teacher, inputs):
    outcome = learner(teacher.model, {"audio": inputs}, None)
    expected = golden["loss.AUDIO_regression.sum"].item() / golden["loss.sample_size"].item()
    assert outcome.total.item() == pytest.approx(expected, rel=1e-5)
    outcome.total.backward()
    gradients = under(golden, "grad.")
    parameters = dict(learner.named_parameters())
    assert set(gradients) == set(parameters) - {"student.prenets.audio.extra"}

    for name, gradient in gradients.items():
        torch.testing.assert_close(parameters[name].grad, gradient, rtol=1e-4, atol=2e-5)


def test_the_teacher_after_three_steps(golden, learner, teacher, inputs):
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        learner(teacher.model, {"audio": inputs}, None).total.backward()
        optimizer.step()
        teacher.follow(learner.student, decay=0.9)
    ours = teacher.model.state_dict()
    for name, expected in under(golden, "after3.ema.").items():
        torch.testing.assert_close(ours[name.removeprefix("student.")], expected, rtol=0, atol=2e-5)


def test_the_comparison_can_fail(golden, learner, inputs):
    """The control: with its largest scale a little off, the distance changes every layer."""
    with torch.no_grad():
        learner.student.prenets["audio"].bias.scale[2] += 0.1
    states = learner.student.encode("audio", learner.student.embed("audio", inputs), inputs)

    assert (states.output - golden["features.x"]).abs().max() > 1e-3

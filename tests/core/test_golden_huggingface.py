"""Models of the Hugging Face library, rebuilt from our parts, against what they computed.

Not one number here was computed by us: weights, inputs and all layers come from transformers 5.23,
small models with random weights. They are data2vec 1.0 for pictures, texts and sounds, HuBERT in
the style of Base and of Large, and CLIP. Their names are mapped to ours here, and every one of them
has to go somewhere.
"""

import re

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from d2v_core.config import PairConfig, RunConfig, TrunkConfig
from d2v_core.inputs import Inputs
from d2v_core.modality_config import ImageConfig, MaskConfig, TextConfig, WaveConfig
from d2v_core.model import Student
from d2v_core.objectives.contrastive import Contrastive, clip_loss

DIM, HEADS, LAYERS = 32, 4, 3
CLOSE = {"rtol": 0, "atol": 1e-5}
ANY_MASK = MaskConfig(ratio=0.5)
VISION_BLOCK = {
    "lambda_1": "attn_branch.scale",
    "lambda_2": "mlp_branch.scale",
    "attention.attention.query.": "attn.q.",
    "attention.attention.key.": "attn.k.",
    "attention.attention.value.": "attn.v.",
    "attention.output.dense.": "attn.proj.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
    "layernorm_before.": "norm1.",
    "layernorm_after.": "norm2.",
}
TEXT_BLOCK = {
    "attention.self.query.": "attn.q.",
    "attention.self.key.": "attn.k.",
    "attention.self.value.": "attn.v.",
    "attention.output.dense.": "attn.proj.",
    "attention.output.LayerNorm.": "norm1.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
    "output.LayerNorm.": "norm2.",
}
AUDIO_BLOCK = {
    "attention.q_proj.": "attn.q.",
    "attention.k_proj.": "attn.k.",
    "attention.v_proj.": "attn.v.",
    "attention.out_proj.": "attn.proj.",
    "layer_norm.": "norm1.",
    "feed_forward.intermediate_dense.": "mlp.fc1.",
    "feed_forward.output_dense.": "mlp.fc2.",
    "final_layer_norm.": "norm2.",
}
VISION = {
    "embeddings.cls_token": "prenets.image.extra",
    "embeddings.patch_embeddings.projection.": "prenets.image.tokens.proj.",
    "encoder.relative_position_bias.relative_position_bias_table": "prenets.image.bias.table",
    "pooler.layernorm.": "trunks.image.norm.",
}
TEXT = {
    "embeddings.word_embeddings.": "prenets.text.tokens.embedding.",
    "embeddings.position_embeddings.": "prenets.text.tokens.positions.",
    "embeddings.LayerNorm.": "prenets.text.tokens.norm.",
}
AUDIO = {
    "feature_projection.layer_norm.": "prenets.audio.tokens.norm.",
    "feature_projection.projection.": "prenets.audio.tokens.proj.",
    "encoder.pos_conv_embed.conv.": "prenets.audio.positions.convs.0.",
    "encoder.layer_norm.": "prenets.audio.norm.",
}
NOT_OURS = {
    "embeddings.token_type_embeddings.weight",  # there is one type: it is added to every word
    "pooler.dense.weight",  # for telling whether a sentence follows another
    "pooler.dense.bias",
}


def renamed(name, table):
    for theirs, ours in table.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    raise KeyError(name)


def our_name(theirs, modality, outside, block):
    """Return our name of one of their parameters; raise KeyError if it is unknown."""
    if found := re.fullmatch(r"encoder\.layers?\.(\d+)\.(.+)", theirs):
        return f"trunks.{modality}.blocks.{found[1]}.{renamed(found[2], block)}"
    if found := re.fullmatch(
        r"feature_extractor\.conv_layers\.(\d+)\.(conv|layer_norm)(.+)", theirs
    ):
        kind = {"conv": "convs", "layer_norm": "conv_norms"}[found[2]]
        return f"prenets.{modality}.tokens.{kind}.{found[1]}{found[3]}"
    if found := re.fullmatch(r"encoder\.pos_conv_embed\.layers\.(\d+)\.conv(.+)", theirs):
        return f"prenets.{modality}.positions.convs.{found[1]}{found[2]}"
    return renamed(theirs, outside)


def weights(golden, modality, outside, block):
    """Return our state: their weights renamed, query, key and value as one matrix."""
    theirs = {k.removeprefix("init."): v for k, v in golden.items() if k.startswith("init.")}
    state = {
        our_name(name, modality, outside, block): value
        for name, value in theirs.items()
        if name not in NOT_OURS
    }
    for name in [name for name in state if ".attn.q." in name]:
        q = state.pop(name)
        k = state.pop(name.replace(".q.", ".k."), torch.zeros_like(q))  # a key without a bias
        v = state.pop(name.replace(".q.", ".v."))
        state[name.replace(".q.", ".qkv.")] = torch.cat([q, k, v])
    return state


def rebuilt(state, **modality):
    """Return a student that has exactly these weights."""
    settings = modality.pop("trunk", {})
    trunk = TrunkConfig(dim=DIM, depth=LAYERS, heads=HEADS, prenet_depth=0, mlp_ratio=2, **settings)
    student = Student(RunConfig(**modality, trunk=trunk)).eval()
    (name,) = modality
    if name != "image":
        state[f"prenets.{name}.extra"] = torch.zeros(1, 0, DIM)
    student.load_state_dict(state)
    return student


def layers_of(student, modality, inputs):
    return student.encode(modality, student.embed(modality, inputs), inputs)


def assert_layers(states, golden, keep=...):
    assert len(states.residual) == LAYERS + 1
    for number, ours in enumerate(states.residual):
        torch.testing.assert_close(ours[keep], golden[f"hidden_states.{number}"][keep], **CLOSE)


# Pictures: BEiT's pre-norm blocks with layer scale, one table of position biases for all of them.


@pytest.fixture
def vision(shared_file):
    return load_file(shared_file("golden/hf_data2vec_vision.safetensors"))


def vision_student(golden):
    return rebuilt(
        weights(golden, "image", VISION, VISION_BLOCK),
        image=ImageConfig(size=32, patch=4, positions="relative", mask=ANY_MASK),
        trunk={"norm_eps": 1e-12, "norm_first": True, "layer_scale": 0.1},
    )


def vision_inputs(golden):
    return Inputs(golden["input.pixel_values"], torch.tensor([64, 64]), (8, 8))


def test_data2vec_for_pictures(vision):
    student = vision_student(vision)
    states = layers_of(student, "image", vision_inputs(vision))

    assert_layers(states, vision)
    torch.testing.assert_close(states.residual[-1], vision["last_hidden_state"], **CLOSE)
    pooled = student.trunks["image"].norm(states.residual[-1][:, 1:].mean(dim=1))
    torch.testing.assert_close(pooled, vision["pooler_output"], **CLOSE)


@pytest.mark.parametrize("entries", [slice(225), 225, 226, 227])
def test_every_kind_of_position_bias_counts(vision, entries):
    """The control: between patches, CLS to patch, patch to CLS, CLS to itself."""
    student = vision_student(vision)
    with torch.no_grad():
        student.prenets["image"].bias.table[entries] = 0
    states = layers_of(student, "image", vision_inputs(vision))

    assert (states.residual[-1] - vision["last_hidden_state"]).abs().max() > 1e-4


# Texts: RoBERTa's post-norm blocks.


@pytest.fixture
def text(shared_file):
    return load_file(shared_file("golden/hf_data2vec_text.safetensors"))


def text_student(golden):
    state = weights(golden, "text", TEXT, TEXT_BLOCK)
    state["prenets.text.tokens.embedding.weight"] += golden[
        "init.embeddings.token_type_embeddings.weight"
    ]
    name = "prenets.text.tokens.positions.weight"
    state[name] = state[name][2:]  # theirs start after the padding word, which is number 1
    student = rebuilt(
        state,
        text=TextConfig(vocabulary="none but ids", size=64, max_tokens=38, mask=ANY_MASK),
        trunk={"norm_eps": 1e-12},
    )
    student.prenets["text"].tokens.norm.eps = 1e-12
    return student


def text_inputs(golden):
    return Inputs(golden["input.input_ids"], golden["input.attention_mask"].sum(dim=1), (24,))


def test_data2vec_for_texts(text):
    inputs = text_inputs(text)
    assert inputs.valid is not None
    states = layers_of(text_student(text), "text", inputs)

    assert_layers(states, text, keep=inputs.valid)
    torch.testing.assert_close(
        states.output[inputs.valid], text["last_hidden_state"][inputs.valid], **CLOSE
    )


def test_ffn_outputs_for_texts_follow_from_their_layers(text):
    """Their weights written out: gelu(x W₁ + b₁) W₂ + b₂; and norm(x + that) is their layer."""
    student, inputs = text_student(text), text_inputs(text)
    entering = []
    for block in student.trunks["text"].blocks:
        block.mlp.register_forward_hook(lambda _mlp, x, _y: entering.append(x[0]))
    states = layers_of(student, "text", inputs)

    for number, (x, ffn) in enumerate(zip(entering, states.ffn, strict=True)):
        layer = f"init.encoder.layer.{number}."
        w1, b1, w2, b2, gain, shift = (
            text[f"{layer}{part}.{kind}"]
            for part in ("intermediate.dense", "output.dense", "output.LayerNorm")
            for kind in ("weight", "bias")
        )
        torch.testing.assert_close(ffn, F.gelu(x @ w1.T + b1) @ w2.T + b2, **CLOSE)
        after = F.layer_norm(x + ffn, (DIM,), gain, shift, eps=1e-12)
        torch.testing.assert_close(
            after[inputs.valid], text[f"hidden_states.{number + 1}"][inputs.valid], **CLOSE
        )


# Sounds.


def sound_inputs(golden):
    values = golden["input.input_values"]
    samples = golden.get("input.attention_mask", torch.ones_like(values)).sum(dim=1).long()
    tokens = samples
    for kernel, stride in ((10, 5), *[(3, 2)] * 4, *[(2, 2)] * 2):
        tokens = (tokens - kernel) // stride + 1
    return Inputs(values, tokens, (12,))


@pytest.fixture
def audio(shared_file):
    return load_file(shared_file("golden/hf_data2vec_audio.safetensors"))


def audio_student(golden, *, scale=None):
    """Return data2vec for sounds; with a scale, attention also falls with distance."""
    state = weights(golden, "audio", AUDIO, AUDIO_BLOCK)
    if scale is not None:
        state["prenets.audio.bias.scale"] = torch.full((HEADS,), scale)
    settings = WaveConfig(
        channels=16,
        position_layers=2,
        position_kernel=5,
        position_groups=4,
        alibi=scale is not None,
        mask=ANY_MASK,
    )
    return rebuilt(state, audio=settings, trunk={"norm_eps": 1e-5})


@pytest.mark.parametrize("scale", [None, 0.0])
def test_data2vec_for_sounds(audio, scale):
    student, inputs = audio_student(audio, scale=scale), sound_inputs(audio)
    tokens = student.prenets["audio"].tokens
    features = tokens.norm(tokens.convolved(inputs.values))
    torch.testing.assert_close(features, audio["extract_features"], **CLOSE)
    states = layers_of(student, "audio", inputs)

    assert_layers(states, audio, keep=0)  # the sound without padding
    pooled = student.pooled_layers("audio", inputs)[-1]
    torch.testing.assert_close(pooled[0], audio["mean_pooled"][0], **CLOSE)


def test_sounds_with_padding_differ_only_by_what_their_positions_hear(audio):
    """They silence padding before the first position convolution only, we before each."""
    student, inputs = audio_student(audio), sound_inputs(audio)
    positions, valid = student.prenets["audio"].positions, inputs.valid
    ours = layers_of(student, "audio", inputs).residual[-1]
    assert (ours - audio["last_hidden_state"])[valid].abs().max() > 1e-3

    hear = positions.forward
    positions.forward = lambda x, audible: hear(x * audible, None)
    assert_layers(layers_of(student, "audio", inputs), audio, keep=valid)


def test_with_alibi_it_is_another_model(audio):
    states = layers_of(audio_student(audio, scale=1.0), "audio", sound_inputs(audio))

    torch.testing.assert_close(states.residual[0][0], audio["hidden_states.0"][0], **CLOSE)
    assert (states.residual[-1] - audio["last_hidden_state"])[0].abs().max() > 1e-3


def hubert_student(golden, *, is_large):
    outside = AUDIO | ({"encoder.layer_norm.": "trunks.audio.norm."} if is_large else {})
    settings = WaveConfig(
        channels=16,
        conv_norm="layer" if is_large else "group",
        conv_bias=is_large,
        positions="single",
        position_kernel=16,
        position_groups=4,
        alibi=False,
        mask=ANY_MASK,
    )
    return rebuilt(
        weights(golden, "audio", outside, AUDIO_BLOCK),
        audio=settings,
        trunk={"norm_eps": 1e-5, "norm_first": is_large},
    )


@pytest.mark.parametrize(("style", "is_large"), [("base", False), ("large", True)])
def test_hubert(shared_file, style, is_large):
    """Its one position convolution hears padding as silence in both: padded sounds agree too."""
    golden = load_file(shared_file(f"golden/hf_hubert_{style}_style.safetensors"))
    inputs = sound_inputs(golden)
    assert (inputs.valid is not None) == is_large
    student = hubert_student(golden, is_large=is_large)
    keep = ... if inputs.valid is None else inputs.valid
    states = layers_of(student, "audio", inputs)
    for number, ours in enumerate(states.residual[:-1]):
        torch.testing.assert_close(ours[keep], golden[f"hidden_states.{number}"][keep], **CLOSE)
    torch.testing.assert_close(states.output[keep], golden["last_hidden_state"][keep], **CLOSE)


# CLIP: its towers are of another kind; the joint space and the loss are ours.


@pytest.fixture
def clip(shared_file):
    return load_file(shared_file("golden/hf_clip.safetensors"))


@pytest.fixture
def contrastive(clip):
    config = RunConfig(
        image=ImageConfig(mask=ANY_MASK),
        text=TextConfig(mask=ANY_MASK),
        trunk=TrunkConfig(dim=DIM),
        pairs=PairConfig(fraction=1.0, weight=1.0, dim=24),
    )
    contrastive = Contrastive(config)
    contrastive.load_state_dict(
        {
            "heads.image.weight": clip["init.visual_projection.weight"],
            "heads.text.weight": clip["init.text_projection.weight"],
            "log_scales.image-text": clip["init.logit_scale"],
        }
    )
    return contrastive


def test_the_joint_space_of_clip(clip, contrastive):
    towers = ("init.text_model.", "init.vision_model.")
    ours = {k for k in clip if k.startswith("init.") and not k.startswith(towers)}
    assert len(ours) == len(contrastive.state_dict())
    image = contrastive.project("image", clip["vision.pooler_output"])
    text = contrastive.project("text", clip["text.pooler_output"])
    torch.testing.assert_close(image, clip["image_embeds"], **CLOSE)
    torch.testing.assert_close(text, clip["text_embeds"], **CLOSE)
    logits = contrastive.log_scales["image-text"].exp() * image @ text.T

    torch.testing.assert_close(logits, clip["logits_per_image"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("texts", [[0, 1], [2, 0], [1, 2]])
def test_the_loss_of_clip_from_its_own_logits(clip, contrastive, texts):
    """Two pictures and two of the three texts; the logarithms are written out."""
    logits = clip["logits_per_image"][:, texts]
    expected = -(logits.log_softmax(dim=1).diag() + logits.log_softmax(dim=0).diag()).mean() / 2
    pooled = {"image": clip["vision.pooler_output"], "text": clip["text.pooler_output"][texts]}
    outcome = contrastive(pooled, (("image", "text"),))

    torch.testing.assert_close(outcome.total, expected, rtol=1e-5, atol=1e-5)
    scale = clip["init.logit_scale"].exp()
    torch.testing.assert_close(outcome.statistics["image-text/scale"], scale)
    ours = clip_loss(clip["image_embeds"], clip["text_embeds"][texts], scale)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_the_scale_of_clip_is_clamped_to_100_after_a_huge_step(contrastive):
    """As in the paper; their library does not do so."""
    with torch.no_grad():
        contrastive.log_scales["image-text"] += 50
    contrastive.clamp()

    assert contrastive.log_scales["image-text"].exp().item() == pytest.approx(100)

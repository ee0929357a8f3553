"""Hugging Face models: every layer as the library computes it, whatever else is in the batch.

The models are small and random, one of every family, and saved as the library saves them.
"""

import functools

import pytest
import torch
from PIL import Image

from d2v_core.data.audio import decode_audio
from d2v_core.encoders import open_encoder
from d2v_core.encoders.encoder import Encoder
from d2v_core.encoders.huggingface import Choice, huggingface
from d2v_core.encoders.huggingface_families import BY_TYPE, FAMILIES
from tests.core.huggingface_models import (
    SENTENCES,
    cases,
    model_of,
    save,
    transformers,
    write_items,
)

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
CASES = list(cases())
TOWERS = [(name, m) for name in CASES for m in BY_TYPE[name.split(",")[0]].modalities]
EXTRA = {
    "audio-spectrogram-transformer": 2,
    "deit": 2,
    "dinov2_with_registers": 4,
    "siglip": 0,
    **dict.fromkeys(["data2vec-vision", "vit", "beit", "vit_mae", "dinov2"], 1),
}
"""Tokens in front of the item's own; none before sounds, one before texts and CLIP's patches."""

NORMED = [
    *("wav2vec2, layer norm", "hubert, layer norm", "wavlm, layer norm"),
    *("audio-spectrogram-transformer", "whisper", "data2vec-vision", "vit", "deit", "vit_mae"),
    *("dinov2", "dinov2_with_registers", "siglip"),
]
"""In these a norm of all tokens follows the last block; in CLIP's text and CLAP's sound too."""

every_case = pytest.mark.parametrize("name", CASES)
every_tower = pytest.mark.parametrize(("name", "modality"), TOWERS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that saves a case, once, and gives its folder."""
    known = cases()

    @functools.cache
    def make(name):
        config, processor = known[name]
        folder = tmp_path_factory.mktemp("models") / name.replace(", ", "-").replace(" ", "-")
        return save(folder, model_of(config), processor)

    return make


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return write_items(tmp_path_factory.mktemp("items"))


@functools.cache
def opened(name, **options):
    """Return an encoder that no test may change."""
    return open_encoder(name, **options)


@functools.cache
def their_model(folder):
    return transformers.AutoModel.from_pretrained(folder).eval()


def assert_same(ours, theirs):
    """Assert equality to 1e-5 of the largest value, or of 1."""
    error = (ours - theirs).abs().max() / theirs.abs().max().clamp(min=1)
    assert error < 1e-5


def of_tower(folder, modality, **options):
    """Return the encoder of one tower, with all layers that it has."""
    return opened(f"hf-{modality}:{folder}", **options)


@functools.cache
def processor_of(folder, modality):
    kind = {"image": "ImageProcessor", "audio": "FeatureExtractor", "text": "Tokenizer"}[modality]
    return getattr(transformers, f"Auto{kind}").from_pretrained(folder)


def prepared(processor, item, name):
    """Return what the library's own processor makes of one item."""
    match item.modality:
        case "image":
            return processor(images=Image.open(item.file).convert("RGB"), return_tensors="pt")
        case "audio":
            rate = processor.sampling_rate
            samples = decode_audio(item.file, sample_rate_hz=rate).numpy()
            samples = samples[: getattr(processor, "nb_max_samples", None)]
            return processor(samples, sampling_rate=rate, return_tensors="pt")
        case "text":
            length = {"padding": "max_length"} if name == "siglip" else {}
            made = processor(item.source, truncation=True, return_tensors="pt", **length)
            wanted = ["input_ids"] if name == "siglip" else ["input_ids", "attention_mask"]
            return {key: made[key] for key in wanted}


@torch.no_grad()
def their_states(folder, name, item):
    """Return the hidden states of one item alone, and the whole output."""
    model = their_model(folder)
    inputs = prepared(processor_of(folder, item.modality), item, name)
    options = {"output_hidden_states": True}
    towers = {"image": "vision_model", "audio": "audio_model", "text": "text_model"}
    if name == "whisper":
        model = model.encoder
    elif name.split(",")[0] in ("clip", "siglip", "clap"):
        model = getattr(model, towers[item.modality])
    if name == "vit_mae":
        model.config.mask_ratio = 0.0
        options["noise"] = torch.arange(9.0)[None]
    if "is_longer" in inputs:
        inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
        options["output_hidden_states_before_downsampling"] = True
    output = model(**inputs, **options)
    return list(output.hidden_states), output


def extra_of(name, modality):
    if modality == "text" or (name == "clip" and modality == "image"):
        return 0 if name == "siglip" else 1
    return EXTRA.get(name, 0)


@every_tower
def test_every_layer_is_theirs(saved, items, name, modality):
    """Ours in one padded batch, theirs one by one; `embed` first, the final norm last."""
    encoder = of_tower(saved(name), modality)
    states = encoder.encode(modality, [encoder.load(item) for item in items[modality]])
    layers = dict(zip(encoder.taps, states.tokens, strict=True))
    extra = extra_of(name, modality)
    for row, item in enumerate(items[modality]):
        theirs, output = their_states(saved(name), name, item)
        if name.startswith("clap") and modality == "audio":  # one a stage, as pictures
            theirs = [x.flatten(2).transpose(1, 2) for x in theirs]
            taps = ["embed", "block_02.resid", "block_03.resid", "block_04.resid"]
        else:
            taps = ["embed", *(f"block_{n:02d}.resid" for n in range(1, len(theirs)))]
            last = "final_norm" if "final_norm" in layers else taps[-1]
            tokens = output.last_hidden_state[0, extra:]
            assert_same(layers[last][row, : len(tokens)], tokens)
        if name == "whisper":  # its last hidden state is the normed one
            assert_same(layers["final_norm"][row], theirs.pop()[0])
            taps.pop()
        assert set(taps) <= set(layers)
        for tap, x in zip(taps, theirs, strict=True):
            count = x.shape[1] - extra
            assert_same(layers[tap][row, :count], x[0, extra:])


@every_tower
def test_taps_say_where_a_norm_follows(saved, name, modality):
    encoder = of_tower(saved(name), modality)
    blocks = 4 if name.startswith("clap") else 3
    normed = name in NORMED or (name, modality) in [
        ("clip", "text"),
        ("clap", "audio"),
        ("clap, fusion", "audio"),
    ]
    joint = name.split(",")[0] in ("clip", "siglip", "clap")

    assert encoder.taps == (
        "embed",
        *(f"block_{n:02d}.resid" for n in range(1, blocks + 1)),
        *(("final_norm",) if normed else ()),
        *(("joint",) if joint else ()),
    )
    assert encoder.modalities == (modality,)
    assert encoder.pairs_seen == joint
    assert (encoder.role, isinstance(encoder, Encoder)) == ("trained", True)


@every_tower
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_an_item_alone_is_as_in_a_batch(saved, items, name, modality, pooling):
    encoder = opened(f"hf:{saved(name)}", pooling=pooling)
    tensors = [encoder.load(item) for item in items[modality]]
    together = encoder.encode(modality, tensors)
    for row, tensor in enumerate(tensors):
        alone = encoder.encode(modality, [tensor])
        for tap, width, one, all_ in zip(
            encoder.taps, encoder.widths, alone.pooled, together.pooled, strict=True
        ):
            assert one.shape == (1, width), tap
            torch.testing.assert_close(one[0], all_[row], **CLOSE)


VARIANT = ("data2vec-audio", "wav2vec2", "hubert", "wavlm")


@pytest.mark.parametrize("name", [name for name, m in TOWERS if m == "audio"])
def test_encoders_that_padding_would_change_run_without(saved, items, name):
    """The control: padded, with a mask or without, these really give something else."""
    encoder = of_tower(saved(name), "audio")
    assert encoder.parts["audio"].prepare.together == (name not in VARIANT)
    if name not in VARIANT:
        return
    short, _, long = [encoder.load(item) for item in items["audio"]]
    alone = encoder.encode("audio", [short])
    padded = torch.nn.functional.pad(short, (0, len(long) - len(short)))
    mask = (torch.arange(len(long)) < len(short)).long()[None]
    model = their_model(saved(name))
    heard = model(padded[None], attention_mask=mask).last_hidden_state
    tokens = alone.tokens[-1].shape[1]
    assert (heard[0, :tokens].mean(dim=0) - alone.pooled[-1][0]).abs().max() > 1e-3


@every_tower
def test_only_an_items_own_tokens_are_pooled(saved, items, name, modality):
    encoder = of_tower(saved(name), modality)
    states = encoder.encode(modality, [encoder.load(item) for item in items[modality]])
    theirs, _ = their_states(saved(name), name, items[modality][0])
    samples = 6000
    counts = {"text": 3, "image": 9, "audio": 18}
    if name == "whisper":
        counts["audio"] = -(-samples // 320)
    if name == "audio-spectrogram-transformer":  # five rows of pitch; a column each 6 frames of 36
        counts["audio"] = 5 * -(-((samples - 400) // 160 + 1) // 6)
    if name.startswith("clap"):
        counts["audio"] = 256
    valid = states.valid
    own = states.tokens[0].shape[1] if valid is None else int(valid[0].sum())

    assert own == counts[modality]
    row = states.tokens[0][0] if valid is None else states.tokens[0][0][valid[0]]
    torch.testing.assert_close(states.pooled[0][0], row.mean(dim=0), **CLOSE)
    if modality == "text":  # neither the mark in front nor the one behind
        words = theirs[0][0, extra_of(name, "text") :][:3]
        torch.testing.assert_close(states.pooled[0][0], words.mean(dim=0), **CLOSE)


@every_tower
def test_first_takes_what_the_family_reads_an_item_from(saved, items, name, modality):
    """CLS in most; in CLIP's texts the end, in SigLIP's the last place."""
    encoder = of_tower(saved(name), modality, pooling="first")
    item = items[modality][1]
    states = encoder.encode(modality, [encoder.load(item)])
    theirs, _ = their_states(saved(name), name, item)
    end = name in ("clip", "siglip") and modality == "text"

    expected = theirs[1].flatten(2).transpose(1, 2) if theirs[1].dim() == 4 else theirs[1]
    tap = "block_02.resid" if name.startswith("clap") and modality == "audio" else "block_01.resid"
    ours = states.pooled[encoder.taps.index(tap)][0]
    torch.testing.assert_close(ours, expected[0, -1 if end else 0], **CLOSE)


@every_tower
def test_preparation_is_the_processors_own(saved, items, name, modality):
    encoder = of_tower(saved(name), modality)
    prepare = encoder.parts[modality].prepare
    for item in items[modality]:
        ours = prepare.batch([encoder.load(item)]).arguments
        theirs = prepared(processor_of(saved(name), modality), item, name)
        for key in set(theirs) - {"is_longer", "attention_mask"}:
            assert torch.equal(ours[key], torch.as_tensor(theirs[key])), key


@pytest.mark.parametrize("name", ["wav2vec2, layer norm", "bert"])
def test_a_padded_batch_is_the_processors_own(saved, items, name):
    (modality,) = BY_TYPE[name.split(",")[0]].modalities
    encoder = of_tower(saved(name), modality)
    processor = processor_of(saved(name), modality)
    ours = encoder.parts[modality].prepare.batch([encoder.load(i) for i in items[modality]])
    if modality == "text":
        theirs = processor(list(SENTENCES), padding=True, return_tensors="pt")
    else:
        waves = [decode_audio(item.file).numpy() for item in items["audio"]]
        theirs = processor(waves, padding=True, sampling_rate=16_000, return_tensors="pt")
    for key, x in ours.arguments.items():
        torch.testing.assert_close(x, theirs[key].to(x.dtype))


@pytest.mark.parametrize("name", ["clip", "siglip", "clap", "clap, fusion"])
def test_the_joint_space_is_theirs(saved, items, name):
    encoder = opened(f"hf:{saved(name)}")
    model = their_model(saved(name))
    for modality in encoder.modalities:
        item = items[modality][1]
        joint = encoder.encode(modality, [encoder.load(item)]).pooled[-1]
        inputs = prepared(processor_of(saved(name), modality), item, name)
        if "is_longer" in inputs:
            inputs["is_longer"] = torch.zeros(1, 1, dtype=torch.bool)
        theirs = getattr(model, f"get_{modality}_features")(**inputs).pooler_output
        expected = torch.nn.functional.normalize(theirs, dim=1)
        torch.testing.assert_close(joint, expected, **CLOSE)
        assert encoder.taps[-1] == "joint"
        assert opened(f"hf-{modality}:{saved(name)}").pairs_seen


def test_towers_of_two_widths_share_the_layers_that_both_have(saved, items):
    """Zeros fill the narrower one up; a norm that only one tower has is in that tower's own."""
    encoder = open_encoder(f"hf:{saved('clip')}", pooling="mean+std")
    text = of_tower(saved("clip"), "text", pooling="mean+std")
    item = items["text"][0]
    shared = encoder.encode("text", [encoder.load(item)]).pooled
    own = dict(zip(text.taps, text.encode("text", [text.load(item)]).pooled, strict=True))

    assert encoder.widths == (80, 80, 80, 80, 20)
    assert text.widths == (64, 64, 64, 64, 64, 20)
    for tap, x in zip(encoder.taps, shared, strict=True):
        width = own[tap].shape[1]
        assert torch.equal(x[:, :width], own[tap])
        assert not x[:, width:].any()


@every_tower
def test_an_mlp_is_tapped_at_its_last_map(saved, items, name, modality):
    """With weights of 0 and a bias of 7 there it gives 7 wherever it is asked."""
    encoder = open_encoder(f"hf-{modality}:{saved(name)}", ffn=True)
    module = encoder.parts[modality].ffn[1]
    last = [x for x in module.modules() if isinstance(x, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 7.0)
    states = encoder.encode(modality, [encoder.load(items[modality][0])])
    ffn = states.tokens[encoder.taps.index("block_02.ffn")]
    other = states.tokens[encoder.taps.index("block_01.ffn")]

    torch.testing.assert_close(ffn, torch.full_like(ffn, 7.0))
    assert other.std() > 0.01


@pytest.mark.parametrize("name", ["bert", "hubert", "vit_mae", "clip"])
def test_bf16_is_near_and_has_a_hash_of_its_own(saved, items, name):
    modality = BY_TYPE[name].modalities[0]
    exact, rough = (open_encoder(f"{kind}:{saved(name)}") for kind in ("hf", "hf-bf16"))
    tensors = [exact.load(item) for item in items[modality]]
    a, b = (x.encode(modality, tensors).pooled[-1] for x in (exact, rough))

    assert torch.nn.functional.cosine_similarity(a, b).min() > 0.99
    assert not torch.equal(a, b)
    assert exact.hash != rough.hash


@every_case
def test_the_random_twin_has_the_same_layers_and_other_weights(saved, items, name):
    twin = open_encoder(f"hf-random:{saved(name)}")
    trained = opened(f"hf:{saved(name)}")
    other = huggingface(str(saved(name)), Choice(random=True), seed=1)

    assert (twin.role, trained.role, twin.pairs_seen) == ("random twin", "trained", False)
    assert (twin.taps, twin.widths) == (trained.taps, trained.widths)
    assert twin.name == f"hf-random:{trained.name}"
    assert len({twin.hash, trained.hash, other.hash}) == 3
    assert open_encoder(f"hf-random:{saved(name)}").hash == twin.hash


def test_the_random_twin_needs_no_weights_and_draws_nothing_from_others(saved, tmp_path):
    for file in saved("bert").iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    before = torch.random.get_rng_state()
    open_encoder(f"hf-random:{tmp_path}")

    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_changes_the_numbers_changes_the_hash(saved, tmp_path):
    """A weight, a setting, an entry of the vocabulary; not the folder's name."""
    config, processor = cases()["bert"]
    first = open_encoder(f"hf:{saved('bert')}").hash
    assert open_encoder(f"hf:{save(tmp_path / 'same', model_of(config), processor)}").hash == first
    hashes = {first}
    for number, change in enumerate(["weight", "setting", "vocabulary"]):
        config, processor = cases()["bert"]
        if change == "setting":
            config.layer_norm_eps = 1e-3
        model = model_of(config)
        if change == "weight":
            model.encoder.layer[2].output.dense.bias.data[0] += 1
        if change == "vocabulary":
            processor.add_tokens(["penguin"])
        hashes.add(open_encoder(f"hf:{save(tmp_path / str(number), model, processor)}").hash)
    assert len(hashes) == 4


def test_every_family_has_a_case():
    assert {name.split(",")[0] for name in CASES} == {family.type for family in FAMILIES}

"""Small random models of every family, saved as the library saves them, with their processors."""

import importlib

import numpy as np
import soundfile
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from d2v_core.data.items import Item

importlib.import_module("d2v_core.torchaudio_cpu")
transformers = importlib.import_module("transformers")

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
WORDS = "a the robin owl duck sings sleeps swims at dawn in rain far away from here".split()
MARKS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
SENTENCES = (
    "the robin sings",
    "a duck swims in the rain far away from here",
    "the owl sleeps at dawn",
    "owl",
)


def tokenizer_of(*, start="[CLS]", end="[SEP]", length=16):
    """Return a tokenizer of whole words, with marks in front and behind."""
    entries = {word: n for n, word in enumerate(MARKS + WORDS)}
    made = Tokenizer(models.WordLevel(entries, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [(mark, entries[mark]) for mark in (start, end) if mark]
    single = " ".join([*([start] if start else []), "$A", *([end] if end else [])])
    made.post_processor = processors.TemplateProcessing(single=single, special_tokens=marks)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_max_length=length,
    )


ENTRIES = len(MARKS) + len(WORDS)
TEXT = SIZES | {"vocab_size": ENTRIES, "max_position_embeddings": 18, "pad_token_id": 0}
IMAGE = SIZES | {"image_size": 24, "patch_size": 8}
WAVE = SIZES | {
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
LAYER = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
CLIP_TEXT = TEXT | {"bos_token_id": 1, "eos_token_id": 2, "projection_dim": 20}


def _pixels(kind, **settings):
    made = getattr(transformers, f"{kind}ImageProcessorPil", None)
    made = made or getattr(transformers, f"{kind}ImageProcessor")
    return made(**({"size": {"height": 24, "width": 24}} | settings))


def _shortest(kind):
    return _pixels(
        kind, size={"shortest_edge": 28}, crop_size={"height": 24, "width": 24}, do_center_crop=True
    )


def _wave(**settings):
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=True, **settings)


def _two(name, text, other, **settings):
    kind = getattr(transformers, f"{name}Config")
    return kind(text_config=text, **other, **settings)


def _clap(*, fusion=False):
    audio = {
        "spec_size": 64,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "window_size": 4,
        "hidden_size": 64,
        "patch_embeds_hidden_size": 16,
        "depths": [2, 1, 1],
        "num_attention_heads": [2, 2, 4],
        "enable_fusion": fusion,
        "projection_dim": 20,
        "drop_path_rate": 0.0,
    }
    text = TEXT | {"num_hidden_layers": 4, "projection_dim": 20}
    return _two("Clap", text, {"audio_config": audio}, projection_dim=20)


def _clap_extractor(truncation="rand_trunc"):
    return transformers.ClapFeatureExtractor(
        feature_size=16, max_length_s=1, hop_length=200, sampling_rate=48_000, truncation=truncation
    )


def cases():
    """Return, by name, the settings of a model and its processors."""
    t = transformers
    wave = _wave(return_attention_mask=True)
    small_mae = {"decoder_hidden_size": 16, "decoder_num_hidden_layers": 1}
    small_mae |= {"decoder_intermediate_size": 16, "decoder_num_attention_heads": 2}
    ast = {"num_mel_bins": 32, "max_length": 100, "patch_size": 8}
    ast |= {"frequency_stride": 6, "time_stride": 6}
    whisper = {"d_model": 32, "encoder_layers": 3, "encoder_attention_heads": 4}
    whisper |= {"encoder_ffn_dim": 48, "decoder_layers": 1, "decoder_attention_heads": 2}
    whisper |= {"num_mel_bins": 16, "max_source_positions": 50, "decoder_ffn_dim": 16}
    whisper |= {"vocab_size": 40, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    whisper |= {"decoder_start_token_id": 1}
    clip_vision = IMAGE | {"hidden_size": 40, "projection_dim": 20}
    siglip_vision = IMAGE | {"hidden_size": 40}
    return {
        "data2vec-audio": (t.Data2VecAudioConfig(**WAVE | {"num_conv_pos_embeddings": 5}), wave),
        "wav2vec2": (t.Wav2Vec2Config(**WAVE), _wave()),
        "wav2vec2, layer norm": (t.Wav2Vec2Config(**WAVE, **LAYER), wave),
        "hubert": (t.HubertConfig(**WAVE), _wave()),
        "hubert, layer norm": (t.HubertConfig(**WAVE, **LAYER), wave),
        "wavlm": (t.WavLMConfig(**WAVE), _wave()),
        "wavlm, layer norm": (t.WavLMConfig(**WAVE, **LAYER), wave),
        "audio-spectrogram-transformer": (
            t.ASTConfig(**SIZES, **ast),
            t.ASTFeatureExtractor(num_mel_bins=32, max_length=100),
        ),
        "whisper": (
            t.WhisperConfig(**whisper),
            t.WhisperFeatureExtractor(feature_size=16, chunk_length=1),
        ),
        "clap": (_clap(), t.ClapProcessor(_clap_extractor(), tokenizer_of())),
        "clap, fusion": (
            _clap(fusion=True),
            t.ClapProcessor(_clap_extractor("fusion"), tokenizer_of()),
        ),
        "data2vec-text": (t.Data2VecTextConfig(**TEXT), tokenizer_of()),
        "bert": (t.BertConfig(**TEXT), tokenizer_of()),
        "roberta": (t.RobertaConfig(**TEXT), tokenizer_of()),
        "xlm-roberta": (t.XLMRobertaConfig(**TEXT), tokenizer_of()),
        "mpnet": (t.MPNetConfig(**TEXT), tokenizer_of()),
        "distilbert": (
            t.DistilBertConfig(
                vocab_size=ENTRIES,
                max_position_embeddings=18,
                dim=32,
                n_layers=3,
                n_heads=4,
                hidden_dim=48,
                pad_token_id=0,
            ),
            tokenizer_of(),
        ),
        "data2vec-vision": (
            t.Data2VecVisionConfig(
                **IMAGE, use_shared_relative_position_bias=True, use_mean_pooling=False
            ),
            _pixels("Beit"),
        ),
        "vit": (t.ViTConfig(**IMAGE), _pixels("ViT")),
        "deit": (t.DeiTConfig(**IMAGE), _pixels("DeiT", do_center_crop=False)),
        "beit": (
            t.BeitConfig(**IMAGE, use_relative_position_bias=True, use_mean_pooling=True),
            _pixels("Beit"),
        ),
        "vit_mae": (t.ViTMAEConfig(**IMAGE, **small_mae), _pixels("ViT")),
        "dinov2": (t.Dinov2Config(**IMAGE), _shortest("Bit")),
        "dinov2_with_registers": (
            t.Dinov2WithRegistersConfig(**IMAGE, num_register_tokens=3),
            _shortest("Bit"),
        ),
        "clip": (
            _two("CLIP", CLIP_TEXT, {"vision_config": clip_vision}, projection_dim=20),
            t.CLIPProcessor(_shortest("CLIP"), tokenizer_of()),
        ),
        "siglip": (
            _two(
                "Siglip",
                TEXT | {"projection_size": 40, "max_position_embeddings": 16},
                {"vision_config": siglip_vision},
            ),
            t.SiglipProcessor(_pixels("Siglip"), tokenizer_of(start=None)),
        ),
    }


def redrawn(model, seed=1):
    """Draw every parameter anew, so that none is zero; norms stay near one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, x in model.named_parameters():
            noise = torch.randn(x.shape, generator=generator) * 0.3
            x.copy_(1 + noise if x.dim() == 1 and name.endswith("norm.weight") else noise)
    return model


def save(folder, model, *processors):
    """Write a model and its processors as the library does."""
    model.save_pretrained(folder)
    for processor in processors:
        processor.save_pretrained(folder)
    return folder


def model_of(config):
    """Return a model of these settings, without the poolers that nothing here needs."""
    return redrawn(transformers.AutoModel.from_config(config)).eval()


def write_items(folder):
    """Write pictures, sounds and sentences of different sizes; return them as items."""
    rng = np.random.default_rng(0)
    items = {"image": [], "audio": [], "text": []}
    for n, size in enumerate([(40, 30), (24, 24), (30, 90)]):
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(folder / f"{n}.png")
        items["image"].append(item(f"{n}.png", "image", folder / f"{n}.png"))
    for n, count in enumerate([6000, 4001, 9000]):
        wave = np.cumsum(rng.normal(0, 0.02, count))
        soundfile.write(folder / f"{n}.wav", np.sin(wave) * 0.5, 16_000)
        items["audio"].append(item(f"{n}.wav", "audio", folder / f"{n}.wav"))
    items["text"] = [item(str(n), "text", text) for n, text in enumerate(SENTENCES)]
    return items


def item(name, modality, source):
    return Item(name, modality, source, None, "test", None, {})

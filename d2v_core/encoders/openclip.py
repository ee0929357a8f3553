"""CLIP as open_clip writes it: a folder with its own settings, weights and tokenizer.

Source: open_clip, the names of its weights and the fields of `open_clip_config.json`.
"""

from collections.abc import Mapping
from math import isqrt
from pathlib import Path
from typing import Any

from d2v_core.encoders.foreign_names import (
    Foreign,
    Naming,
    Rule,
    config_of,
    count,
    shape,
    translated,
)
from d2v_core.encoders.huggingface_files import library, read_json, refusals
from d2v_core.errors import CheckpointError

CONFIG, TOKENIZER = "open_clip_config.json", "tokenizer.json"
FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
MARK = "visual.conv1.weight"
OPENAI_MEAN = [0.48145466, 0.4578275, 0.40821073]
OPENAI_STD = [0.26862954, 0.26130258, 0.27577711]
_RESAMPLING = {"bicubic": 3, "bilinear": 2}
_HEAD_WIDTH = 64
_TRAINING = {
    "patch_dropout",
    "output_tokens",
    "hf_tokenizer_name",
    "tokenizer_kwargs",
    "act_kwargs",
}
_PLAIN = {
    "vision_cfg": {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"},
    "text_cfg": {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"},
}
"""The settings of what the Hugging Face library's CLIP is made of; any other changes the model."""


def _tower(start: str, there: str) -> tuple[Rule, ...]:
    block, layer = rf"{start}transformer\.resblocks\.(\d+)\.", rf"{there}.encoder.layers.\1."
    return (
        Rule(block + r"ln_([12])\.(.+)", layer + r"layer_norm\2.\3"),
        Rule(block + r"attn\.in_proj_(.+)", layer + r"self_attn.{part}_proj.\2", "split"),
        Rule(block + r"attn\.out_proj\.(.+)", layer + r"self_attn.out_proj.\2"),
        Rule(block + r"mlp\.c_fc\.(.+)", layer + r"mlp.fc1.\2"),
        Rule(block + r"mlp\.c_proj\.(.+)", layer + r"mlp.fc2.\2"),
    )


_NAMING = Naming(
    rules=(
        Rule(r"visual\.class_embedding", "vision_model.embeddings.class_embedding"),
        Rule(r"visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        Rule(r"visual\.conv1\.weight", "vision_model.embeddings.patch_embedding.weight"),
        Rule(r"visual\.ln_pre\.(.+)", r"vision_model.pre_layrnorm.\1"),
        Rule(r"visual\.ln_post\.(.+)", r"vision_model.post_layernorm.\1"),
        Rule(r"visual\.proj", "visual_projection.weight", "transpose"),
        Rule(r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
        Rule(r"token_embedding\.weight", "text_model.embeddings.token_embedding.weight"),
        Rule(r"ln_final\.(.+)", r"text_model.final_layer_norm.\1"),
        Rule(r"text_projection", "text_projection.weight", "transpose"),
        Rule(r"logit_scale", "logit_scale"),
        *_tower(r"visual\.", "vision_model"),
        *_tower("", "text_model"),
    ),
    dropped="attn_mask|input_resolution|context_length|vocab_size",
)


def is_openclip(weights: Mapping[str, Any]) -> bool:
    """Tell whether weights are those of such a model."""
    return MARK in weights


def weights_file(folder: Path) -> Path:
    """Return the file with the weights of a folder.

    Raises:
        CheckpointError: if there is none.
    """
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if not found:
        raise CheckpointError(f"it has no weights: none of {', '.join(FILES)}")
    return found[0]


def read_openclip(weights: Mapping[str, Any], folder: Path) -> Foreign:
    """Return the model as the Hugging Face library has it.

    Args:
        weights: by their names.
        folder: with its settings; and with its tokenizer, or the model has no texts.

    Raises:
        CheckpointError: if settings are missing or not understood, or a name is not.
    """
    settings = read_json(folder / CONFIG)
    model = _object(settings, "model_cfg")
    own = {n.removeprefix("text."): x for n, x in weights.items()}
    names, dropped = translated(own, _NAMING)
    act = "quick_gelu" if model.get("quick_gelu") else "gelu"
    vision, text = _vision(own, _tower_settings(model, "vision_cfg")), _text(own, model)
    sizes = {
        "vision_config": vision | {"hidden_act": act},
        "text_config": text | {"hidden_act": act},
        "projection_dim": shape(own, "text_projection")[1],
    }
    processors: dict[str, Any] = {
        "image": _images(vision["image_size"], settings.get("preprocess_cfg") or {})
    }
    if (folder / TOKENIZER).is_file():
        processors["text"] = _words(folder / TOKENIZER, text["max_position_embeddings"])
    return Foreign("clip", config_of("clip", sizes), names, processors, dropped)


def _object(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name)
    if not isinstance(found, dict):
        raise CheckpointError(f"its {CONFIG} has no {name}")
    return found


def _tower_settings(model: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the settings of a tower, if the library's CLIP has such a tower."""
    settings = _object(model, name)
    other = sorted(
        n for n, x in settings.items() if x and n not in _PLAIN[name] and n not in _TRAINING
    )
    if other:
        raise CheckpointError(
            f"its {name} has {other[0]}, which the Hugging Face library's CLIP has not; read are "
            "the plain towers, ViT-B/32, ViT-B/16, ViT-L/14 and their like"
        )
    return settings


def _vision(weights: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    width, _, _, patch = shape(weights, MARK)
    places = shape(weights, "visual.positional_embedding")[0] - 1
    return {
        "hidden_size": width,
        "num_hidden_layers": count(weights, "visual.transformer.resblocks."),
        "num_attention_heads": max(1, width // int(settings.get("head_width", _HEAD_WIDTH))),
        "intermediate_size": shape(weights, "visual.transformer.resblocks.0.mlp.c_fc.weight")[0],
        "image_size": isqrt(max(places, 1)) * patch,
        "patch_size": patch,
        "projection_dim": shape(weights, "visual.proj")[1],
    }


def _text(weights: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    settings = _tower_settings(model, "text_cfg")
    entries, width = shape(weights, "token_embedding.weight")
    return {
        "vocab_size": entries,
        "hidden_size": width,
        "num_hidden_layers": count(weights, "transformer.resblocks."),
        "num_attention_heads": int(settings.get("heads") or max(1, width // _HEAD_WIDTH)),
        "intermediate_size": shape(weights, "transformer.resblocks.0.mlp.c_fc.weight")[0],
        "max_position_embeddings": shape(weights, "positional_embedding")[0],
        "projection_dim": shape(weights, "text_projection")[1],
        # What stands for a text is its highest entry, which is the last of the vocabulary.
        "eos_token_id": entries - 1,
        "bos_token_id": entries - 2,
        "pad_token_id": 0,
    }


def _images(side: int, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Return the image processor of the settings; of OpenAI's CLIP where they are silent."""
    mode, kind = settings.get("resize_mode", "shortest"), settings.get("interpolation", "bicubic")
    if mode not in ("shortest", "squash") or kind not in _RESAMPLING:
        raise CheckpointError(
            f"its pictures are resized by {mode} and {kind}; known are shortest and squash, "
            f"{' and '.join(_RESAMPLING)}"
        )
    is_crop = mode == "shortest"
    square = {"height": side, "width": side}
    return library().CLIPImageProcessorPil(
        size={"shortest_edge": side} if is_crop else square,
        crop_size=square,
        do_center_crop=is_crop,
        resample=_RESAMPLING[kind],
        image_mean=list(settings.get("mean") or OPENAI_MEAN),
        image_std=list(settings.get("std") or OPENAI_STD),
    )


def _words(file: Path, length: int) -> Any:  # noqa: ANN401
    with refusals("its tokenizer"):
        return library().PreTrainedTokenizerFast(
            tokenizer_file=str(file), pad_token=None, model_max_length=length
        )

"""Pictures: MAE and other plain vision transformers, and data2vec 1.0.

Source: facebookresearch/mae, data2vec_vision, timm: the names of their weights.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Any

from torch import Tensor

from d2v_core.encoders.foreign_names import (
    Foreign,
    Naming,
    Rule,
    config_of,
    count,
    heads_of,
    shape,
    translated,
)
from d2v_core.encoders.huggingface_files import library
from d2v_core.errors import CheckpointError

MARK = "patch_embed.proj.weight"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
MARGIN = 256 / 224
"""Pictures are brought to this many times the side of the crop, as when they were published."""

_BLOCK = r"blocks\.(\d+)\."
_FIRST = (
    Rule(r"cls_token", "embeddings.cls_token"),
    Rule(r"mask_token", "embeddings.mask_token"),
    Rule(r"pos_embed", "embeddings.position_embeddings"),
    Rule(r"patch_embed\.proj\.(.+)", r"embeddings.patch_embeddings.projection.\1"),
    Rule(r"norm\.(.+)", r"layernorm.\1"),
)
_PLAIN = Naming(
    rules=(
        *_FIRST,
        Rule(_BLOCK + r"norm1\.(.+)", r"layers.\1.layernorm_before.\2"),
        Rule(_BLOCK + r"norm2\.(.+)", r"layers.\1.layernorm_after.\2"),
        Rule(_BLOCK + r"attn\.qkv\.(.+)", r"layers.\1.attention.{part}_proj.\2", "split"),
        Rule(_BLOCK + r"attn\.proj\.(.+)", r"layers.\1.attention.o_proj.\2"),
        Rule(_BLOCK + r"mlp\.(fc[12])\.(.+)", r"layers.\1.mlp.\2.\3"),
    ),
    dropped=r"mask_token|decoder_(embed|blocks|norm|pred)\..+|decoder_pos_embed|head\..+",
)
_TABLE = "relative_position_bias_table"
_THERE = r"encoder.layer.\1."
_DATA2VEC = Naming(
    rules=(
        *_FIRST,
        Rule(rf"rel_pos_bias\.{_TABLE}", f"encoder.relative_position_bias.{_TABLE}"),
        Rule(
            _BLOCK + rf"attn\.{_TABLE}",
            _THERE + f"attention.attention.relative_position_bias.{_TABLE}",
        ),
        Rule(_BLOCK + r"norm1\.(.+)", _THERE + r"layernorm_before.\2"),
        Rule(_BLOCK + r"norm2\.(.+)", _THERE + r"layernorm_after.\2"),
        Rule(_BLOCK + r"attn\.qkv\.weight", _THERE + "attention.attention.{part}.weight", "split"),
        Rule(_BLOCK + r"attn\.q_bias", _THERE + "attention.attention.query.bias"),
        Rule(_BLOCK + r"attn\.v_bias", _THERE + "attention.attention.value.bias"),
        Rule(_BLOCK + r"attn\.proj\.(.+)", _THERE + r"attention.output.dense.\2"),
        Rule(_BLOCK + r"mlp\.fc1\.(.+)", _THERE + r"intermediate.dense.\2"),
        Rule(_BLOCK + r"mlp\.fc2\.(.+)", _THERE + r"output.dense.\2"),
        Rule(_BLOCK + r"gamma_([12])", _THERE + r"lambda_\2"),
        Rule(r"fc_norm\.(.+)", r"pooler.layernorm.\1"),
    ),
    parts=("query", "key", "value"),
    dropped=r"(.+\.)?relative_position_index|(lm_head|head)\..+",
)


def is_image(weights: Mapping[str, Any]) -> bool:
    """Tell whether weights are those of such a model."""
    return MARK in weights


def read_image(weights: Mapping[str, Any]) -> Foreign:
    """Return the model as the Hugging Face library has it.

    Raises:
        CheckpointError: if a name is not understood.
    """
    if "blocks.0.attn.q_bias" in weights:
        return _data2vec(weights)
    if "fc_norm.weight" in weights:
        raise CheckpointError(
            "it is fine-tuned on the mean of the patches (fc_norm): its last norm is gone; take "
            "the pretrained file"
        )
    names, dropped = translated(weights, _PLAIN)
    places = shape(weights, "pos_embed")[1] - 1
    # The fixed positions of MAE are zero at CLS; learnt ones are not.
    kind = "vit" if bool(weights["pos_embed"][:, 0].any()) else "vit_mae"
    sizes = _sizes(weights, grid=_root(places, "positions"))
    config = config_of(kind, sizes | {"qkv_bias": "blocks.0.attn.qkv.bias" in weights})
    return Foreign(kind, config, names, {"image": processor_of_size(sizes["image_size"])}, dropped)


def _data2vec(weights: Mapping[str, Any]) -> Foreign:
    names, dropped = translated(weights, _DATA2VEC)
    is_shared = f"rel_pos_bias.{_TABLE}" in weights
    is_tuned = "fc_norm.weight" in weights
    table = f"rel_pos_bias.{_TABLE}" if is_shared else f"blocks.0.attn.{_TABLE}"
    # A table has a row for every distance between patches, and three for CLS.
    reach = _root(shape(weights, table)[0] - 3, "relative positions")
    sizes = _sizes(weights, grid=(reach + 1) // 2) | {
        "use_shared_relative_position_bias": is_shared,
        "use_relative_position_bias": not is_shared,
        "use_absolute_position_embeddings": "pos_embed" in weights,
        "use_mask_token": "mask_token" in weights,
        "use_mean_pooling": is_tuned,
        "layer_scale_init_value": 0.1 if "blocks.0.gamma_1" in weights else 0.0,
    }
    config = config_of("data2vec-vision", sizes)
    processors = {"image": processor_of_size(sizes["image_size"])}
    return Foreign("data2vec-vision", config, names, processors, dropped, pooler=is_tuned)


def _sizes(weights: Mapping[str, Tensor], *, grid: int) -> dict[str, Any]:
    width, channels, _, patch = shape(weights, MARK)
    return {
        "hidden_size": width,
        "num_hidden_layers": count(weights, "blocks."),
        "num_attention_heads": _heads(weights, width),
        "intermediate_size": shape(weights, "blocks.0.mlp.fc1.weight")[0],
        "image_size": grid * patch,
        "patch_size": patch,
        "num_channels": channels,
        "layer_norm_eps": 1e-6,
    }


def _heads(weights: Mapping[str, Tensor], width: int) -> int:
    tables = [x for name, x in weights.items() if name.endswith(_TABLE)]
    return heads_of(width, tables[0].shape[1] if tables else None)


def _root(number: int, what: str) -> int:
    if number < 1 or isqrt(number) ** 2 != number:
        raise CheckpointError(f"its {what} make no square: {number}")
    return isqrt(number)


def processor_of_size(side: int) -> Any:  # noqa: ANN401  # a class of the library
    """Return what brings a picture to a square of this side, with ImageNet's mean and deviation."""
    return library().BitImageProcessorPil(
        size={"shortest_edge": round(side * MARGIN)},
        crop_size={"height": side, "width": side},
        image_mean=MEAN,
        image_std=STD,
    )

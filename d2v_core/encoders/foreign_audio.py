"""Speech models of fairseq: HuBERT, wav2vec 2.0 and data2vec 1.0, pretrained or fine-tuned.

Source: fairseq `hubert.py`, `wav2vec2.py`, `data2vec_audio.py`, the names of their weights.
"""

import re
from collections.abc import Mapping
from typing import Any

from d2v_core.encoders.foreign_names import (
    Foreign,
    Naming,
    Rule,
    config_of,
    count,
    heads_of,
    shape,
    translated,
    with_prefix,
)
from d2v_core.encoders.huggingface_files import library
from d2v_core.encoders.torch_files import setting
from d2v_core.errors import CheckpointError

_CONVS = "feature_extractor.conv_layers."
MARK = f"{_CONVS}0.0.weight"
PREFIXES = ("", "w2v_encoder.w2v_model.", "w2v_model.", "encoder.w2v_model.")
PUBLISHED_KERNELS, PUBLISHED_STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
_CONV = re.compile(r"\[?\(\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*\)\s*\]?(?:\s*\*\s*(\d+))?")

_LAYER = r"encoder\.layers\.(\d+)\."
_NAMING = Naming(
    rules=(
        Rule(r"mask_emb", "masked_spec_embed"),
        Rule(
            r"feature_extractor\.conv_layers\.(\d+)\.0\.(weight|bias)",
            r"feature_extractor.conv_layers.\1.conv.\2",
        ),
        Rule(
            r"feature_extractor\.conv_layers\.(\d+)\.2(?:\.1)?\.(weight|bias)",
            r"feature_extractor.conv_layers.\1.layer_norm.\2",
        ),
        Rule(r"layer_norm\.(.+)", r"feature_projection.layer_norm.\1"),
        Rule(r"post_extract_proj\.(.+)", r"feature_projection.projection.\1"),
        Rule(r"encoder\.pos_conv\.0\.bias", "encoder.pos_conv_embed.conv.bias"),
        Rule(
            r"encoder\.pos_conv\.0\.(?:weight_g|parametrizations\.weight\.original0)",
            "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
        ),
        Rule(
            r"encoder\.pos_conv\.0\.(?:weight_v|parametrizations\.weight\.original1)",
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
        ),
        Rule(
            r"encoder\.pos_conv\.(\d+)\.0\.(weight|bias)",
            r"encoder.pos_conv_embed.layers.\1.conv.\2",
        ),
        Rule(r"encoder\.layer_norm\.(.+)", r"encoder.layer_norm.\1"),
        Rule(
            _LAYER + r"self_attn\.((?:q|k|v|out)_proj\..+)",
            r"encoder.layers.\1.attention.\2",
        ),
        Rule(_LAYER + r"self_attn_layer_norm\.(.+)", r"encoder.layers.\1.layer_norm.\2"),
        Rule(_LAYER + r"fc1\.(.+)", r"encoder.layers.\1.feed_forward.intermediate_dense.\2"),
        Rule(_LAYER + r"fc2\.(.+)", r"encoder.layers.\1.feed_forward.output_dense.\2"),
        Rule(_LAYER + r"final_layer_norm\.(.+)", r"encoder.layers.\1.final_layer_norm.\2"),
    ),
    dropped=(
        r"(final_proj|quantizer|input_quantizer|project_q|project_inp|target_glu|proj|w2v_encoder\.proj|encoder\.proj)\..+"
        r"|label_embs_concat|num_updates|_ema"
    ),
)


def is_audio(weights: Mapping[str, Any]) -> bool:
    """Tell whether weights are those of such a model."""
    return with_prefix(weights, PREFIXES, MARK) is not None


def read_audio(
    weights: Mapping[str, Any], settings: list[Mapping[str, Any]], *, teacher: bool
) -> Foreign:
    """Return the model as the Hugging Face library has it.

    Args:
        weights: by their names.
        settings: that training left.
        teacher: take the moving average, which data2vec has.

    Raises:
        CheckpointError: if a name or a setting is not understood, or there is no teacher.
    """
    prefix = with_prefix(weights, PREFIXES, MARK) or ""
    own = {n.removeprefix(prefix): x for n, x in weights.items()}
    if teacher:
        own = _with_teacher(own)
    names, dropped = translated(own, _NAMING)
    kind = _kind(own, settings)
    config = config_of(kind, _sizes(own, settings, kind))
    normalise = setting(settings, "normalize")
    is_layer = f"{_CONVS}0.2.1.weight" in own
    extractor = library().Wav2Vec2FeatureExtractor(
        do_normalize=is_layer if normalise is None else bool(normalise),
        return_attention_mask=is_layer,
    )
    return Foreign(kind, config, names, {"audio": extractor}, dropped)


def _kind(weights: Mapping[str, Any], settings: list[Mapping[str, Any]]) -> str:
    """Return the family."""
    if "encoder.pos_conv.0.0.weight" in weights:
        return "data2vec-audio"
    said = [str(x.get(n)) for x in settings for n in ("_name", "arch")]
    if "label_embs_concat" in weights or any("hubert" in name for name in said):
        return "hubert"
    return "wav2vec2"


def _sizes(
    weights: Mapping[str, Any], settings: list[Mapping[str, Any]], kind: str
) -> dict[str, Any]:
    convs = [shape(weights, f"{_CONVS}{n}.0.weight") for n in range(count(weights, _CONVS))]
    (width,) = shape(weights, "encoder.layer_norm.weight")
    is_layer = f"{_CONVS}0.2.1.weight" in weights
    sizes = {
        "hidden_size": width,
        "num_hidden_layers": count(weights, "encoder.layers."),
        "num_attention_heads": heads_of(width, setting(settings, "encoder_attention_heads")),
        "intermediate_size": shape(weights, "encoder.layers.0.fc1.weight")[0],
        "conv_dim": [conv[0] for conv in convs],
        "conv_kernel": [conv[2] for conv in convs],
        "conv_stride": _strides([(c[0], c[2]) for c in convs], settings),
        "conv_bias": f"{_CONVS}0.0.bias" in weights,
        "hidden_act": setting(settings, "activation_fn") or "gelu",
    }
    if kind == "data2vec-audio":
        position = shape(weights, "encoder.pos_conv.0.0.weight")
        return sizes | {
            "num_conv_pos_embeddings": count(weights, "encoder.pos_conv."),
            "conv_pos_kernel_size": position[2],
            "num_conv_pos_embedding_groups": position[0] // position[1],
        }
    first = setting(settings, "layer_norm_first")
    position = _position(weights)
    return sizes | {
        "feat_extract_norm": "layer" if is_layer else "group",
        "do_stable_layer_norm": is_layer if first is None else bool(first),
        "num_conv_pos_embeddings": position[2],
        "num_conv_pos_embedding_groups": position[0] // position[1],
    }


def _position(weights: Mapping[str, Any]) -> tuple[int, ...]:
    newer = "encoder.pos_conv.0.parametrizations.weight.original1"
    return shape(weights, newer if newer in weights else "encoder.pos_conv.0.weight_v")


def _strides(convs: list[tuple[int, int]], settings: list[Mapping[str, Any]]) -> list[int]:
    """Return the strides: no weight has them, the settings do, and the published ones are known.

    Raises:
        CheckpointError: if nothing tells, or the settings are of other convolutions.
    """
    said = setting(settings, "conv_feature_layers")
    if isinstance(said, str):
        layers = [
            (int(found[1]), int(found[2]), int(found[3]))
            for found in _CONV.finditer(said)
            for _ in range(min(int(found[4] or 1), len(convs) + 1))
        ]
        if [(channels, kernel) for channels, kernel, _ in layers] != convs:
            raise CheckpointError(
                f"its settings say convolutions {said}, which its weights are not"
            )
        return [stride for *_, stride in layers]
    if tuple(kernel for _, kernel in convs) != PUBLISHED_KERNELS:
        raise CheckpointError("nothing tells the strides of its convolutions")
    return list(PUBLISHED_STRIDES)


def _with_teacher(weights: dict[str, Any]) -> dict[str, Any]:
    average = weights.get("_ema")
    if not isinstance(average, Mapping):
        raise CheckpointError("it holds no teacher (`_ema`); leave it at the student")
    # A teacher that is made of the transformer only has no `encoder.` in front of its names.
    start = "" if average.keys() <= weights.keys() else "encoder."
    named = {f"{start}{n}": x for n, x in average.items()}
    extra = sorted(set(named) - set(weights))
    if extra:
        raise CheckpointError(f"its teacher has {extra[0]}, which its student has not")
    return weights | named

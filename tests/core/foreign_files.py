"""Files as fairseq, MAE, data2vec_vision and open_clip write them, made of models of transformers.

The names are written down here once more, in the other direction, from the tables of those
projects: what reads such files must find its own way back.
"""

import argparse
import json
import re

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests.core.huggingface_models import SIZES, redrawn, transformers

HEADS = SIZES["num_attention_heads"]
CONVS = "[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16,2,2)] + [(16,2,2)]"
PIECES = [*"abcdefghijklmnopqrstuvwxyz", "Ġ"]


def renamed(weights, table):
    """Return weights by other names; every one has to be in the table."""
    found = {}
    for name, value in weights.items():
        for pattern, theirs in table:
            if re.fullmatch(pattern, name):
                found[re.sub(pattern, theirs, name)] = value.clone()
                break
        else:
            raise KeyError(name)
    return found


def joined(weights, parts, name):
    """Join the weights that only differ in a part of their name, query, key and value."""
    found = dict(weights)
    for first in [n for n in weights if parts[0] in n]:
        thirds = [found.pop(first.replace(parts[0], part), None) for part in parts]
        if None in [x if x is None else 0 for x in thirds]:
            raise KeyError(first)
        found[first.replace(parts[0], name)] = torch.cat(thirds)
    return found


# --- sounds

SOUNDS = (
    (r"masked_spec_embed", "mask_emb"),
    (
        r"feature_extractor\.conv_layers\.(\d+)\.conv\.(.+)",
        r"feature_extractor.conv_layers.\1.0.\2",
    ),
    (r"feature_projection\.layer_norm\.(.+)", r"layer_norm.\1"),
    (r"feature_projection\.projection\.(.+)", r"post_extract_proj.\1"),
    (r"encoder\.pos_conv_embed\.conv\.bias", "encoder.pos_conv.0.bias"),
    (r".+parametrizations\.weight\.original0", "encoder.pos_conv.0.weight_g"),
    (r".+parametrizations\.weight\.original1", "encoder.pos_conv.0.weight_v"),
    (r"encoder\.pos_conv_embed\.layers\.(\d+)\.conv\.(.+)", r"encoder.pos_conv.\1.0.\2"),
    (r"encoder\.layer_norm\.(.+)", r"encoder.layer_norm.\1"),
    (r"(encoder\.layers\.\d+)\.attention\.(.+)", r"\1.self_attn.\2"),
    (r"(encoder\.layers\.\d+)\.layer_norm\.(.+)", r"\1.self_attn_layer_norm.\2"),
    (r"(encoder\.layers\.\d+)\.feed_forward\.intermediate_dense\.(.+)", r"\1.fc1.\2"),
    (r"(encoder\.layers\.\d+)\.feed_forward\.output_dense\.(.+)", r"\1.fc2.\2"),
    (r"(encoder\.layers\.\d+)\.final_layer_norm\.(.+)", r"\1.final_layer_norm.\2"),
)
CONV_NORM = r"feature_extractor\.conv_layers\.(\d+)\.layer_norm\.(.+)"
GROUP = ((CONV_NORM, r"feature_extractor.conv_layers.\1.2.\2"),)
LAYER = ((CONV_NORM, r"feature_extractor.conv_layers.\1.2.1.\2"),)


def sounds(weights, *, is_layer):
    return renamed(weights, (*(LAYER if is_layer else GROUP), *SOUNDS))


def sound_settings(name, **model):
    settings = {"_name": name, "encoder_attention_heads": HEADS, "conv_feature_layers": CONVS}
    return {"cfg": {"model": settings | model, "task": {"_name": "audio", "normalize": False}}}


# --- texts

TEXTS = (
    (r"embeddings\.word_embeddings\.weight", "embed_tokens.weight"),
    (r"embeddings\.position_embeddings\.weight", "embed_positions.weight"),
    (r"embeddings\.LayerNorm\.(.+)", r"layernorm_embedding.\1"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.query\.(.+)", r"layers.\1.self_attn.q_proj.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.key\.(.+)", r"layers.\1.self_attn.k_proj.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.value\.(.+)", r"layers.\1.self_attn.v_proj.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(.+)", r"layers.\1.self_attn.out_proj.\2"),
    (
        r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.(.+)",
        r"layers.\1.self_attn_layer_norm.\2",
    ),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.(.+)", r"layers.\1.fc1.\2"),
    (r"encoder\.layer\.(\d+)\.output\.dense\.(.+)", r"layers.\1.fc2.\2"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.(.+)", r"layers.\1.final_layer_norm.\2"),
)
NO_PLACE = ("token_type_embeddings", "pooler.dense")
"""What these files do not have: one type, added to every word, and no pooler."""


def texts(weights, prefix="encoder.sentence_encoder."):
    kept = {n: x for n, x in weights.items() if not any(part in n for part in NO_PLACE)}
    return {prefix + n: x for n, x in renamed(kept, TEXTS).items()}


def write_vocabulary(folder):
    """Write the three files of a small vocabulary: letters, as many entries as they make."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "encoder.json").write_text(json.dumps({p: n for n, p in enumerate(PIECES)}))
    (folder / "dict.txt").write_text("".join(f"{n} 1\n" for n in range(len(PIECES))))
    (folder / "vocab.bpe").write_text("#version: 0.2\n")
    return len(PIECES) + 5  # four symbols in front, the mask behind


# --- pictures

PLAIN = (
    (r"embeddings\.cls_token", "cls_token"),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
    (r"layers\.(\d+)\.attention\.([qkv])_proj\.(.+)", r"blocks.\1.attn.\2.\3"),
    (r"layers\.(\d+)\.attention\.o_proj\.(.+)", r"blocks.\1.attn.proj.\2"),
    (r"layers\.(\d+)\.layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (r"layers\.(\d+)\.layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (r"layers\.(\d+)\.mlp\.(.+)", r"blocks.\1.mlp.\2"),
    (r"layernorm\.(.+)", r"norm.\1"),
)
IN_BLOCK = r"encoder\.layer\.(\d+)\."
DATA2VEC = (
    *PLAIN[:3],
    (r"embeddings\.mask_token", "mask_token"),
    (
        r"encoder\.relative_position_bias\.relative_position_bias_table",
        "rel_pos_bias.relative_position_bias_table",
    ),
    (
        IN_BLOCK + r"attention\.attention\.relative_position_bias\.(relative_position_bias_table)",
        r"blocks.\1.attn.\2",
    ),
    (IN_BLOCK + r"attention\.attention\.query\.weight", r"blocks.\1.attn.q.weight"),
    (IN_BLOCK + r"attention\.attention\.key\.weight", r"blocks.\1.attn.k.weight"),
    (IN_BLOCK + r"attention\.attention\.value\.weight", r"blocks.\1.attn.v.weight"),
    (IN_BLOCK + r"attention\.attention\.query\.bias", r"blocks.\1.attn.q_bias"),
    (IN_BLOCK + r"attention\.attention\.value\.bias", r"blocks.\1.attn.v_bias"),
    (IN_BLOCK + r"attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
    (IN_BLOCK + r"intermediate\.dense\.(.+)", r"blocks.\1.mlp.fc1.\2"),
    (IN_BLOCK + r"output\.dense\.(.+)", r"blocks.\1.mlp.fc2.\2"),
    (IN_BLOCK + r"layernorm_before\.(.+)", r"blocks.\1.norm1.\2"),
    (IN_BLOCK + r"layernorm_after\.(.+)", r"blocks.\1.norm2.\2"),
    (IN_BLOCK + r"lambda_([12])", r"blocks.\1.gamma_\2"),
    (r"layernorm\.(.+)", r"norm.\1"),
    (r"pooler\.layernorm\.(.+)", r"fc_norm.\1"),
)
QKV = (".attn.q.", ".attn.k.", ".attn.v.")


def plain_pictures(weights):
    return joined(renamed(weights, PLAIN), QKV, ".attn.qkv.")


def data2vec_pictures(weights):
    return joined(renamed(weights, DATA2VEC), QKV, ".attn.qkv.")


# --- open_clip

CLIP = (
    (r"logit_scale", "logit_scale"),
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"vision_model\.pre_layrnorm\.(.+)", r"visual.ln_pre.\1"),
    (r"vision_model\.post_layernorm\.(.+)", r"visual.ln_post.\1"),
    (r"vision_model\.encoder\.layers\.(.+)", r"visual.transformer.resblocks.\1"),
    (r"visual_projection\.weight", "visual.proj"),
    (r"text_model\.embeddings\.token_embedding\.weight", "token_embedding.weight"),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.(.+)", r"ln_final.\1"),
    (r"text_model\.encoder\.layers\.(.+)", r"transformer.resblocks.\1"),
    (r"text_projection\.weight", "text_projection"),
)
CLIP_BLOCK = {
    "layer_norm": "ln_",
    "self_attn.out_proj": "attn.out_proj",
    "self_attn.q_proj.": "attn.in_proj_q.",
    "self_attn.k_proj.": "attn.in_proj_k.",
    "self_attn.v_proj.": "attn.in_proj_v.",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
CLIP_WORDS = "a the robin owl duck sings sleeps".split()
CLIP_ENTRIES = len(CLIP_WORDS) + 3


def openclip(weights):
    found = {}
    for name, value in renamed(weights, CLIP).items():
        theirs = name
        if ".resblocks." in name or name.startswith("transformer."):
            for ours, other in CLIP_BLOCK.items():
                theirs = theirs.replace(ours, other)
        is_map = name in ("visual.proj", "text_projection")
        found[theirs] = value.T.contiguous() if is_map else value
    return joined(found, ("in_proj_q.", "in_proj_k.", "in_proj_v."), "in_proj_")


def clip_model(*, act="quick_gelu"):
    """Return a small CLIP whose last entry ends a text, with heads of 64 channels for pictures."""
    sizes = SIZES | {"hidden_act": act, "projection_dim": 20}
    text = {"vocab_size": CLIP_ENTRIES, "max_position_embeddings": 12, "pad_token_id": 0}
    text |= {"eos_token_id": CLIP_ENTRIES - 1, "bos_token_id": CLIP_ENTRIES - 2}
    vision = {"hidden_size": 64, "num_attention_heads": 1, "image_size": 24, "patch_size": 8}
    config = transformers.CLIPConfig(
        text_config=sizes | text, vision_config=sizes | vision, projection_dim=20
    )
    return redrawn(transformers.CLIPModel(config)).eval()


def clip_tokenizer():
    words = ["<none>", *CLIP_WORDS, "<start>", "<end>"]
    made = Tokenizer(
        models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="<none>")
    )
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(["<start>", "<end>"])
    marks = [("<start>", CLIP_ENTRIES - 2), ("<end>", CLIP_ENTRIES - 1)]
    made.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=marks
    )
    return made


def write_openclip(folder, model, *, tokenizer=True, safe=True, **changes):
    """Write a folder of open_clip; `changes` are of its settings."""
    folder.mkdir(exist_ok=True)
    weights = openclip(model.state_dict())
    if safe:
        save_file(weights, folder / "open_clip_model.safetensors")
    else:
        torch.save(weights, folder / "open_clip_pytorch_model.bin")
    text = {"context_length": 12, "vocab_size": CLIP_ENTRIES, "width": 32, "heads": HEADS}
    vision = {"image_size": 24, "layers": 3, "width": 64, "patch_size": 8}
    settings = {
        "model_cfg": {
            "embed_dim": 20,
            "quick_gelu": model.config.vision_config.hidden_act == "quick_gelu",
            "vision_cfg": vision | changes.get("vision_cfg", {}),
            "text_cfg": text | {"layers": 3} | changes.get("text_cfg", {}),
        },
        "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
        | changes.get("preprocess_cfg", {}),
    }
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    if tokenizer:
        clip_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def saved(path, weights, **extra):
    """Write a file as training does, with what it leaves beside the weights."""
    torch.save({"args": argparse.Namespace(a=1), "model": weights, "epoch": 3, **extra}, path)
    return path

"""Texts of fairseq: data2vec 1.0 and RoBERTa from their files, data2vec 2.0 from our own weights.

All three are one architecture; what differs is how a text begins and ends.

Source: fairseq `data2vec_text.py`, `roberta/model.py`, the names of their weights.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, processors
from torch import Tensor

from d2v_core.config import RunConfig
from d2v_core.data.vocabulary import Subwords, is_fairseq_folder, vocabulary
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
from d2v_core.errors import CheckpointError, InputError

PUBLISHED = "FacebookAI/roberta-base"
"""The vocabulary of texts where the file has none beside it: the same entries, the same numbers."""

MARK = "embed_tokens.weight"
PREFIXES = ("encoder.sentence_encoder.", "decoder.sentence_encoder.")
OFFSET = 2
"""Rows of the table of positions that no word uses: the padding's number, and those before it."""

_PARTS = ("query", "key", "value")
_LAYER = r"layers\.(\d+)\."
_THERE = r"encoder.layer.\1."
_ENDS = (
    Rule(_LAYER + r"self_attn\.q_proj\.(.+)", _THERE + r"attention.self.query.\2"),
    Rule(_LAYER + r"self_attn\.k_proj\.(.+)", _THERE + r"attention.self.key.\2"),
    Rule(_LAYER + r"self_attn\.v_proj\.(.+)", _THERE + r"attention.self.value.\2"),
    Rule(_LAYER + r"self_attn\.in_proj_(.+)", _THERE + r"attention.self.{part}.\2", "split"),
    Rule(_LAYER + r"self_attn\.out_proj\.(.+)", _THERE + r"attention.output.dense.\2"),
    Rule(_LAYER + r"self_attn_layer_norm\.(.+)", _THERE + r"attention.output.LayerNorm.\2"),
    Rule(_LAYER + r"fc1\.(.+)", _THERE + r"intermediate.dense.\2"),
    Rule(_LAYER + r"fc2\.(.+)", _THERE + r"output.dense.\2"),
    Rule(_LAYER + r"final_layer_norm\.(.+)", _THERE + r"output.LayerNorm.\2"),
)
_NAMING = Naming(
    rules=(
        Rule(r"embed_tokens\.weight", "embeddings.word_embeddings.weight"),
        Rule(r"embed_positions\.weight", "embeddings.position_embeddings.weight"),
        Rule(r"(?:layernorm_embedding|emb_layer_norm)\.(.+)", r"embeddings.LayerNorm.\1"),
        *_ENDS,
    ),
    parts=_PARTS,
    dropped=(
        r"(encoder|decoder)\.(lm_head|regression_head|emb_head|target_model)\..+"
        r"|classification_heads\..+|version|(encoder\.|decoder\.)?_ema|embed_positions\._float_tensor"
    ),
)
_BLOCK = r"trunks\.text\.blocks\.(\d+)\."
_OURS = Naming(
    rules=(
        Rule(r"prenets\.text\.tokens\.embedding\.weight", "embeddings.word_embeddings.weight"),
        Rule(r"prenets\.text\.tokens\.positions\.weight", "embeddings.position_embeddings.weight"),
        Rule(r"prenets\.text\.tokens\.norm\.(.+)", r"embeddings.LayerNorm.\1"),
        Rule(_BLOCK + r"attn\.qkv\.(.+)", _THERE + r"attention.self.{part}.\2", "split"),
        Rule(_BLOCK + r"attn\.proj\.(.+)", _THERE + r"attention.output.dense.\2"),
        Rule(_BLOCK + r"norm1\.(.+)", _THERE + r"attention.output.LayerNorm.\2"),
        Rule(_BLOCK + r"mlp\.fc1\.(.+)", _THERE + r"intermediate.dense.\2"),
        Rule(_BLOCK + r"mlp\.fc2\.(.+)", _THERE + r"output.dense.\2"),
        Rule(_BLOCK + r"norm2\.(.+)", _THERE + r"output.LayerNorm.\2"),
    ),
    parts=_PARTS,
)


def is_text(weights: Mapping[str, Any]) -> bool:
    """Tell whether weights are those of such a model."""
    return with_prefix(weights, PREFIXES, MARK) is not None


def read_text(
    weights: Mapping[str, Any],
    settings: list[Mapping[str, Any]],
    folder: Path,
    *,
    teacher: bool,
) -> Foreign:
    """Return data2vec 1.0 or RoBERTa as the Hugging Face library has it.

    Args:
        weights: by their names.
        settings: that training left.
        folder: where the file lies, perhaps with its vocabulary.
        teacher: take the moving average, which data2vec has.

    Raises:
        CheckpointError: if a name is not understood, or there is no teacher or no vocabulary.
    """
    prefix = with_prefix(weights, PREFIXES, MARK) or ""
    average = weights.get("encoder._ema")
    own = {n.removeprefix(prefix): x for n, x in weights.items()}
    if teacher:
        if not isinstance(average, Mapping):
            raise CheckpointError("it holds no teacher (`_ema`); leave it at the student")
        extra = sorted(set(average) - set(own))
        if extra:
            raise CheckpointError(f"its teacher has {extra[0]}, which its student has not")
        own |= average
    is_roberta = any(".lm_head.dense." in name for name in weights)
    heads = setting(settings, "encoder_attention_heads", "attention_heads")
    width = shape(own, MARK)[1]
    names, dropped = translated(own, _NAMING)
    sizes = _sizes(names, heads=heads_of(width, heads), offset=0)
    tokenizer = tokenizer_of(
        str(folder) if is_fairseq_folder(folder) else PUBLISHED,
        length=sizes["max_position_embeddings"] - OFFSET,
        ends=True,
    )
    kind = "roberta" if is_roberta else "data2vec-text"
    return Foreign(kind, config_of(kind, sizes), names, {"text": tokenizer}, dropped)


def is_equivalent(config: RunConfig) -> bool:
    """Tell whether the Hugging Face library has a class for a student of ours: texts alone."""
    return (
        config.modalities == ("text",)
        and config.text is not None
        and config.text.vocabulary != "bytes"
        and not config.trunk.norm_first
        and not config.share_trunk
        and config.trunk.prenet_depth == 0
    )


def of_student(config: RunConfig, weights: Mapping[str, Tensor]) -> Foreign:
    """Return a student of texts as the Hugging Face library has it.

    Its tokenizer makes of a text what the student is given: the start, and no end.

    Raises:
        CheckpointError: if it has a weight that the library's model has no place for.
    """
    assert config.text is not None  # by `is_equivalent`
    there = {n: x for n, x in weights.items() if x.numel()}  # CLS, of which texts have none
    names, dropped = translated(there, _OURS)
    sizes = _sizes(names, heads=config.trunk.heads, offset=OFFSET)
    places = names["embeddings.position_embeddings.weight"]
    names["embeddings.position_embeddings.weight"] = torch.cat(
        [torch.zeros(OFFSET, places.shape[1]), places]
    )
    sizes["layer_norm_eps"] = config.trunk.norm_eps
    tokenizer = tokenizer_of(
        config.text.vocabulary, length=sizes["max_position_embeddings"] - OFFSET, ends=False
    )
    kind = "data2vec-text"
    return Foreign(kind, config_of(kind, sizes), names, {"text": tokenizer}, dropped)


def _sizes(names: dict[str, Tensor], *, heads: int, offset: int) -> dict[str, Any]:
    """Return the sizes that weights tell, and add the one that they lack.

    There is one type of text here, which the library adds to every word.
    """
    entries, width = shape(names, "embeddings.word_embeddings.weight")
    places, _ = shape(names, "embeddings.position_embeddings.weight")
    names["embeddings.token_type_embeddings.weight"] = torch.zeros(1, width)
    return {
        "vocab_size": entries,
        "hidden_size": width,
        "num_hidden_layers": count(names, "encoder.layer."),
        "num_attention_heads": heads,
        "intermediate_size": shape(names, "encoder.layer.0.intermediate.dense.weight")[0],
        "max_position_embeddings": places + offset,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "layer_norm_eps": 1e-5,
    }


def tokenizer_of(name: str, *, length: int, ends: bool) -> Any:  # noqa: ANN401
    """Return the tokenizer of a vocabulary, as the library has it.

    Args:
        name: of the vocabulary, a folder or the hub's.
        length: the most entries that a model has positions for.
        ends: whether `</s>` follows a text.

    Raises:
        CheckpointError: if there is no such vocabulary.
    """
    try:
        found = vocabulary(name)
    except InputError as error:
        raise CheckpointError(
            "its vocabulary is missing: put dict.txt, encoder.json and vocab.bpe beside it "
            f"({error})"
        ) from error
    if not isinstance(found, Subwords):
        raise CheckpointError(f"its vocabulary {name} is not made of words")
    tokenizer = Tokenizer.from_str(found.tokenizer.to_str())
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in ("<s>", "</s>")]
    if None in dict(marks).values():
        raise CheckpointError(f"its vocabulary {name} has no <s> or no </s>")
    end = " </s>" if ends else ""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"<s> $A{end}", special_tokens=marks
    )
    return library().PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=length,
    )

"""Which families of the Hugging Face library are understood, and where their layers are.

One line of a table says what its documentation says in many: which module gives a layer, whether a
norm follows the last one, which tokens are no part of the item, and how items become input. The
library's own `hidden_states` differ from family to family and from version to version: the last
one has the final norm in Whisper and has none in ViT, and CLAP's are one a stage, after merging.
The taps here are taken from the modules themselves, so that a tap is the same thing everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from d2v_core.modality import Modality

Form = Literal["pixels", "wave", "ast", "whisper", "clap", "words", "words to length"]
"""How an item becomes input: the rule is in `huggingface_inputs`."""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """The part of a model that sees, hears or reads. Paths are those of its modules."""

    modality: Modality
    form: Form
    blocks: str
    """The blocks, in their order; `*` stands for every number."""

    ffn: str
    """In a block: the MLP, or its last map; what it gives is added to the residual stream, after
    a layer scale where there is one."""

    at: str = ""
    """The tower in the model; the model itself if empty. The other paths start from here."""

    norm: str | None = None
    """The norm of all tokens after the last block."""

    norm_if: str | None = None
    """A setting without which `norm` comes before the first block."""

    norm_unless: str | None = None
    """A setting with which there is no `norm`."""

    extra: int = 0
    """Tokens in front of the item's own: CLS, distillation. Those of a text are found by its
    tokenizer."""

    registers: str | None = None
    """The setting that counts further tokens in front."""

    shuffles: bool = False
    """Its embedding draws an order of the patches unless it is given one."""

    summary: str = "the first token"
    """What "first" pooling takes."""

    ends: bool = False
    """The summary of a text is its last entry, and CLS is none."""

    offset: bool = False
    """Positions of a text start behind the number of its padding, as in RoBERTa."""

    masks_padding: bool = True
    """Padding can be hidden from this tower so that nothing changes."""

    projection: str | None = None
    """From the model: what maps the tower's own summary into the joint space; empty if nothing
    more is needed; None if there is no joint space."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one architecture."""

    type: str
    """What `config.json` calls it: its `model_type`."""

    title: str
    model: str
    """The class that is loaded."""

    towers: tuple[Tower, ...]
    pooler: bool = False
    """It has a pooler that no layer needs, which is left out."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Settings that are changed so that it encodes and does not train."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Return what it sees, hears or reads."""
        return tuple(tower.modality for tower in self.towers)


def _text(**changes: Any) -> Tower:  # noqa: ANN401  # fields of a tower
    plain: dict[str, Any] = {"blocks": "encoder.layer", "ffn": "output.dense", "summary": "CLS"}
    return Tower(modality="text", form="words", **(plain | changes))


def _image(**changes: Any) -> Tower:  # noqa: ANN401
    plain: dict[str, Any] = {
        "blocks": "layers",
        "ffn": "mlp",
        "norm": "layernorm",
        "extra": 1,
        "summary": "CLS",
    }
    return Tower(modality="image", form="pixels", **(plain | changes))


def _wave(**changes: Any) -> Tower:  # noqa: ANN401
    plain: dict[str, Any] = {"norm": "encoder.layer_norm", "norm_if": "do_stable_layer_norm"}
    blocks = {"blocks": "encoder.layers", "ffn": "feed_forward"}
    return Tower(modality="audio", form="wave", **blocks, **(plain | changes))


_REGISTERS: dict[str, Any] = {"blocks": "encoder.layer", "registers": "num_register_tokens"}
_CLIP = (
    _image(at="vision_model", blocks="encoder.layers", norm=None, projection="visual_projection"),
    _text(
        at="text_model",
        blocks="encoder.layers",
        ffn="mlp",
        norm="final_layer_norm",
        summary="the end of the text",
        ends=True,
        projection="text_projection",
    ),
)
_SIGLIP = (
    _image(
        at="vision_model",
        blocks="encoder.layers",
        norm="post_layernorm",
        extra=0,
        summary="the first patch",
        projection="",
    ),
    Tower(
        modality="text",
        form="words to length",
        at="text_model",
        blocks="encoder.layers",
        ffn="mlp",
        norm="final_layer_norm",
        summary="the last place",
        projection="",
    ),
)
_CLAP = (
    Tower(
        modality="audio",
        form="clap",
        at="audio_model",
        blocks="audio_encoder.layers.*.blocks",
        ffn="output",
        norm="audio_encoder.norm",
        projection="audio_projection",
    ),
    _text(at="text_model", offset=True, projection="text_projection"),
)
_AST = Tower(
    modality="audio",
    form="ast",
    blocks="layers",
    ffn="mlp",
    norm="layernorm",
    extra=2,
    summary="CLS",
)
_WHISPER = Tower(
    modality="audio",
    form="whisper",
    at="encoder",
    blocks="layers",
    ffn="fc2",
    norm="layer_norm",
)


def _family(kind: str, title: str, model: str, *towers: Tower, **more: Any) -> Family:  # noqa: ANN401
    return Family(type=kind, title=title, model=model, towers=towers, **more)


FAMILIES: tuple[Family, ...] = (
    _family(
        "data2vec-audio",
        "Data2Vec audio",
        "Data2VecAudioModel",
        _wave(masks_padding=False, norm=None, norm_if=None),
    ),
    _family("wav2vec2", "wav2vec 2.0", "Wav2Vec2Model", _wave()),
    _family("hubert", "HuBERT", "HubertModel", _wave()),
    _family("wavlm", "WavLM", "WavLMModel", _wave()),
    _family("audio-spectrogram-transformer", "AST", "ASTModel", _AST),
    _family("whisper", "Whisper's encoder", "WhisperModel", _WHISPER),
    _family("clap", "CLAP", "ClapModel", *_CLAP),
    _family("data2vec-text", "Data2Vec text", "Data2VecTextModel", _text(offset=True), pooler=True),
    _family("bert", "BERT", "BertModel", _text(), pooler=True),
    _family("roberta", "RoBERTa", "RobertaModel", _text(offset=True), pooler=True),
    _family("xlm-roberta", "XLM-RoBERTa", "XLMRobertaModel", _text(offset=True), pooler=True),
    _family("mpnet", "MPNet", "MPNetModel", _text(offset=True), pooler=True),
    _family(
        "distilbert", "DistilBERT", "DistilBertModel", _text(blocks="transformer.layer", ffn="ffn")
    ),
    _family(
        "data2vec-vision",
        "Data2Vec vision",
        "Data2VecVisionModel",
        _image(blocks="encoder.layer", ffn="output", norm_unless="use_mean_pooling"),
        pooler=True,
    ),
    _family("vit", "ViT", "ViTModel", _image(), pooler=True),
    _family("deit", "DeiT", "DeiTModel", _image(extra=2), pooler=True),
    _family("beit", "BEiT", "BeitModel", _image(norm_unless="use_mean_pooling"), pooler=True),
    _family("vit_mae", "MAE", "ViTMAEModel", _image(shuffles=True), settings={"mask_ratio": 0.0}),
    _family("dinov2", "DINOv2", "Dinov2Model", _image(blocks="encoder.layer")),
    _family(
        "dinov2_with_registers",
        "DINOv2 with registers",
        "Dinov2WithRegistersModel",
        _image(**_REGISTERS),
    ),
    _family("clip", "CLIP", "CLIPModel", *_CLIP),
    _family("siglip", "SigLIP", "SiglipModel", *_SIGLIP),
)
BY_TYPE = {family.type: family for family in FAMILIES}

_FORMS: dict[Form, tuple[str, str]] = {
    "pixels": ("its image processor (Pillow)", "all of one size"),
    "wave": ("its feature extractor, on the whole recording", ""),
    "ast": ("its feature extractor, on the first window", "filled up to the window, as trained"),
    "whisper": ("its feature extractor, on the first 30 s", "filled up to 30 s, as trained"),
    "clap": ("its feature extractor, on the first window", "repeated to the window, as trained"),
    "words": ("its tokenizer, cut at the last position", "masked, changes nothing"),
    "words to length": ("its tokenizer, cut at the last position", "seen by the model, as trained"),
}
_POOLED: dict[Modality, str] = {
    "image": "the patches",
    "audio": "the tokens that hear the recording",
    "text": "the words' tokens",
}


def reference() -> Iterator[tuple[str, ...]]:
    """Yield a row a tower for the reference: type, family, taps, pooling, preparation, padding."""
    for family in FAMILIES:
        for tower in family.towers:
            norm = ", `final_norm`" if tower.norm else ""
            norm = f"{norm} if `{tower.norm_if}`" if tower.norm_if else norm
            norm = f"{norm} unless `{tower.norm_unless}`" if tower.norm_unless else norm
            joint = "" if tower.projection is None else ", `joint`"
            prepared, padding = _FORMS[tower.form]
            if tower.form == "wave":
                padding = "masked with layer norm, left out with group norm"
                padding = padding if tower.masks_padding else "would change it: left out"
            pooled = "the tokens" if tower.form == "clap" else _POOLED[tower.modality]
            yield (
                f"`{family.type}`",
                f"{family.title}, {tower.modality}" if family.towers[1:] else family.title,
                f"`embed`, `block_NN.resid`{norm}{joint}",
                f"{pooled}; first: {tower.summary}",
                prepared,
                padding,
            )

"""Embedding with all layers: `d2v embed` beside the loop that everybody writes with transformers.

    python benchmarks/embedding.py [--quick] [--rounds 3]
    python benchmarks/embedding.py --memory

Both start from the same files, give every item's mean over its own tokens at every layer, and write
them to the disk. The loop: batches in the order of the data, `output_hidden_states=True`, fp32,
every item padded to one length. Twice: to the longest item of all, the least that a fixed length
can be, and to the longest of each batch. Models have the shapes of the Base models (with --quick,
six layers of 384) and fresh weights; texts and recordings vary in length as they do in the world
(log-uniformly). Items a second are medians of rounds in which all take turns; the ratio is taken
within each round. Vectors are compared too.

With --memory: the peak of memory of whole commands over 1,000 and 50,000 texts.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import tokenizers
import torch
from PIL import Image

from d2v_core.data.audio import decode_audio
from d2v_core.data.folder import DataFolder, read_folder
from d2v_core.data.image import decode_image
from d2v_core.data.items import Item
from d2v_core.embed import embed
from d2v_core.encoders import open_encoder
from d2v_core.store import Store
from d2v_core.torchaudio_cpu import torchaudio  # before transformers, which would import its own

import transformers  # isort: skip

assert torchaudio
RATE_HZ, BATCH = 16_000, 32
WORDS, SECONDS = (4, 250), (1.0, 12.0)
BASE: dict[str, Any] = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
SMALL: dict[str, Any] = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6}
Vectors = np.ndarray


@dataclass(frozen=True)
class Case:
    """A model and how many items it gets."""

    name: str
    modality: str
    items: int
    make: Callable[[dict[str, Any]], Any]


def _bert(size: dict[str, Any]) -> Any:  # noqa: ANN401
    config = transformers.BertConfig(
        **size, intermediate_size=4 * size["hidden_size"], vocab_size=1004
    )
    return transformers.BertModel(config)


def _hubert(size: dict[str, Any], norm: str) -> Any:  # noqa: ANN401
    config = transformers.HubertConfig(
        **size,
        intermediate_size=4 * size["hidden_size"],
        feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer",
    )
    return transformers.HubertModel(config)


def _vit(size: dict[str, Any]) -> Any:  # noqa: ANN401
    return transformers.ViTModel(
        transformers.ViTConfig(**size, intermediate_size=4 * size["hidden_size"])
    )


CASES = (
    Case("texts, BERT", "text", 256, _bert),
    Case("sounds, HuBERT Large style", "audio", 24, lambda size: _hubert(size, "layer")),
    Case("sounds, HuBERT Base style", "audio", 24, lambda size: _hubert(size, "group")),
    Case("pictures, ViT", "image", 64, _vit),
)


def save_model(case: Case, size: dict[str, Any], folder: Path) -> None:
    """Write a model with fresh weights and what prepares its input."""
    torch.manual_seed(0)
    case.make(size).save_pretrained(folder)
    match case.modality:
        case "text":
            entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{n}" for n in range(1000))]
            words = {word: number for number, word in enumerate(entries)}
            made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
            made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
            made.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
            transformers.BertTokenizerFast(tokenizer_object=made).save_pretrained(folder)
        case "audio":
            transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(
                folder
            )
        case _:
            transformers.ViTImageProcessorPil().save_pretrained(folder)


def _varied(least: float, most: float, count: int) -> np.ndarray:
    """Return lengths, as many long as short on a logarithmic scale, in any order."""
    return least * (most / least) ** np.random.default_rng(0).permutation(np.linspace(0, 1, count))


def save_data(case: Case, folder: Path) -> DataFolder:
    """Write items of one modality as a data folder."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    match case.modality:
        case "text":
            counts = _varied(*WORDS, case.items).astype(int)
            texts = [" ".join(f"w{n}" for n in rng.integers(0, 1000, c)) for c in counts]
            (folder / "metadata.csv").write_text("text\n" + "\n".join(texts) + "\n")
        case "audio":
            for number, seconds in enumerate(_varied(*SECONDS, case.items)):
                noise = rng.normal(scale=0.1, size=int(seconds * RATE_HZ))
                soundfile.write(folder / f"{number:04}.wav", noise, RATE_HZ)
        case _:
            for number in range(case.items):
                pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number:04}.png")
    return read_folder(folder)


class Peer:
    """The loop, with a padding of the tokenizer or feature extractor."""

    def __init__(self, case: Case, model: Path) -> None:
        self.case = case
        self.model = transformers.AutoModel.from_pretrained(model).eval()
        kind = {"text": "Tokenizer", "audio": "FeatureExtractor", "image": "ImageProcessor"}
        self.prepare = getattr(transformers, f"Auto{kind[case.modality]}").from_pretrained(model)

    def longest(self, items: list[Item]) -> int:
        """Return the length that every item fits in."""
        if self.case.modality == "text":
            return max(len(self.prepare(str(item.source))["input_ids"]) for item in items)
        return max(len(decode_audio(item.file)) for item in items)

    @torch.inference_mode()
    def vectors(self, items: list[Item], out: Path, length: int | None) -> Vectors:
        """Embed items and write them; pad to a length, or to the longest of each batch."""
        parts = [
            self._batch(items[start : start + BATCH], length)
            for start in range(0, len(items), BATCH)
        ]
        made = np.concatenate(parts)
        np.save(out, made)
        return made

    def _batch(self, items: list[Item], length: int | None) -> Vectors:
        how = {"padding": "max_length", "max_length": length} if length else {"padding": True}
        match self.case.modality:
            case "text":
                inputs = self.prepare(
                    [str(item.source) for item in items],
                    return_special_tokens_mask=True,
                    return_tensors="pt",
                    **how,
                )
                own = inputs.pop("special_tokens_mask") == 0
            case "audio":
                sounds = [decode_audio(item.file).numpy() for item in items]
                inputs = self.prepare(sounds, sampling_rate=RATE_HZ, return_tensors="pt", **how)
                mask = inputs["attention_mask"]
                tokens = self.model._get_feat_extract_output_lengths(mask.sum(dim=1))
                most = int(self.model._get_feat_extract_output_lengths(mask.shape[1]))
                own = torch.arange(most) < tokens[:, None]
            case _:
                pictures = [Image.fromarray(decode_image(item.file)) for item in items]
                inputs, own = self.prepare(pictures, return_tensors="pt"), None
        states = self.model(**inputs, output_hidden_states=True).hidden_states
        if own is None:
            return torch.stack([x[:, 1:].mean(dim=1) for x in states], dim=1).numpy()
        weights = own[..., None] / own.sum(dim=1)[:, None, None]
        return torch.stack([(x * weights).sum(dim=1) for x in states], dim=1).numpy()


def run_case(case: Case, size: dict[str, Any], rounds: int) -> Iterator[str]:
    """Give the rows of one case."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        save_model(case, size, root / "model")
        folder = save_data(case, root / "data")
        items = list(folder.items)
        peer, encoder = Peer(case, root / "model"), open_encoder(f"hf:{root / 'model'}")
        fixed = peer.longest(items) if case.modality != "image" else None
        found: dict[str, Vectors] = {}

        def ours(number: int) -> None:
            store = Store(root / f"store-{number}", create=True)
            name = embed(encoder, folder, store).name
            read = store.read(name)
            order = read.items["id"].to_numpy().argsort()
            found["ours"] = np.stack([x[order] for x in read.layers.values()], axis=1)

        ways: dict[str, Callable[[int], object]] = {"ours": ours}
        if fixed:
            ways["loop, one length"] = lambda n: _keep(
                found, "loop, one length", peer.vectors(items, root / f"fixed-{n}.npy", fixed)
            )
        ways["loop, length of the batch"] = lambda n: _keep(
            found, "loop, length of the batch", peer.vectors(items, root / f"{n}.npy", None)
        )
        seconds = _in_turns(ways, rounds)
        for way, spent in seconds.items():
            ratios = sorted(a / b for a, b in zip(spent, seconds["ours"], strict=True))
            rate = len(items) / statistics.median(spent)
            ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            apart = _apart(found["ours"], found[way], [item.id for item in items])
            yield f"| {case.name} | {way} | {rate:.1f} | {ratio} | {apart:.0e} |"


def _keep(found: dict[str, Vectors], way: str, made: Vectors) -> None:
    found[way] = made


def _in_turns(ways: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every way in every round; the first round only warms up."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, work in ways.items():
            start = time.perf_counter()
            work(number)
            if number:
                seconds[way].append(time.perf_counter() - start)
    return seconds


def _apart(ours: Vectors, theirs: Vectors, ids: list[str]) -> float:
    """Return the largest difference in the layers that both have, in the largest value."""
    if ours is not theirs:
        theirs = theirs[np.argsort(ids)]
    layers = min(ours.shape[1], theirs.shape[1])
    gap = np.abs(ours[:, : layers - 1].astype(np.float64) - theirs[:, : layers - 1])
    return float(gap.max() / np.abs(theirs[:, : layers - 1]).max())


def memory(counts: tuple[int, ...]) -> Iterator[str]:
    """Give a row for each number of items: the peak of a whole `d2v embed`."""
    for count in counts:
        with tempfile.TemporaryDirectory() as place:
            root = Path(place)
            texts = "\n".join(f"sentence number {n} of {count}" for n in range(count))
            (root / "data").mkdir()
            (root / "data" / "metadata.csv").write_text(f"text\n{texts}\n")
            command = [sys.executable, "-m", "app.cli", "embed", "random:tiny-separate"]
            started = time.perf_counter()
            subprocess.run(
                [*command, str(root / "data"), "--out", str(root / "store"), "--json"],
                check=True,
                capture_output=True,
            )
            seconds = time.perf_counter() - started
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            yield f"| {count:,} | {peak:,.0f} | {seconds:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="models of six layers, 384 wide")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="only the peak of memory")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()
    if given.memory:
        print("| texts | peak, MiB | seconds |\n|---|---|---|")
        for row in memory((1000, 50_000)):
            print(row, flush=True)
        return
    print(json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__}))
    print("| case | way | items a second | time / ours | apart |\n|---|---|---|---|---|")
    for case in CASES:
        if given.only in case.name:
            for row in run_case(case, SMALL if given.quick else BASE, given.rounds):
                print(row, flush=True)


if __name__ == "__main__":
    main()

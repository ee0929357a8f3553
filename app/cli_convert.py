"""The command that makes a checkpoint into a folder that others can open."""

from pathlib import Path
from typing import Annotated

import typer

from app.options import Json
from app.terminal import progress, say, show_json

convert_app = typer.Typer()


@convert_app.command()
def convert(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A file, a folder of open_clip or of the Hugging Face library, or a run; "
            "fairseq-ema:FILE for a file's teacher, hf:ID for a model of the hub."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder; it must not be there.")],
    as_json: Json = False,
) -> None:
    """Write a checkpoint as safetensors and settings, and compare every layer with the source.

    Files of fairseq (data2vec, HuBERT, wav2vec 2.0, RoBERTa), MAE, plain vision transformers and
    open_clip become folders that transformers.AutoModel opens; what the Hugging Face library has no
    class for becomes a folder that d2v embed opens. Nothing pickled is executed, nothing is
    overwritten, and nothing is kept whose layers differ by more than 0.00001.

    Example: d2v convert hubert_base_ls960.pt --out models/hubert
    """
    from d2v_core.convert import convert as write

    with progress("Written, compared") as report:
        done = write(checkpoint, out, progress=report)
    if as_json:
        show_json(done.to_json())
        return
    found = done.likeness
    places = ", ".join(f"{count} of {modality}" for modality, count in found.taps.items())
    say(f"{done.model} in {done.folder}. {done.sentence}")
    if done.dropped:
        say(f"Left out, because no layer needs it: {short(done.dropped)}")
    largest = f"the largest difference is {found.difference:.1e}, at {found.at}"
    say(
        f"Opened again and compared at every layer and every MLP ({places}): "
        + (largest if found.difference else "no number differs")
    )
    say(f"Next: d2v embed {done.opens} DATA --out STORE")


def short(names: list[str], most: int = 3) -> str:
    """Return the first names of a list."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

"""The commands. Each says what it does; what it does is in the workbench."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli_convert import convert_app
from app.cli_exchange import exchange_app
from app.options import Json, Name, Out, StorePlace
from app.terminal import (
    cluster_lines,
    deeper_lines,
    figures,
    is_first_process,
    plain,
    progress,
    say,
    show_json,
    show_table,
    training_progress,
)
from d2v_core.errors import D2VError, StoppedError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Train data2vec on images, audio and text; measure every layer; see what lands where.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make, fetch and check data folders.")
app.add_typer(data_app, name="data")
app.add_typer(exchange_app)
app.add_typer(convert_app)


@data_app.command("make")
def data_make(
    world: Annotated[str, typer.Argument(help="aviary, the made world.")],
    out: Out,
    items: Annotated[int, typer.Option(help="How many paired items.")] = 1000,
    seed: Annotated[int, typer.Option(help="Another seed, other items.")] = 0,
) -> None:
    """Draw paired items of the made world as a data folder.

    Example: d2v data make aviary --out data/aviary --items 2000
    """
    from d2v_core.data.aviary.make import make_aviary
    from d2v_core.errors import InputError

    if world != "aviary":
        raise InputError(f"there is no made world {world!r}; there is aviary")
    with progress("Drawing") as report:
        make_aviary(out, items=items, seed=seed, progress=lambda done: report(done, items))
    say(f"{items} items in {out}")


@data_app.command("get")
def data_get(
    name: Annotated[
        str,
        typer.Argument(help="stamps, cifar10, animal-sounds, birds, digits, wordnet or hub:ID."),
    ],
    out: Out,
    from_: Annotated[
        Path | None, typer.Option("--from", help="The archive or folder to take it from.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="At most so many rows of each label; of hub:ID no more files are fetched than "
            "that wants."
        ),
    ] = None,
) -> None:
    """Make a named real data set into a data folder.

    stamps, cifar10, digits, wordnet and hub:ID are fetched. animal-sounds and birds are published
    nowhere to be fetched from: they want --from with an archive of CLASS/NAME.wav or .flac, birds
    with a folder that has cifar10.zip and animal-sounds.zip. Another version of cifar10 or digits
    given with --from is read, and it is said that it is another one.

    Example: d2v data get stamps --out data/stamps
    """
    from d2v_core.data.sources import get

    with progress("Copying") as report:
        notes = get(name, out, from_=from_, limit=limit, progress=report)
    for note in notes:
        say(note)
    say(f"{name} in {out}")


@data_app.command("check")
def data_check(
    folder: Annotated[Path, typer.Argument(help="A data folder.")], as_json: Json = False
) -> None:
    """Say what is usable, what is not, and why; exit 1 if nothing is.

    Example: d2v data check data/stamps
    """
    from d2v_core.data.check import check_folder

    with progress("Decoding") as report:
        found = check_folder(folder, progress=report)
    if as_json:
        print(found.to_json())
    else:
        if found.problems:
            rows: list[list[object]] = [[p.file, p.reason] for p in found.problems]
            show_table("Not usable", ["file", "reason"], rows)
        show_table("Usable", ["modality", "items"], [[m, n] for m, n in found.usable.items()])
        show_table("Splits", ["split", "rows"], [[s, n] for s, n in found.splits.items()])
        if found.pairs:
            show_table("Pairs", ["modalities", "rows"], [[p, n] for p, n in found.pairs.items()])
        say(f"{found.rows} usable rows, {len(found.labels)} labels")
    if not found.is_usable:
        raise typer.Exit(1)


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="A data folder, or several.")],
    out: Annotated[Path, typer.Option(help="The run folder.")],
    preset: Annotated[str, typer.Option(help="SIZE-OBJECTIVE-ARM, see below.")] = "tiny",
    steps: Annotated[int | None, typer.Option(help="Optimiser steps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, masks and order.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting by name, for example optim.lr=5e-4."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run was.")] = False,
    workers: Annotated[int, typer.Option(help="Processes that decode.")] = 0,
) -> None:
    """Train a run.

    Example: d2v train data/aviary --preset shared-pairs-50 --out runs/paired

    Sizes: tiny (minutes on two cores), small, base-image, base-audio, base-text (as published).
    Objectives: data2vec2, data2vec, reconstruct, hubert. Arms: separate, shared, shared-pairs-P,
    latent-P, contrastive, shuffled-P, random (P in per cent of the pairs). Each part of a preset
    may be left out: tiny, shared-pairs-25, small-reconstruct. A modality is left out by --set
    text=none. On many devices: torchrun --nproc-per-node 8 -m app.cli train …
    """
    from d2v_core.config import override
    from d2v_core.data.folder import read_folders
    from d2v_core.errors import ConfigError
    from d2v_core.presets import preset as preset_of
    from d2v_core.rounds import train_rounds

    parts = [part.partition("=") for part in settings or []]
    chosen = {name: value for name, _, value in parts}
    if not all(chosen.values()):
        raise ConfigError("--set wants NAME=VALUE, for example --set optim.lr=5e-4")
    chosen |= {"optim.steps": str(steps)} if steps is not None else {}
    chosen |= {"seed": str(seed)} if seed is not None else {}
    config = override(preset_of(preset), chosen)
    folder = read_folders(data)
    with training_progress() as report:
        last = train_rounds(folder, config, out, resume=resume, workers=workers, report=report)
    say(f"{last} is complete")


@app.command()
def embed(
    encoder: Annotated[
        str,
        typer.Argument(
            help="A run folder, a checkpoint, file:FILE (file-ema:FILE for its teacher), "
            "hf:ID_OR_PATH (hf-random:ID_OR_PATH for it untrained), random:PRESET or lowlevel."
        ),
    ],
    data: Annotated[Path, typer.Argument(help="A data folder.")],
    out: Annotated[str, typer.Option(help="The store; made if it is not there.")],
    pooling: Annotated[
        str, typer.Option(help="From tokens to a vector: mean, mean+std, max or first.")
    ] = "mean",
    ffn: Annotated[
        bool, typer.Option("--ffn", help="Also every block's MLP output: what data2vec predicts.")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="How vectors are kept: float16, or float32 for large values.")
    ] = "float16",
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Processes that decode; as many as a GPU needs if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed a data folder, all layers in one pass; what is there already is not done again.

    On many devices or hosts: torchrun --nproc-per-node 8 -m app.cli embed ..., to a store that all
    of them see; a process that was killed is started again.

    Example: d2v embed runs/paired data/aviary --out stores/aviary
    """
    from app import workbench

    with progress("Embedding") as report:
        tokens = workbench.Tokens(pooling, ffn, precision)
        done = workbench.embed(encoder, data, out, tokens=tokens, workers=workers, report=report)
    skipped: list[list[object]] = [[p.file, p.reason] for p in done.skipped]
    if as_json:
        names = ("name", "added", "already")
        told = {name: getattr(done, name) for name in names}
        show_json(told | {"processes": done.heard, "skipped": skipped})
        return
    if skipped and is_first_process():
        show_table(f"Skipped {len(skipped)}", ["file", "reason"], skipped)
    share = "" if done.shard.of == 1 else f", by {done.heard} of {done.shard.of} processes"
    say(f"{done.name}: {done.added} items added, {done.already} were there{share}")


@app.command()
def probe(
    store: StorePlace,
    out: Annotated[Path | None, typer.Option(help="A folder for JSON, table and figure.")] = None,
    label: Annotated[str, typer.Option(help="The column to be told from embeddings.")] = "label",
    name: Name = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only kNN and linear probe, of every layer.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure every layer of every modality: kNN and linear probe, or regression for numbers.

    Then, unless --quick: a weighted sum of all layers, few examples, a control task for
    memorising, and how many bits the labels cost.

    Example: d2v probe stores/aviary --label species --out reports/species
    """
    from app import deeper, reports, workbench
    from d2v_core.store import Store

    opened = Store(store)
    results = []
    for each in names_of(opened, name):
        result = workbench.probe(opened, each, label=label)
        deep = {} if quick else deeper.probes(opened, each, label=label)
        tables = {m: t | deep.get(m, {}) for m, t in result["modalities"].items()}
        results.append({**result, "modalities": tables})
    if out is not None:
        reports.write_probe(results, out)
    if as_json:
        show_json(results)
        return
    for result in results:
        for modality, table in result["modalities"].items():
            title = f"{result['representation']}, {modality}, {label}"
            if "rows" not in table:
                say(f"{title}: {table['reason']}")
                continue
            rows = [[r["tap"], r["probe"], figures(r["score"])] for r in table["rows"]]
            measure = "R²" if table["best"][0]["probe"] == "ridge" else "accuracy"
            show_table(title, ["tap", "probe", f"{measure} on test [95 %]"], rows)
            for best in table["best"]:
                say(
                    f"best {best['probe']} layer, chosen on val from {best['searched']}: "
                    f"{best['tap']}, {figures(best['score'])}, n = {best['score']['n']}"
                )
            for line in cluster_lines(table) + deeper_lines(table):
                say(line)


@app.command()
def align(
    stores: Annotated[list[str], typer.Argument(help="One store, or several.")],
    out: Annotated[Path | None, typer.Option(help="A folder for the JSON.")] = None,
    name: Name = None,
    as_json: Json = False,
) -> None:
    """Tell whether modalities are aligned, against controls, in words and in numbers.

    Controls are the untrained, shuffled and low-level representations in the same store.

    Example: d2v embed lowlevel data/aviary --out stores/aviary; d2v align stores/aviary
    """
    from app import reports, workbench
    from d2v_core.store import Store

    results = []
    for place in stores:
        opened = Store(place)
        trained = [c.name for c in workbench.choices(opened) if c.recipe.role == "trained"]
        wanted = names_of(opened, name) if name else trained or opened.names()
        results += [workbench.align(opened, n) for n in wanted]
    if out is not None:
        reports.write_alignment(results, out)
    if as_json:
        show_json(
            results[0]
            if len(results) == 1
            else {
                "modality_gap": {r["encoder"]: r["modality_gap"] for r in results},
                "representations": results,
            }
        )
        return
    for result in results:
        for pair in result["pairs"]:
            title = f"{result['encoder']}: {pair['first']} and {pair['second']}"
            say(f"{title}, at {pair['run']['tap']}; {result['selection']}")
            say(f"  modality gap {figures(pair['gap']['modality_gap'])}")
            for claim in pair["claims"]:
                say(f"  {claim['verdict'].upper()}: {claim['sentence']}")
                for reason in claim["reasons"]:
                    say(f"      {reason}")


@app.command("map")
def make_map(
    store: StorePlace,
    out: Annotated[
        Path | None, typer.Option(help="A .parquet or .csv file with one row an item.")
    ] = None,
    name: Name = None,
    tap: Annotated[str | None, typer.Option(help="Which layer; the last if not given.")] = None,
    method: Annotated[str, typer.Option(help="umap or pca.")] = "umap",
) -> None:
    """Lay out all items of all modalities in one picture.

    Example: d2v map stores/aviary --name NAME --out map.parquet
    """
    from app import reports, workbench
    from d2v_core.store import Store

    opened = Store(store)
    chosen = workbench.name_of(opened, name)
    tap = tap or opened.recipe(chosen).taps[-1]
    points, about = workbench.make_map(opened, chosen, tap=tap, method=method)
    if out is not None:
        reports.write_table(points, out)
    trust = figures(about["trustworthiness"])
    say(f"{len(points)} points of {chosen} at {tap}, trustworthiness {trust}")


@app.command("app")
def open_app(
    store: Annotated[
        list[str] | None, typer.Option(help="Stores to open beside the sample.")
    ] = None,
) -> None:
    """Open the workbench in the browser.

    Example: d2v app --store stores/stamps
    """
    main_file = Path(__file__).with_name("main.py")
    arguments = [part for place in store or [] for part in ("--store", str(Path(place).resolve()))]
    command = [sys.executable, "-m", "streamlit", "run", str(main_file), "--", *arguments]
    # From the project's folder, where Streamlit finds its settings.
    raise typer.Exit(subprocess.call(command, cwd=main_file.parent.parent, env=os.environ))


def names_of(store: Any, name: str | None) -> list[str]:  # noqa: ANN401  # imported late
    """Return the named representation, or all of them."""
    from app import workbench

    if name:
        return [workbench.name_of(store, name)]
    return [choice.name for choice in workbench.choices(store)]


def main() -> None:
    """Run one command; exit 2 with one sentence on what the user can mend.

    What was stopped by a signal exits as shells expect: 130 after Ctrl-C, 143 after SIGTERM.
    """
    try:
        app(prog_name="d2v", standalone_mode=True)
    except StoppedError as error:
        print(f"d2v: {error}", file=sys.stderr)
        sys.exit(128 + error.signal)
    except D2VError as error:
        print(f"d2v: {plain(str(error))}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

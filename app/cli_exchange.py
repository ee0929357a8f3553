"""Commands for what comes in and goes out: import, export, ask, report."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.options import Json, Name, StorePlace
from app.terminal import out_console, progress, say, show_json, show_table

if TYPE_CHECKING:
    from app.report.again import Comparison

exchange_app = typer.Typer()

MOST_DIFFERENCES = 20
"""That are named, of two reports of the same things."""


@exchange_app.command("import")
def import_(
    vectors: Annotated[Path, typer.Argument(help="An .npy, .npz, .safetensors or .parquet file.")],
    meta: Annotated[
        Path,
        typer.Option(help="A .csv, .jsonl or .parquet with a row a vector: modality, pair, label…"),
    ],
    out: Annotated[str, typer.Option(help="The store; made if it is not there.")],
    name: Annotated[str | None, typer.Option(help="What the encoder shall be called.")] = None,
    role: Annotated[
        str,
        typer.Option(
            help="trained, or the control that they are: random twin, shuffled pairs, "
            "low-level features."
        ),
    ] = "trained",
    tap: Annotated[
        list[str] | None,
        typer.Option(help="Which layer of the file; repeated, in order. All if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Put vectors made elsewhere into a store, rows as in a table.

    The table has a column modality (image, audio or text) and any of: pair (items that belong
    together share it), id, label, split, group, text, media, and others to colour by. Splits are
    made where there are none. Pickled files are refused.

    Example: d2v import clip.npy --meta clip.csv --out stores/clip --name clip
    """
    from app.importing import import_vectors

    done = import_vectors(vectors, meta, out, name=name, role=role, taps=tap or [])
    if as_json:
        show_json(done._asdict())
        return
    there = f", {done.there} were there already" if done.there else ""
    say(f"{done.name}: {done.added} rows added{there}, {done.pairs} pairs")
    say("layers: " + ", ".join(f"{tap} ({width})" for tap, width in done.layers.items()))
    how = "made here, pairs and groups together" if done.splits_made else "as given"
    say(f"splits {how}: " + ", ".join(f"{n} {split}" for split, n in done.splits.items()))


@exchange_app.command()
def export(
    store: StorePlace,
    out: Annotated[Path, typer.Option(help="A .parquet file with one row an item.")],
    name: Name = None,
    tap: Annotated[
        str | None, typer.Option(help="The layer of map and neighbours; the last if not given.")
    ] = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(help="A layer to write, repeated, or all; that of the map if not given."),
    ] = None,
    method: Annotated[str, typer.Option(help="Of the map: umap or pca.")] = "umap",
    as_json: Json = False,
) -> None:
    """Write one row an item: metadata, place on the map, trust, neighbours, vectors.

    The file opens in DuckDB, pandas, Spotlight and Embedding Atlas (embedding-atlas FILE --x x
    --y y --neighbors neighbors), and comes back with d2v import FILE --meta FILE.

    Example: d2v export stores/aviary --name NAME --out aviary.parquet
    """
    from app import workbench
    from app.exporting import export as write_export
    from d2v_core.store import Store

    opened = Store(store)
    chosen = workbench.name_of(opened, name)
    layers = opened.recipe(chosen).taps if vectors == ["all"] else vectors
    done = write_export(opened, chosen, out, tap=tap, vectors=layers, method=method)
    if as_json:
        show_json(done._asdict())
        return
    say(f"{done.rows} rows of {done.name} at {done.tap} in {done.file}: {', '.join(done.columns)}")


@exchange_app.command()
def ask(
    store: StorePlace,
    text: Annotated[str | None, typer.Option(help="A sentence.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture.")] = None,
    audio: Annotated[Path | None, typer.Option(help="A sound.")] = None,
    name: Name = None,
    k: Annotated[int, typer.Option("-k", help="How many items of each modality.")] = 5,
    tap: Annotated[
        str | None,
        typer.Option(help="Which layer; that of the alignment, or the last, if not given."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Where the encoder is now, if it has moved.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the items of every modality that lie nearest to a sentence, a picture or a sound.

    "By chance" is the share of random orders that bring an item at least as far up. What is
    claimed of the two modalities stands below their hits.

    Example: d2v ask stores/aviary --text "A small owl hoots at night." --name NAME
    """
    from app import workbench
    from app.asking import ask as find
    from app.asking import query_of
    from d2v_core.store import Store

    query = query_of(text, image, audio)
    opened = Store(store)
    chosen = workbench.name_of(opened, name)
    found = find(opened, chosen, query, k=k, tap=tap, encoder=encoder)
    if as_json:
        show_json(found)
        return
    show_found(found)


def show_found(found: dict[str, Any]) -> None:
    """Print the hits of each modality as a table, and what they have to be compared with."""
    for modality, part in found["modalities"].items():
        title = f"Nearest {modality}: {found['encoder']} at {part['tap']}, of {part['items']}"
        rows: list[list[object]] = [
            [
                hit["rank"],
                hit["id"],
                hit["label"],
                f"{hit['cosine']:.3f}",
                f"{hit['chance']:.3f}",
                hit["text"] or hit["media"],
            ]
            for hit in part["hits"]
        ]
        show_table(title, ["", "id", "label", "cosine", "by chance", "item"], rows)
        for line in ask_words(modality, part):
            out_console.print(line, highlight=False, markup=False)
        out_console.print()


def ask_words(modality: str, part: dict[str, Any]) -> Iterator[str]:
    """Say what hits of one modality have to be compared with."""
    yield f"Cosine with the average {modality}: {part['average_cosine']:.3f}."
    if part["label"]:
        label, hits, by_lot = part["label"].values()
        drawn = f"of as many drawn by lot {by_lot['low']} to {by_lot['high']} share a label"
        yield f"{hits} of {len(part['hits'])} are {label}; {drawn}."
    if "alignment" in part:
        yield part["alignment"]["words"]


def say_compared(found: "Comparison") -> None:
    """Say whether what was measured anew is as before; end with status 1 if it is not."""
    if not found.differences:
        say(f"{found.numbers:,} numbers measured anew: all are as before")
        return
    for line in found.differences[:MOST_DIFFERENCES]:
        say(line)
    say(
        f"{len(found.differences):,} of what was measured differ from before, of "
        f"{found.numbers:,} numbers"
    )
    raise typer.Exit(1)


@exchange_app.command()
def report(
    stores: Annotated[
        list[str], typer.Argument(help="One store or several, or the JSON of a report.")
    ],
    out: Annotated[Path, typer.Option(help="The .html file; JSON and tables go beside it.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="A column to be told from the vectors; repeated. `label` if not given."),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="A representation; repeated. All if not given.")
    ] = None,
    method: Annotated[str, typer.Option(help="Of the maps: umap or pca.")] = "umap",
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help="Measure anew what a report's JSON says, and compare; status 1 if it differs.",
        ),
    ] = False,
) -> None:
    """Write everything that is known of some representations into one HTML file.

    It opens anywhere without a network. NAME.json beside it makes the same file again; NAME_tables/
    has every table as CSV. What was measured before is not measured again.

    Example: d2v report stores/aviary --label label --label size --out reports/aviary.html
    """
    from app.report.again import compare, measure_again
    from app.report.gather import gather, read_results
    from app.report.page import check_out, write_report
    from d2v_core.errors import InputError

    check_out(out)
    from_json = [place for place in stores if place.endswith(".json")]
    if from_json and len(stores) > 1:
        raise InputError("a report is made from stores, or from the JSON of one report")
    if again and not from_json:
        raise InputError("--again measures what the JSON of a report says: name that file")
    before = read_results(Path(from_json[0])) if from_json else None
    if before is not None and again:
        with progress("Measuring anew") as bar:
            results = measure_again(before, report=bar)
    elif before is not None:
        results = before
    else:
        with progress("Measuring") as bar:
            results = gather(
                stores, labels=label or (), names=name or (), method=method, report=bar
            )
    done = write_report(results, out, with_json=again or not from_json)
    beside = f", {done.json.name}" if again or not from_json else ""
    say(f"{done.html}{beside} and {done.tables_written} tables in {done.tables.name}/")
    if before is not None and again:
        say_compared(compare(before, results))

"""How the clouds of two modalities lie: the modality gap and what belongs to it."""

from app.report.figures import dots
from app.report.parts import Drawing, Exhibit, Option, Results, Section, Table
from app.report.runs import all_pairs, looks, pair_words, pairs_of, trained
from app.words import MEASURES, tap_words


def chapter(results: Results) -> Section | None:
    """Return the chapter; None without two modalities."""
    if not all_pairs(results):
        return None
    names = ("modality_gap", "normalised_gap", "separability", "matched_cosine")
    options = [_option(results, name) for name in names]
    rows = [
        (
            {
                "run": run["called"],
                "modalities": pair_words(pair),
                "layer (tap)": tap_words(pair["run"]["tap"]),
                "measure": MEASURES[name][0],
            },
            score,
        )
        for run in trained(results)
        for pair in pairs_of(run)
        for name, score in pair["gap"].items()
        if score is not None
    ]
    exhibit = Exhibit(
        "How far apart the two clouds lie",
        tuple(option for option in options if option.drawings),
        how="All vectors are scaled to length 1. "
        + " ".join(f"{MEASURES[name][0]}: {MEASURES[name][1]}" for name in names),
        cannot="Whether items meet: a collapsed encoder has no gap either, and a wide gap is no "
        "proof against alignment. Order within the clouds may agree, as it does in CLIP.",
        tables=(Table.of_scores("gap", "Gap, separability and cosines", rows),),
    )
    return Section(
        "gap",
        "The modality gap",
        "Where do the clouds of two modalities lie, whatever is in them?",
        (exhibit,),
    )


def _option(results: Results, name: str) -> Option:
    styles, drawings = looks(results), []
    for words in all_pairs(results):
        rows = [
            (run["called"], styles[run["called"]], pair["gap"][name])
            for run in trained(results)
            for pair in pairs_of(run)
            if pair_words(pair) == words and pair["gap"][name] is not None
        ]
        if rows:
            figure = dots(rows, axis=MEASURES[name][0].lower(), span=None)
            figure.update_xaxes(rangemode="tozero")
            alt = f"{MEASURES[name][0]} of all runs: {words}"
            drawings.append(Drawing(figure, alt, words.capitalize()))
    return Option(MEASURES[name][0], tuple(drawings))

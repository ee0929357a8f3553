"""The parts of the page on meeting: each one view of one pair of modalities of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import cached, meeting, showing, state, tables
from app.measured import Wanted
from app.report.parts import Exhibit, Section
from app.report.sections import finding, gap, help
from app.views.exhibits import draw_exhibit
from app.views.explained import brief
from app.views.measuring import obtain
from app.words import MEASURES, VERDICTS
from d2v_core.store import Recipe

PARTNERS = ("instance level", "mean reciprocal rank")
GUARDS = ("control", "confidence interval", "p-value", "equivalence test")


@dataclass(frozen=True)
class Meeting:
    """What is looked at.

    Attributes:
        chosen: store and run.
        recipes: of all representations of the store.
        alignment: of the run, with this pair alone.
        pair: of modalities.
    """

    chosen: state.Chosen
    recipes: Mapping[str, Recipe]
    alignment: Mapping[str, Any]
    pair: Mapping[str, Any]

    def document(self, extras: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the run and its controls as the report has them."""
        name = self.chosen.name
        found: dict[Wanted, Mapping[str, Any]] = {Wanted("align", name): self.alignment}
        if extras is not None:
            found[Wanted("extras", name)] = extras
        data = self.recipes[name].data_fingerprint
        controls = [
            other
            for other, recipe in self.recipes.items()
            if recipe.role != "trained" and recipe.data_fingerprint == data and other != name
        ]
        return showing.document(self.recipes, [name, *controls], found)

    def extras(self) -> Mapping[str, Any] | None:
        """Return ladder and hubs of the run; draw what measures them while they are not there."""
        wanted = Wanted("extras", self.chosen.name)
        found, problems = obtain(
            self.chosen.place,
            [wanted],
            f"Measuring help from pairs and hubs of {self.chosen.encoder}",
            key="extras",
            on_request="Measure this; it takes a minute or more, and you can go on meanwhile",
        )
        for problem in problems:
            st.warning(problem)
        return found.get(wanted)

    def of_pair(self, extras: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what was measured of this pair."""
        return extras.get(f"{self.pair['first']}-{self.pair['second']}", {})


def draw_section(section: Section | None, *, key: str, only: Sequence[str] = ()) -> bool:
    """Draw the exhibits of a chapter, or those of some titles; return whether there were any."""
    exhibits = [
        part
        for part in (section.parts if section else ())
        if isinstance(part, Exhibit) and (not only or part.title.startswith(tuple(only)))
    ]
    for number, exhibit in enumerate(exhibits):
        draw_exhibit(exhibit, key=f"{key}_{number}")
    return bool(exhibits)


def draw_answer(of: Meeting) -> None:
    """Draw the claims, what luck gives, and what so many pairs can show at all."""
    draw_claims(of.pair)
    key = f"{of.pair['first']}_{of.pair['second']}"
    if exhibit := meeting.nulls_exhibit(of.pair):
        draw_exhibit(exhibit, key=f"nulls_{key}")
    likeness = tables.likeness_table(of.pair)
    if len(likeness):
        st.subheader("The same shape, wherever it lies?", help=brief("CKA", "mutual kNN", "chance"))
        st.caption(f"CKA: {MEASURES['cka'][1]} Mutual kNN: {MEASURES['mutual_knn'][1]}")
        st.dataframe(likeness, hide_index=True)
    draw_power(of.pair)


def draw_power(pair: Mapping[str, Any]) -> None:
    """Say how many pairs it takes to see anything."""
    partners = pair["run"]["partners"]
    if not partners:
        return
    st.subheader("How many pairs would be needed?")
    st.markdown(meeting.power_words(partners["x_to_y"]["gallery"]))
    with st.expander("To notice less, it takes more", icon=":material/table_rows:"):
        st.dataframe(meeting.power_table(), hide_index=True, width="content")
        st.caption(
            "Test pairs from which on a model that finds this share of partners first is noticed "
            "in 80 % of experiments at the 5 % level, with as many items to choose from as pairs."
        )


def draw_claims(pair: Mapping[str, Any]) -> None:
    """Draw the claims of a pair: kinds on the left, partners on the right."""
    for column, (level, title) in zip(
        st.columns(2),
        (("class", "The same kind?"), ("instance", "The very partner?")),
        strict=True,
    ):
        with column:
            words = ("class level", "mean average precision") if level == "class" else PARTNERS
            st.markdown(f"**{title}**", help=brief(*words, "chance"))
            claims = [claim for claim in pair["claims"] if claim["level"] == level]
            for claim in claims:
                draw_claim(claim)
            if not claims:
                missing = "labels on both sides" if level == "class" else "enough pairs in test"
                st.info(f"Cannot be asked: these items do not have {missing}.")


def draw_claim(claim: Mapping[str, Any]) -> None:
    """Draw what may be said, why, and on what it rests."""
    word, icon, colour = VERDICTS[claim["verdict"]]
    with st.container(border=True):
        st.markdown(f":{colour}-badge[{icon} {word}]  {claim['sentence']}")
        with st.expander("Why, and what this rests on"):
            st.caption("What stands in the way of a hasty yes or no.", help=brief(*GUARDS))
            st.markdown("\n".join(f"* {reason}" for reason in claim["reasons"]))
            st.dataframe(tables.claim_table(claim), hide_index=True)
            st.caption(f"Differences from chance up to {claim['margin']:.3f} count as none.")


def draw_finding(of: Meeting) -> None:
    """Draw how well items find their kind and their partner, beside the controls."""
    sizes = of.pair["run"]["partners"] or of.pair["run"]["labels"]
    if sizes:
        st.markdown(
            "An item of one modality orders all items of the other by the cosine of their vectors. "
            f"Search is among {_gallery(of.pair)}; figures for other numbers cannot be compared."
        )
    if not draw_section(finding.chapter(of.document()), key="finding"):
        st.info("These items have neither labels nor enough pairs in test: nothing can be found.")


def _gallery(pair: Mapping[str, Any]) -> str:
    """Return in how many items is searched."""
    partners, labels = pair["run"]["partners"], pair["run"]["labels"]
    said = []
    if labels:
        said.append(f"{labels['x_to_y']['gallery']} items for kinds")
    if partners:
        said.append(f"{partners['x_to_y']['gallery']} items for partners")
    return " and ".join(said)


def draw_help(of: Meeting) -> None:
    """Draw the ladder: how many known pairs turn one space into the other."""
    st.markdown(
        "Two spaces that do not meet may still be one shape turned round. Some known pairs from "
        "train and val turn one space into the other; test items then look for their partners.",
        help=brief("Procrustes", "ladder", "R@k"),
    )
    extras = of.extras()
    if extras is None:
        return
    ladders = of.of_pair(extras).get("ladders", [])
    for ladder in ladders[:1]:
        if "reason" in ladder:
            st.info(f"No ladder can be climbed: {ladder['reason']}.")
    draw_section(help.chapter(of.document(extras)), key="ladder", only=("From no help",))
    needed = meeting.needed_table(ladders)
    if len(needed):
        st.subheader("How many known pairs does it take?")
        st.dataframe(needed, hide_index=True)
        st.caption(
            "The fewest of the numbers of pairs that were tried with which that share of test "
            "items finds its partner first, both ways; 0 is without any help. What an untrained "
            "control needs as well was not taught by training."
        )
    if exhibit := meeting.matching_exhibit(ladders):
        draw_exhibit(exhibit, key="matching")


def draw_clouds(of: Meeting) -> None:
    """Draw the modality gap of this run beside the other trained ones."""
    names = [name for name, recipe in of.recipes.items() if recipe.role == "trained"]
    names = list(dict.fromkeys([of.chosen.name, *names]))
    found: dict[Wanted, Mapping[str, Any]] = {}
    for name in names:
        try:
            whole = cached.measured(of.chosen.place, Wanted("align", name))
        except cached.NotMeasured:
            continue
        both = (of.pair["first"], of.pair["second"])
        pairs = [p for p in whole["pairs"] if (p["first"], p["second"]) == both]
        found[Wanted("align", name)] = {**whole, "pairs": pairs}
    shown = [name for name in names if Wanted("align", name) in found]
    draw_section(gap.chapter(showing.document(of.recipes, shown, found)), key="gap")
    st.info(
        "A gap of zero is no alignment: two clouds may lie in one place and every bird beside "
        "the wrong song. And a wide gap is no proof against it: order within the clouds may agree.",
        icon=":material/lightbulb:",
    )
    with st.expander("All figures of this run", icon=":material/table_rows:"):
        st.table(tables.shape_table(of.pair), hide_index=True, border="horizontal")


def draw_hubs(of: Meeting) -> None:
    """Draw how unevenly items are found, and finding with that corrected."""
    st.markdown(
        "In many dimensions some items are near to nearly everything: they are found by everybody, "
        "others by nobody, whatever was asked."
    )
    extras = of.extras()
    if extras is None:
        return
    if not draw_section(help.chapter(of.document(extras)), key="hubs", only=("Hubs",)):
        st.info("Hubs cannot be measured here.")
    corrected = of.of_pair(extras).get("csls", {})
    if "reason" in corrected:
        st.info(f"CSLS: {corrected['reason']}.")
    if exhibit := meeting.csls_exhibit(of.pair, corrected):
        draw_exhibit(exhibit, key="csls")

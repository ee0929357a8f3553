"""What the labelling page says."""

from collections.abc import Mapping
from typing import Any

from app.cached_label import ALL
from app.words import PLURAL

SENSES = {**{m: words.capitalize() for m, words in PLURAL.items()}, ALL: "All senses"}

STEPS = (
    (
        "1. Name it",
        "Anything that you can see, hear or read, such as “sings at dusk” or “is a bird”. "
        "Nobody has to have labelled it before.",
    ),
    (
        "2. Answer yes or no",
        "By the keys :blue-badge[1] yes, :blue-badge[2] no, :blue-badge[0] skip, "
        ":blue-badge[U] take back. You are asked where an answer teaches most.",
    ),
    (
        "3. See what is learnt",
        "After every answer a straight cut through the layer's vectors (a linear probe) learns "
        "anew. Every third question is an exam that shows how often it is right.",
    ),
)

HOW = {
    "exam": "an exam question, drawn by lot",
    "margin": "the probe is least sure here",
    "spread": "to begin with, items unlike each other",
    "gallery": "corrected in the gallery",
}
"""Why an item was asked about."""

ABOUT = """
**What learns.** A straight cut through the vectors of this layer: on one side yes, on the other no.
The run itself is not trained any further.

**What is asked.** The item nearest to the cut: there the probe is least sure, and your answer
teaches it most (*margin sampling*). Until there is a yes and a no, an item unlike all before.

**Why an exam.** Questions chosen like that are the hard ones; the share right among them says
nothing about the rest. So some items are set apart by lot and every third question is one of them.
The probe never learns from these, and they are in no gallery: they stand for items that it has
not met.

**What the number does not say.** It holds for items like those in this store. The interval holds
for a number of questions fixed beforehand: whoever stops as soon as the number looks good stops at
a lucky moment. Where one recording or animal has many items, the probe may know it by that.
"""

GALLERIES = {
    "yes": ("Most surely yes", "What the probe takes for yes, the surest first."),
    "no": ("Most surely no", "What the probe takes for no, the surest first."),
    "unsure": ("Least sure", "These lie nearest to the cut: the next questions."),
}


def percent(share: float) -> str:
    """Return a share as people say it."""
    return f"{100 * share:.0f} %"


def counts_words(said: Mapping[str, int]) -> str:
    """Say how many answers there are."""
    words = f"{said['yes']} yes, {said['no']} no"
    return f"{words}, {said['skip']} skipped" if said["skip"] else words


def score_sentence(score: Mapping[str, Any], blind: str) -> str:
    """Say how sure an accuracy is, beside what blind answers get.

    Args:
        score: a `Score` as JSON, defined.
        blind: the answer that is given most often in the exam, "yes" or "no".
    """
    return (
        f"95 % interval {percent(score['low'])} to {percent(score['high'])}, from n = "
        f"{score['n']} exam questions. Always answering “{blind}” is right in "
        f"{percent(score['chance'])} of them (chance)."
    )


def verdict_words(score: Mapping[str, Any]) -> str:
    """Say whether the probe beats blind answers, as a badge."""
    if score["low"] > score["chance"]:
        return ":green-badge[:material/check_circle: Better than blind answers]"
    if score["high"] < score["chance"]:
        return ":orange-badge[:material/trending_down: Worse than blind answers]"
    return ":gray-badge[:material/help: Not shown to be better than blind answers]"


def waiting_words(lacking: int) -> str:
    """Say when there will be an estimate."""
    if lacking <= 0:
        return "An estimate comes as soon as there is a yes and a no to learn from."
    questions = "one more exam question" if lacking == 1 else f"{lacking} more exam questions"
    return f"An estimate comes after {questions}; every third question is one."

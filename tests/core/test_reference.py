"""The list of encoders in the documentation is that of the code."""

from pathlib import Path

from d2v_core.encoders.huggingface_families import FAMILIES
from d2v_core.encoders.pooling import POOLINGS
from d2v_core.encoders.reference import written_anew
from d2v_core.encoders.sentences import MODES

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_tables_are_as_the_code_says():
    page = PAGE.read_text(encoding="utf-8")

    assert written_anew(page) == page
    assert written_anew(page.replace("data2vec", "other")) != page.replace("data2vec", "other")


def test_every_family_and_every_pooling_is_there():
    page = PAGE.read_text(encoding="utf-8")
    for family in FAMILIES:
        assert page.count(f"| `{family.type}` |") == len(family.towers)
    assert f"{', '.join(POOLINGS)}." in page
    assert f"({', '.join(MODES)})" in page


def test_what_starts_a_name_is_there():
    page = PAGE.read_text(encoding="utf-8")
    for start in ("hf:", "hf-random:", "hf-bf16:", "hf-image:", "random:PRESET", "fairseq:FILE"):
        assert f"`{start}" in page

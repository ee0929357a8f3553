"""The glossary: every word on all three levels, every letter explained, every page covered."""

import ast
import re
from pathlib import Path

import pytest

from app import glossary

ROOT = Path(__file__).parents[2]
OPERATORS = re.compile(
    r"\\(?:mathcal|mathbb|hat|bar|sqrt|frac|left|right|lVert|rVert|lfloor|rfloor|quad|cdot|dots"
    r"|sum|min|max|arg|log|exp|in|ne|ge|le|to|wedge|forall|cap|sqcup|Rightarrow|leftarrow|times"
    r"|propto|sim|mid|cos)(?![a-zA-Z])"
)
LETTER = re.compile(r"\\[a-zA-Z]+|[A-Za-z]")


def letters(latex):
    """Return the letters and Greek letters of a formula that stand for something."""
    bare = re.sub(r"\\text\{[^{}]*\}", " ", latex)
    bare = OPERATORS.sub(" ", bare)
    return set(LETTER.findall(re.sub(r"\\[,!;{}]", " ", bare)))


def test_there_are_many_words_and_none_twice():
    names = [name.lower() for term in glossary.terms() for name in (term.word,)]
    keys = [term.key for term in glossary.terms()]

    assert len(names) >= 45
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("term", glossary.terms(), ids=lambda term: term.key)
def test_every_word_has_three_levels_and_a_source(term):
    assert 10 < len(term.child) <= 120
    assert term.child.endswith((".", "?"))
    assert len(term.student) > 40
    assert term.student.endswith((".", "?"))
    assert term.formula.strip()
    assert term.source.strip()


@pytest.mark.parametrize("term", glossary.terms(), ids=lambda term: term.key)
def test_every_letter_of_a_formula_is_explained(term):
    explained = set().union(*(letters(symbol) for symbol, _ in term.symbols))

    assert letters(term.formula) - explained == set()
    assert all(meaning.strip() for _, meaning in term.symbols)


@pytest.mark.parametrize("term", glossary.terms(), ids=lambda term: term.key)
def test_no_symbol_is_explained_that_the_formula_does_not_have(term):
    have = letters(term.formula)

    assert [s for s, _ in term.symbols if not letters(s) <= have] == []


def test_the_letters_of_a_formula_are_found():
    """The control: words and operators are none, indices and Greek letters are."""
    assert letters(r"\frac{1}{N} \sum_i \text{rank}(x_i) \le \lambda") == {
        "N",
        "i",
        "x",
        r"\lambda",
    }


@pytest.mark.parametrize("term", glossary.terms(), ids=lambda term: term.key)
def test_braces_close(term):
    depth = 0
    for sign in re.sub(r"\\[{}]", "", term.formula):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert term.formula.count(r"\left") - term.formula.count(r"\leftarrow") == term.formula.count(
        r"\right"
    )


def test_the_page_of_the_documentation_is_made_of_it():
    written = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

    assert written == glossary.as_markdown(), "run `python -m app.glossary docs/glossary.md`"


def test_no_word_of_the_documentation_is_an_orphan():
    written = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([^]]+)\]", written, flags=re.MULTILINE)

    assert len(rows) == len(glossary.terms())
    assert all(glossary.find(row) for row in rows)


def test_what_the_project_speaks_of_is_all_there():
    words = (
        "modality, item, pair, row, label, group, token, channel, dim, prenet, trunk, layer, tap, "
        "joint, pooling, embedding, representation, student, teacher, target, mask, masks an item, "
        "objective, cluster, round, latent prediction, hub, decoder, arm, random twin, shuffled "
        "pairs, low-level features, probe, class level, instance level, modality gap, effective "
        "rank, collapse, trustworthiness, chance, R@k, MRR, mean average precision, median rank, "
        "CKA, mutual kNN, normalised gap, separability, matched cosine, Procrustes, CSLS, hubness, "
        "RSA, linear probe, weighted-sum, few-shot, selectivity, MDL, participation ratio, "
        "intrinsic dimension, uniformity, continuity, p-value, confidence interval, EMA, PCA, UMAP"
    )
    missing = [word for word in words.split(", ") if glossary.find(word) is None]

    assert missing == []


def test_a_word_is_found_by_any_of_its_names():
    rank = glossary.find("effective rank")

    assert rank is not None
    assert glossary.find("RankMe") is rank
    assert glossary.find(" Effective-Rank ") is rank
    assert glossary.find("no such word") is None
    assert glossary.find("map").word == "map"  # and not mAP


def test_a_tooltip_says_the_word_in_two_sentences():
    said = glossary.term("RankMe")

    assert said.startswith("**effective rank**: In how many different ways")
    assert "singular values" in said
    with pytest.raises(KeyError, match=r"'flux' is not in the glossary; add it to app/glossary"):
        glossary.term("flux")


def test_a_search_puts_names_before_texts():
    found = [term.word for term in glossary.search("rank")]

    assert set(found[:3]) == {"effective rank", "mean reciprocal rank", "median rank"}
    assert len(found) > 3
    assert glossary.search("xyzzy") == []
    assert glossary.search("") == list(glossary.terms())


@pytest.mark.parametrize("page", sorted(p.stem for p in (ROOT / "app" / "views").glob("*.py")))
def test_words_of_a_page_are_words_it_has(page):
    for term in glossary.terms_on(page):
        assert term in glossary.terms()


def test_the_words_of_the_pages_are_those_they_speak_of():
    meet = {term.word for term in glossary.terms_on("meet")}
    learn = {term.word for term in glossary.terms_on("learn")}  # the lessons are part of it

    assert {"chance", "pair", "modality gap"} <= meet
    assert {"teacher", "mask", "Procrustes", "UMAP", "collapse"} <= learn
    assert glossary.terms_on("no_such_page") == ()


def test_words_are_read_from_texts_and_not_from_code(monkeypatch, tmp_path):
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "made_up.py").write_text(
        '"""About the teacher."""\n'
        "import streamlit as st\n"
        "collapse = 1  # hubness\n"
        'st.write("A map of pairs, and a pair is no UMAP", "student")\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(glossary, "HERE", tmp_path)

    # the commonest first; mAP is no map; neither docstring, nor names, nor comments, nor keys
    assert [term.word for term in glossary.terms_on("made_up")] == ["pair", "map", "UMAP"]


def test_words_in_a_sentence_each_lead_to_all_of_them():
    said = glossary.brief("CKA", "EMA")

    cka, moving = (glossary.find(name) for name in ("CKA", "moving average"))
    assert cka is not None
    assert moving is not None
    assert said == (
        f"**CKA**: {cka.child} [All of it](?term=cka)\n\n"
        f"**moving average**: {moving.child} [All of it](?term=moving-average)"
    )


def test_a_word_that_is_not_in_the_glossary_is_not_passed_over():
    with pytest.raises(KeyError, match="'phlogiston' is not in the glossary"):
        glossary.brief("CKA", "phlogiston")


def test_the_terms_of_the_trade_in_a_text_are_found_most_frequent_first():
    said = glossary.brief_of("Hubs and hubs: chance names items of one label. CKA does not.")

    assert said is not None
    assert [line.split("**")[1] for line in said.split("\n\n")] == ["hubness", "chance", "CKA"]
    assert glossary.brief_of("Items of a label on a map.") is None


def test_no_more_terms_are_found_than_can_be_read():
    said = glossary.brief_of("CKA, PCA, UMAP, t-SNE, RSA and CSLS")

    assert said is not None
    assert len(said.split("\n\n")) == glossary.MOST_AT_ONCE


def test_every_word_that_a_page_explains_is_in_the_glossary():
    named = [
        (file.name, argument.value)
        for file in sorted((glossary.HERE / "views").glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "brief"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    ]

    assert len({file for file, _ in named}) > 10
    assert [pair for pair in named if glossary.find(str(pair[1])) is None] == []

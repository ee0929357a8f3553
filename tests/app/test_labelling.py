"""The journal of labels: added to by many, never changed, and whole whatever happens."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from app import labelling, places
from d2v_core.errors import InputError

ROOT = Path(__file__).parents[2]
MANY = """
import sys
from pathlib import Path
from app import labelling
for n in range(50):
    labelling.answer(Path(sys.argv[1]), concept="x", id=f"{sys.argv[2]}-{n}", modality="image",
                     said="yes", who="w" * 2000, session=sys.argv[2], run="r", tap="t",
                     how="margin", margin=0.5)
"""


def tell(path, ident, said="yes", *, concept="dusk", who="ada", session="s1", how="margin"):
    return labelling.answer(
        path, concept=concept, id=ident, modality="image", said=said, who=who, session=session,
        run="toy", tap="joint", how=how, margin=None,
    )  # fmt: skip


def test_what_was_said_is_read_again(tmp_path):
    path = tmp_path / "labels" / "x.jsonl"
    kept = [tell(path, "a"), tell(path, "b", "no"), tell(path, "c", "skip")]
    journal = labelling.read(path)

    assert journal.answers == tuple(kept)
    assert journal.concepts() == {"dusk": 2}
    items = [("a", "image"), ("b", "image"), ("c", "image"), ("d", "image"), ("a", "audio")]
    assert labelling.codes_of(journal, "dusk", items).tolist() == [1, 0, -2, -1, -1]
    assert labelling.codes_of(journal, "other", items).tolist() == [-1] * 5


def test_the_newest_stands_and_what_is_taken_back_uncovers_the_one_before(tmp_path):
    path = tmp_path / "x.jsonl"
    tell(path, "a", "yes")
    second = tell(path, "a", "no")
    assert labelling.read(path).standing("dusk")["a", "image"].said == "no"

    before = path.read_bytes()
    labelling.take_back(path, second.key, who="ada", session="s1")
    journal = labelling.read(path)
    assert journal.standing("dusk")["a", "image"].said == "yes"
    assert path.read_bytes().startswith(before)  # nothing was changed, only added
    assert len(journal.answers) == 2


def test_everybody_takes_back_their_own(tmp_path):
    path = tmp_path / "x.jsonl"
    own, other = tell(path, "a", session="s1"), tell(path, "b", session="s2")
    journal = labelling.read(path)
    now = time.time() + 1

    assert journal.last("dusk", session="s1", who="ada", since=0) == own
    assert journal.last("dusk", session="s2", who="ada", since=0) == other
    assert journal.last("dusk", session="s3", who="ada", since=0) is None  # of others, meanwhile
    assert journal.last("dusk", session="s3", who="ada", since=now) == other  # after a restart
    assert journal.last("dusk", session="s3", who="bea", since=now) is None
    assert journal.last("dawn", session="s1", who="ada", since=0) is None


@pytest.mark.slow
def test_two_servers_at_once_lose_nothing(tmp_path):
    path = tmp_path / "x.jsonl"
    command = [sys.executable, "-c", MANY, str(path)]
    running = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("one", "two")]
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    journal = labelling.read(path)

    assert journal.unreadable == 0
    assert len({answer.id for answer in journal.answers}) == 100


def test_a_line_that_was_cut_short_takes_no_other_with_it(tmp_path):
    path = tmp_path / "x.jsonl"
    tell(path, "a")
    tell(path, "b")
    path.write_bytes(path.read_bytes()[:-20])
    tell(path, "c")
    journal = labelling.read(path)

    assert [answer.id for answer in journal.answers] == ["a", "c"]
    assert journal.unreadable == 1


@pytest.mark.parametrize(
    "line",
    ["[]", "7", "{}", '{"answer": {}}', '{"answer": 3}', '{"taken_back": {}}', "\x00", "null"],
)
def test_a_line_that_is_no_entry_is_counted(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_text(line + "\n")

    assert labelling.read(path) == labelling.Journal(unreadable=1)


def test_an_answer_that_nobody_can_have_given_is_no_entry(tmp_path):
    path = tmp_path / "x.jsonl"
    tell(path, "a")
    entry = json.loads(path.read_text())
    entry["answer"]["said"] = "perhaps"
    path.write_text(json.dumps(entry) + "\n")

    assert labelling.read(path).unreadable == 1


def test_an_answer_that_cannot_be_kept_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="the answer could not be kept in .*: File exists"):
        tell(tmp_path / "file" / "x.jsonl", "a")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="the labels in .* cannot be read: Is a directory"):
        labelling.read(tmp_path / "folder")


def test_a_name_is_one_that_can_be_seen():
    assert labelling.check_concept("  sings   at dusk\n") == "sings at dusk"
    for bad, why in (
        (" ", "say what you look for"),
        ("x" * 61, "61 letters; a name of up to 60"),
        ("a\x07b", "letters that can be seen"),
    ):
        with pytest.raises(InputError, match=why):
            labelling.check_concept(bad)


def test_labels_are_below_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "home", lambda: tmp_path)

    assert labelling.path_of("ab" * 32) == tmp_path / "labels" / f"{'ab' * 16}.jsonl"


def test_labels_as_columns_and_as_a_table(tmp_path):
    path = tmp_path / "x.jsonl"
    tell(path, "a", "yes", how="exam")
    tell(path, "b", "no")
    tell(path, "z", concept="elsewhere")
    journal = labelling.read(path)
    items = pd.DataFrame({"id": ["a", "b", "c"], "modality": "image"})

    assert labelling.columns_of(journal, items) == {"is it: dusk": ["yes", "no", "not asked"]}
    table = labelling.table_of(list(journal.standing("dusk").values()))
    assert table[["id", "label", "chosen"]].to_numpy().tolist() == [
        ["a", "yes", "exam"],
        ["b", "no", "margin"],
    ]
    assert table["when"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    assert list(labelling.table_of([])) == list(table)

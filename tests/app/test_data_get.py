"""`d2v data get` as it is typed: what it says of what was made."""

import zipfile

import pytest
from typer.testing import CliRunner

from app.cli import app
from d2v_core.errors import InputError
from tests.core.bad_media import picture


@pytest.fixture
def archive(tmp_path):
    """A zip of class folders, as somebody packed it anew."""
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as made:
        for label in ("cat", "dog"):
            for number in range(12):
                made.writestr(f"train/{label}/{number:04}.png", picture())
    return path


def test_another_version_is_said_to_be_one(archive, tmp_path):
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["data", "get", "cifar10", "--from", str(archive), "--out", str(out), "--limit", "2"]
    )

    said = " ".join(done.stderr.split())
    assert done.exit_code == 0
    assert f"{archive} is another version than https://www.cs.toronto.edu/" in said
    assert said.endswith(f"cifar10 in {out}")
    assert len(list((out / "images").iterdir())) == 4


@pytest.mark.parametrize("name", ["animal-sounds", "birds"])
def test_what_has_no_download_says_so_in_its_help_and_when_asked_for(name, tmp_path):
    runner = CliRunner()
    told = " ".join(runner.invoke(app, ["data", "get", "--help"]).stdout.split())
    asked = runner.invoke(app, ["data", "get", name, "--out", str(tmp_path / "out")])

    assert "animal-sounds and birds are published nowhere to be fetched from" in told
    assert isinstance(asked.exception, InputError)
    assert "give it with --from" in str(asked.exception)

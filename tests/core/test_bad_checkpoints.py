"""Bad checkpoints: nothing is executed, nothing is believed, each has its sentence."""

import contextlib
import io
import json
import shutil
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from d2v_core.checkpoint import load_tensors, read_run
from d2v_core.data.folder import read_folder
from d2v_core.encoders import open_encoder
from d2v_core.encoders.torch_files import read_file, weights_of
from d2v_core.errors import CheckpointError, D2VError
from d2v_core.train import train
from tests.conftest import smallest
from tests.core.bad_checkpoints import CONFIGS, PAYLOAD, PICKLES, TENSORS
from tests.core.bounded import try_all
from tests.damage import damaged

ROLES = ("fairseq", "fairseq-ema")


@pytest.fixture(scope="module")
def run(toys, tmp_path_factory):
    """A small trained run; read-only."""
    place = tmp_path_factory.mktemp("runs") / "good"
    train(read_folder(toys), smallest("separate", audio=None, text=None), place)
    return place


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def newest(run):
    return max((run / "checkpoints").iterdir())


def test_the_payloads_do_what_they_say(tmp_path):
    """The control: opened as a pickle, each of them makes the file."""
    for name in ("bare.pt", "zipped.pt", "evaluated.bin", "evaluated.pt", "unzipped.pt"):
        place = tmp_path / name.replace(".", "-")
        place.mkdir()
        PICKLES[name].write(place / name)
        with contextlib.suppress(RuntimeError):  # afterwards it sees that it is no checkpoint
            torch.load(place / name, weights_only=False)
        assert (place / PAYLOAD).exists()


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """What is said of each in a process with bounds on memory and time."""
    names = [f"{role}:{name}" for role in ROLES for name in PICKLES]
    return try_all("tests.core.bad_trials:is_opened", names, tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", PICKLES)
def test_no_pickle_is_executed(tried, name, role):
    said = tried.said_of(f"{role}:{name}")

    assert said is not None
    assert said.startswith(f"{name}: ")
    assert PICKLES[name].reason in said


@pytest.mark.parametrize("name", TENSORS)
def test_a_lying_header_is_refused(copied, name):
    path = newest(copied) / "learner.safetensors"
    path.write_bytes(TENSORS[name])

    with pytest.raises(CheckpointError, match="learner.safetensors cannot be read"):
        open_encoder(str(copied))


@pytest.mark.parametrize("name", ["bare.pt", "zipped.pt"])
def test_a_pickle_named_safetensors_is_not_opened(copied, name):
    path = newest(copied) / "learner.safetensors"
    PICKLES[name].write(path)

    with pytest.raises(CheckpointError, match="cannot be read"):
        open_encoder(str(copied))
    assert not (path.parent / PAYLOAD).exists()


@pytest.mark.parametrize("name", CONFIGS)
def test_settings_of_elsewhere_are_refused(copied, name):
    change, reason = CONFIGS[name]
    path = copied / "config.json"
    path.write_bytes(change(json.loads(path.read_text())))
    start = time.process_time()  # of which another program takes nothing

    with pytest.raises(D2VError, match=reason):
        open_encoder(str(copied))
    assert time.process_time() - start < 10


def test_weights_that_are_no_numbers_are_refused(copied):
    path = newest(copied) / "learner.safetensors"
    tensors = load_tensors(path)
    name = sorted(tensors)[0]
    tensors[name] = torch.full_like(tensors[name], float("nan"))
    save_file(tensors, path)

    with pytest.raises(CheckpointError, match=f"{name} is not finite"):
        open_encoder(str(copied))


def test_a_checkpoint_that_is_no_file_says_so(copied):
    place = newest(copied)
    (place / "learner.safetensors").unlink()
    (place / "learner.safetensors").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_encoder(str(copied))

    shutil.rmtree(place / "learner.safetensors")
    with pytest.raises(CheckpointError, match="is missing"):
        open_encoder(str(copied))

    for other in sorted(place.parent.iterdir()):
        other.rename(other.with_name(f"step_last-{other.name}"))
    with pytest.raises(CheckpointError, match="holds no complete checkpoint"):
        open_encoder(str(copied))


def test_the_run_itself_is_fine(copied):
    assert open_encoder(str(copied)).modalities == ("image",)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_no_tensors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x.safetensors"
    path.write_bytes(data)

    with pytest.raises(CheckpointError):
        load_tensors(path)


def saved(values, **how):
    file = io.BytesIO()
    torch.save(values, file, **how)
    return file.getvalue()


VALUES = {"model": {"a": torch.arange(6.0).view(2, 3)}, "cfg": {"depth": 2, "names": ["x", None]}}
WHOLE = {
    "pt": [saved(VALUES), saved(VALUES, _use_new_zipfile_serialization=False)],
    "safetensors": [save({"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(4).half()})],
}


@pytest.mark.parametrize("suffix", WHOLE)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_file_of_tensors(tmp_path_factory, suffix, data):
    path = tmp_path_factory.mktemp("any") / f"x.{suffix}"
    path.write_bytes(data.draw(damaged(WHOLE[suffix])))
    said = "read"
    try:
        weights_of(read_file(path))
    except CheckpointError as error:
        said = str(error)
    assert said


def test_an_archive_in_several_parts_is_a_damaged_file(tmp_path):
    path, data = tmp_path / "x.pt", bytearray(WHOLE["pt"][0])
    data[data.rindex(b"PK\6\7") + 16] = 2  # how many parts there are, in the locator
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged, and is not read"):
        read_file(path)


@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["config", "about", "trunk", "image"]), inner)
        ),
    )
)
def test_any_json_is_no_run(tmp_path_factory, values):
    run = tmp_path_factory.mktemp("any")
    (run / "config.json").write_text(json.dumps({"format": 1, "config": values, "about": {}}))

    with pytest.raises(D2VError):
        read_run(run)

"""Labels of a data folder, and both rounds of HuBERT from one command."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from d2v_core.checkpoint import newest_checkpoint, read_run
from d2v_core.clusters import mfcc
from d2v_core.data.audio import decode_audio
from d2v_core.data.batches import item_tensor
from d2v_core.data.folder import read_folder
from d2v_core.data.steps import TrainSteps
from d2v_core.encoders.run import of_learner
from d2v_core.errors import CheckpointError, InputError
from d2v_core.labelling import Source, layer_source, make_labels, mfcc_source
from d2v_core.labels import labels_file, read_labels
from d2v_core.learner import Learner
from d2v_core.metrics import read_metrics
from d2v_core.presets import preset
from d2v_core.rounds import first_round, layer_of, train_rounds
from d2v_core.train import train
from tests.conftest import TONES_HZ, smallest, write_toys


@pytest.fixture
def folder(toys):
    return read_folder(toys)


def hubert(*, steps=4, **clusters):
    run = smallest("tiny-hubert")
    small = {"count": 6, "first_count": 5, "starts": 1, **clusters}
    audio = dataclasses.replace(
        run.audio, clusters=dataclasses.replace(run.audio.clusters, **small)
    )
    return dataclasses.replace(run, audio=audio, optim=dataclasses.replace(run.optim, steps=steps))


def train_items(folder):
    return [item for item in folder.of("audio") if item.split == "train"]


def losses(run):
    return {line["step"]: line["loss"] for line in read_metrics(run)}


def test_every_training_recording_is_labelled_and_no_other(folder, tmp_path):
    """The toys are steady tones of three heights: three clusters, one a kind."""
    config = hubert(count=3)
    made = make_labels(folder, config, tmp_path, source=mfcc_source(config))
    items = train_items(folder)

    assert set(made.sequences) == {item.id for item in items}
    kinds = {}
    for item in items:
        ids = made.sequences[item.id]
        assert len(ids) == len(mfcc(decode_audio(item.file)))
        cluster = int(ids.mode().values)
        assert (ids == cluster).float().mean() > 0.9
        assert kinds.setdefault(item.label, cluster) == cluster
    assert len(set(kinds.values())) == len(TONES_HZ)


def test_labels_are_the_same_again_and_differ_with_the_seed(folder, tmp_path):
    def centroids(name, seed):
        config = dataclasses.replace(hubert(), seed=seed)
        make_labels(folder, config, tmp_path / name, source=mfcc_source(config))
        return (tmp_path / name / "clusters.safetensors").read_bytes()

    assert centroids("one", 0) == centroids("two", 0)
    assert centroids("three", 1) != centroids("one", 0)


def test_k_means_is_fitted_on_a_share_and_all_are_labelled(folder, tmp_path):
    """A quarter of 18 recordings are loaded before the 18."""
    loaded, told = [], []

    def load(item):
        loaded.append(item.id)
        return torch.randn(30, 2)

    config = hubert(share=0.25)
    source = Source(load, lambda frames: frames, 25.0)
    made = make_labels(
        folder, config, tmp_path, source=source, report=lambda *done: told.append(done)
    )
    count = len(train_items(folder))

    assert count == 18
    assert len(set(loaded[:4])) == 4
    assert sorted(loaded[4:]) == sorted(item.id for item in train_items(folder))
    assert told == [(n, 22) for n in range(1, 23)]
    assert read_labels(tmp_path).rate_hz == made.rate_hz == 25.0
    assert read_labels(tmp_path).clusters == 6


def test_k_means_stops_reading_when_it_has_enough(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("d2v_core.labelling.MOST_FRAMES", 100)
    loaded = []

    def load(item):
        loaded.append(item.id)
        return torch.randn(30, 2)

    make_labels(folder, hubert(), tmp_path, source=Source(load, lambda frames: frames, 25.0))

    assert len(loaded) == 4 + 18


def test_too_few_frames_are_refused(folder, tmp_path):
    source = Source(lambda _item: torch.randn(1, 2), lambda frames: frames, 25.0)
    with pytest.raises(InputError, match="18 frames cannot make 20 clusters: so many have 18 of"):
        make_labels(folder, hubert(count=20), tmp_path, source=source)

    assert not labels_file(tmp_path).exists()


def with_broken(folder, path, count):
    """Return the folder with its first training recordings broken, and their ids."""
    path.write_bytes(b"no sound")
    broken = [item.id for item in train_items(folder)[:count]]
    items = tuple(
        dataclasses.replace(item, source=path)
        if item.modality == "audio" and item.id in broken
        else item
        for item in folder.items
    )
    return dataclasses.replace(folder, items=items), broken


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_decoded_gets_no_labels(workers, folder, tmp_path):
    damaged, broken = with_broken(folder, tmp_path / "broken.wav", 3)
    source = mfcc_source(hubert())
    made = make_labels(damaged, hubert(), tmp_path, source=source, workers=workers)

    assert set(made.sequences) == {item.id for item in train_items(folder)} - set(broken)


def test_training_skips_what_has_no_labels(folder, tmp_path):
    damaged, _ = with_broken(folder, tmp_path / "broken.wav", 3)
    config = hubert(steps=10)
    made = make_labels(damaged, config, tmp_path, source=mfcc_source(config))
    steps = TrainSteps(damaged, config, labels=made)
    found = [steps[number] for number in range(10)]

    assert all(len(step.parts[0]["audio"].labels) == 4 for step in found)
    assert any(step.skipped for step in found)


def test_a_folder_of_broken_recordings_is_refused(folder, tmp_path):
    damaged, broken = with_broken(folder, tmp_path / "broken.wav", 18)
    with pytest.raises(InputError, match="none of 18 recordings can be decoded") as error:
        make_labels(damaged, hubert(), tmp_path, source=mfcc_source(hubert()))

    assert str(error.value).partition("audio of item ")[2][:2] in broken
    assert "not a recording in a format that can be read" in str(error.value)


def test_a_folder_without_recordings_is_refused(folder, tmp_path):
    silent = dataclasses.replace(folder, items=folder.of("text"))
    with pytest.raises(InputError, match="no audio items in the train split of"):
        make_labels(silent, hubert(), tmp_path, source=mfcc_source(hubert()))


@torch.no_grad()
def test_a_layer_gives_one_frame_a_time_step(folder, tmp_path):
    """Patches of 160 ms by 16 of 64 bins: the mean of the four tokens of a time, 6.25 a second."""
    config = smallest("separate", image=None, text=None)
    train(folder, dataclasses.replace(config, optim=preset("random").optim), tmp_path / "run")
    source = layer_source(tmp_path / "run", 1)
    item = train_items(folder)[0]
    found = source.frames(source.load(item))

    encoder = of_learner("", Learner(config))
    encoder.model.load_state_dict(
        load_file(newest_checkpoint(tmp_path / "run") / "learner.safetensors")
    )
    student, inputs = (
        encoder.student,
        encoder.collators["audio"]([item_tensor(item, config)]),
    )
    states = student.encode("audio", student.embed("audio", inputs), inputs)
    tokens = states.residual[1][0, 1:].reshape(-1, 4, 32)
    assert found.shape == (inputs.grid[0], 32)
    torch.testing.assert_close(found, tokens.mean(dim=1))
    assert source.rate_hz == pytest.approx(6.25)


def test_the_first_round_is_of_sounds_alone_and_its_middle_layer_is_clustered():
    config = preset("shared-pairs-50")
    config = dataclasses.replace(config, audio=preset("tiny-hubert").audio)
    first = first_round(config)

    assert first.modalities == ("audio",)
    assert first.pairs.fraction == 0
    assert (first.audio.clusters.source, first.audio.clusters.count) == ("mfcc", 50)
    assert first.optim == config.optim
    assert layer_of(config) == 2
    base = preset("base-audio-hubert")
    assert first_round(base).optim.steps == 250_000
    assert layer_of(base) == 6


def test_without_clusters_there_is_one_round(folder, tmp_path):
    config = smallest("separate", image=None, text=None)
    train_rounds(folder, config, tmp_path / "run")

    assert not (tmp_path / "run" / "rounds.json").exists()
    assert not labels_file(tmp_path / "run").exists()


@pytest.mark.slow
def test_two_rounds_leave_two_runs(folder, tmp_path):
    stages = []
    run = tmp_path / "run"
    train_rounds(folder, hubert(), run, report=lambda now: stages.append(now.stage))

    assert list(dict.fromkeys(stages)) == ["clusters", "round 1 of 2", "round 2 of 2"]
    assert read_run(run)[0] == hubert()
    assert read_run(run / "round_1")[0] == first_round(hubert())
    assert (read_labels(run / "round_1").rate_hz, read_labels(run / "round_1").clusters) == (100, 5)
    assert (read_labels(run).rate_hz, read_labels(run).clusters) == (25, 6)
    assert list(losses(run)) == list(losses(run / "round_1")) == [1, 2, 3, 4]
    assert load_file(run / "clusters.safetensors")["centroids"].shape == (6, 32)
    with pytest.raises(CheckpointError, match="is a run already; resume it"):
        train_rounds(folder, hubert(), run)


@pytest.mark.slow
@pytest.mark.parametrize("last", ["clusters", "round 1 of 2", "clusters again", "round 2 of 2"])
def test_a_run_goes_on_where_it_was_stopped(last, folder, tmp_path):
    """Wherever it stops, what it learns in the end is what it learns without a stop."""
    train_rounds(folder, hubert(), tmp_path / "whole")
    stages = []

    class KilledError(Exception):
        pass

    def die(now):
        if not stages or stages[-1] != now.stage:
            stages.append(now.stage)
        name = f"{now.stage} again" if stages.count(now.stage) == 2 else now.stage
        if name == last and now.step == 3:
            raise KilledError

    broken = tmp_path / "broken"
    with pytest.raises(KilledError):
        train_rounds(folder, hubert(), broken, report=die)
    train_rounds(folder, hubert(steps=99), broken, resume=True)  # its own settings count

    assert read_run(broken)[0] == hubert()
    for place in ("", "round_1"):
        assert losses(broken / place) == losses(tmp_path / "whole" / place)


def test_one_round_on_mfcc_needs_no_other(folder, tmp_path):
    run = tmp_path / "run"
    train_rounds(folder, hubert(source="mfcc"), run)

    assert read_labels(run).rate_hz == 100
    assert list(losses(run)) == [1, 2, 3, 4]
    assert not (run / "round_1").exists()


def test_raw_sound_goes_through_both_rounds(folder, tmp_path):
    config = hubert()
    wave = dataclasses.replace(
        preset("base-audio-hubert").audio,
        channels=16,
        position_kernel=8,
        position_groups=4,
        target=config.audio.target,
        clusters=config.audio.clusters,
        train_samples=3200,
    )
    train_rounds(folder, dataclasses.replace(config, audio=wave), tmp_path / "run")

    assert read_labels(tmp_path / "run").rate_hz == pytest.approx(50)
    line = read_metrics(tmp_path / "run")[-1]
    assert {"audio/clusters", "audio/features", "audio/accuracy", "audio/majority"} <= set(line)


def test_nothing_to_resume(folder, tmp_path):
    with pytest.raises(CheckpointError, match="is not a run folder: it has no config.json"):
        train_rounds(folder, hubert(), tmp_path / "run", resume=True)


def test_settings_that_cannot_be_read_are_refused(folder, tmp_path):
    (tmp_path / "rounds.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"rounds\.json is not JSON"):
        train_rounds(folder, hubert(), tmp_path, resume=True)
    (tmp_path / "rounds.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(CheckpointError, match=r"rounds\.json is not of format 1"):
        train_rounds(folder, hubert(), tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="is a run already; resume it"):
        train_rounds(folder, hubert(), tmp_path)


def test_training_without_its_labels_says_so(folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"labels\.safetensors is missing"):
        train(folder, hubert(), tmp_path / "run")


COMMAND = [sys.executable, "-m", "app.cli", "train"]
SETTINGS = (
    "trunk.dim=32 trunk.depth=2 trunk.heads=2 audio.target.layers=1 optim.batch=4 "
    "audio.clusters.count=6 audio.clusters.first_count=5 audio.clusters.starts=1"
).split()


@pytest.mark.slow
def test_a_process_that_is_killed_in_round_1_goes_on_to_round_2(tmp_path):
    """A real process, a real kill -9, then the same command with --resume."""
    data = write_toys(tmp_path / "toys")
    command = [*COMMAND, str(data), "--preset", "tiny-hubert", "--out", str(tmp_path / "run")]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    metrics = tmp_path / "run" / "round_1" / "metrics.jsonl"
    process = subprocess.Popen([*command, "--steps", "120"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while not (metrics.exists() and len(metrics.read_text().splitlines()) > 10):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

    assert not (tmp_path / "run" / "config.json").exists()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "round 1 of 2" in done.stderr
    assert "round 2 of 2" in done.stderr
    assert list(losses(tmp_path / "run" / "round_1")) == list(range(1, 121))
    assert list(losses(tmp_path / "run")) == list(range(1, 121))


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    """One labels, the other waits; then both train, each on half of every step."""
    data = write_toys(tmp_path / "toys")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    several = [sys.executable, *torchrun, *COMMAND[1:]]
    for name, start in (("one", COMMAND), ("two", several)):
        command = [*start, str(data), "--preset", "tiny-hubert", "--out", str(tmp_path / name)]
        command += [part for setting in SETTINGS for part in ("--set", setting)]
        done = subprocess.run(
            [*command, "--steps", "4"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    for place in ("round_1", ""):
        assert losses(tmp_path / "two" / place) == pytest.approx(
            losses(tmp_path / "one" / place), rel=1e-4
        )

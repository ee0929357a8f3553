"""The small experiments of the lessons: what is shown is what the models really get."""

import dataclasses

import numpy as np
import pytest
import torch

from d2v_core.checkpoint import checkpoint_files, save_checkpoint, start_run
from d2v_core.data.batches import item_tensor
from d2v_core.data.folder import read_folder
from d2v_core.errors import CheckpointError, ConfigError
from d2v_core.learner import Learner
from d2v_core.presets import preset
from d2v_core.teacher import Teacher
from d2v_core.teaching.layer_parts import layer_parts
from d2v_core.teaching.masked import masked_views, way_to_visible
from d2v_core.teaching.parts import SHARED, count_parts, part_and_owner
from d2v_core.teaching.pictures import Grid, grid_of, on_picture, one_item, picture_of_inputs
from d2v_core.teaching.recipe import settings_of
from d2v_core.teaching.two_targets import correlation, three_colours, two_targets
from d2v_core.training import make_optimizer
from tests.conftest import smallest


def write_run(folder, config):
    """Write a run as it is before its first step."""
    learner = Learner(config)
    start_run(folder, config, {})
    teacher = Teacher(learner.student)
    files = checkpoint_files(learner, teacher.model, make_optimizer(learner, config.optim))
    save_checkpoint(folder, 0, files)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    torch.manual_seed(0)
    return write_run(tmp_path_factory.mktemp("runs") / "toy", smallest())


@pytest.fixture(scope="module")
def folder(toys):
    return read_folder(toys)


def first(folder, modality):
    return folder.of(modality)[0]


def test_tokens_of_a_sound_lie_as_its_spectrogram_does():
    """Token 0 is the lowest band of the first moment: at the bottom left of the picture."""
    grid = Grid(rows=2, columns=3, height=1, width=1)  # two bands, three moments
    tokens = torch.arange(6.0)[:, None]

    np.testing.assert_array_equal(on_picture(tokens, "audio", grid)[..., 0], [[1, 3, 5], [0, 2, 4]])
    np.testing.assert_array_equal(on_picture(tokens, "image", grid)[..., 0], [[0, 1, 2], [3, 4, 5]])


def test_the_picture_of_a_picture_is_the_picture(folder):
    config = smallest()
    item = first(folder, "image")
    inputs = one_item(config, item)

    shown = picture_of_inputs(inputs, "image", grid_of(config, "image", inputs))
    levels = (item_tensor(item, config).permute(1, 2, 0).numpy() + 1) * 127.5
    np.testing.assert_allclose(shown, levels, atol=0.51)


def test_the_loudest_band_of_a_low_tone_is_at_the_bottom(folder):
    config = smallest()
    low = next(item for item in folder.of("audio") if item.label == "owl")  # 400 Hz
    inputs = one_item(config, low)
    grid = grid_of(config, "audio", inputs)
    shown = picture_of_inputs(inputs, "audio", grid).astype(int).sum(axis=2)

    assert shown.shape == (grid.rows * grid.height, grid.columns * grid.width)
    assert shown[:, :20].mean(axis=1).argmax() > 0.7 * len(shown)
    assert shown[:, -1].max() == shown.min()  # the last patch is filled up, and drawn as silence


def test_the_student_sees_exactly_the_share_that_was_asked_for(run, folder):
    views = masked_views(run, first(folder, "image"), ratio=0.75, length=3, views=4, draw=0)

    assert views.masks.shape == (4, 8, 8)
    assert (~views.masks).sum(axis=(1, 2)).tolist() == [16] * 4
    assert views.visible == 16
    assert views.blocks == 2  # ⌊64 · (0.25 + 0.07) / 9⌋
    assert len({mask.tobytes() for mask in views.masks}) == 4


def test_the_same_draw_gives_the_same_masks_and_another_others(run, folder):
    def draw(number):
        item = first(folder, "audio")
        return masked_views(run, item, ratio=0.5, length=2, views=2, draw=number).masks

    np.testing.assert_array_equal(draw(0), draw(0))
    assert (draw(0) != draw(1)).any()


def test_crumbs_are_nearer_than_blocks(run, folder):
    def furthest(length):
        item = first(folder, "image")
        return np.mean(
            [
                masked_views(run, item, ratio=0.75, length=length, views=8, draw=n).furthest
                for n in range(5)
            ]
        )

    assert furthest(1) < furthest(3) - 0.3


def test_the_way_to_the_visible():
    row = np.array([[[False, True, True, True]]])

    assert way_to_visible(row) == pytest.approx((1 + 2 + 3) / 3)
    assert np.isnan(way_to_visible(np.zeros((1, 2, 2), dtype=bool)))


def test_sentences_are_no_pictures(run, folder):
    with pytest.raises(ConfigError, match="text of this run is not cut into patches of a picture"):
        masked_views(run, first(folder, "text"), ratio=0.5, length=1, views=1, draw=0)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_without_a_change_both_targets_are_kept(run, folder, modality):
    found = two_targets(run, first(folder, modality), noise=0.0, gain=1.0)

    assert found.pixels_kept == pytest.approx(1)
    assert found.latent_kept == pytest.approx(1)
    np.testing.assert_array_equal(found.picture, found.changed)
    np.testing.assert_array_equal(found.latent, found.changed_latent)
    assert found.latent.shape == (found.grid.rows, found.grid.columns, 3)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_noise_moves_pixels_and_contrast_does_not(run, folder, modality):
    noisy = two_targets(run, first(folder, modality), noise=0.5, gain=1.0)
    pale = two_targets(run, first(folder, modality), noise=0.0, gain=0.5)

    assert noisy.pixels_kept < 0.95
    assert noisy.latent_kept < 0.999
    assert pale.pixels_kept == pytest.approx(1, abs=1e-4)
    assert pale.latent_kept < 0.9999


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_the_pixel_target_lies_where_its_patch_lies(run, folder, modality):
    """Every patch of what is shown is that of the input, up to scale and shift."""
    config = smallest()
    item = first(folder, modality)
    found = two_targets(run, item, noise=0.0, gain=1.0)
    values = one_item(config, item).values[0]
    side = values.permute(1, 2, 0) if modality == "image" else values.T.flip(0)[..., None]
    h, w = found.grid.height, found.grid.width
    for row, column in [(0, 0), (1, 1), (found.grid.rows - 1, 0)]:
        here = np.s_[row * h : (row + 1) * h, column * w : (column + 1) * w]
        shown = torch.from_numpy(found.pixels[here].astype(np.float32))
        assert correlation(shown.flatten(1), side[here].flatten(1)) > 0.97


def test_three_colours_are_those_of_the_first():
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
    mine, same = three_colours(x, x)
    _, shifted = three_colours(x, x + 100)

    assert mine.shape == (20, 3)
    torch.testing.assert_close(mine, same)
    assert mine.amin(dim=0).tolist() == [0, 0, 0]
    assert mine.amax(dim=0).tolist() == [255, 255, 255]
    assert set(shifted.unique().tolist()) <= {0.0, 255.0}  # beyond the limits: cut off


def test_every_weight_is_counted_once(run):
    learner = Learner(smallest())
    found = count_parts(run)

    assert sum(part.weights for part in found) == sum(x.numel() for x in learner.parameters())
    trunk = [part for part in found if part.part == "trunk"]
    assert [part.owner for part in trunk] == [SHARED]


def test_trained_apart_the_senses_share_nothing(tmp_path):
    parts = count_parts(write_run(tmp_path / "apart", smallest("separate")))

    assert {part.owner for part in parts} == {"image", "audio", "text"}


def test_what_stands_between_two_senses_is_nobodys_alone():
    assert part_and_owner("contrastive.log_scales.image-audio")[1] == SHARED
    assert part_and_owner("contrastive.heads.audio.weight")[1] == "audio"
    assert part_and_owner("student.trunks.text.blocks.0.attn.qkv.weight") == ("trunk", "text")


def test_a_broken_file_of_weights_is_said(tmp_path):
    folder = write_run(tmp_path / "broken", smallest())
    file = folder / "checkpoints" / "step_00000000" / "learner.safetensors"
    file.write_bytes(b"nonsense")

    with pytest.raises(CheckpointError, match=r"learner\.safetensors cannot be read"):
        count_parts(folder)


def test_normalised_layers_have_the_same_share(run, folder):
    parts = layer_parts(run, folder.of("image")[:4])

    assert [part.block for part in parts] == [1, 2]
    assert sum(part.raw_share for part in parts) == pytest.approx(1)
    for part in parts:
        assert part.normalised_share == pytest.approx(0.5, abs=0.01)
        assert part.likeness == pytest.approx(parts[0].likeness)  # of two, each is like the other
        assert part.spread > 0


def test_a_single_layer_has_no_others_to_be_like(tmp_path, folder):
    config = smallest()
    image = dataclasses.replace(
        config.image, target=dataclasses.replace(config.image.target, layers=1)
    )
    one = write_run(tmp_path / "one", dataclasses.replace(config, image=image))

    (part,) = layer_parts(one, folder.of("image")[:2])
    assert part.block == 2
    assert np.isnan(part.likeness)


def test_the_recipe_says_what_is_the_same_for_all():
    config = preset("tiny")
    table = {m: settings_of(config, m) for m in config.modalities}

    assert len({row["task"] for row in table.values()}) == 1
    assert len({row["tokens"] for row in table.values()}) == 3
    assert table["image"]["hidden"] == "75%; blocks of 3 x 3 stay visible"
    assert table["text"]["hidden"] == "50%, in runs of 4"
    assert table["audio"]["tokens"] == "pieces of a spectrogram, 160 ms x 16 of 64 bands"
    mae = preset("tiny-reconstruct")
    assert settings_of(mae, "image")["task"] == "predict the hidden input itself"

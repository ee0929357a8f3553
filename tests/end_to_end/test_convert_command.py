"""`d2v convert` in a process of its own, and what it wrote in the next command."""

import json

import pytest
import torch

from tests.core.foreign_files import saved, sound_settings, sounds
from tests.core.huggingface_models import WAVE, transformers, write_items
from tests.core.test_foreign import drawn
from tests.end_to_end.test_commands import d2v

pytestmark = pytest.mark.slow


def test_a_file_becomes_a_folder_that_is_embedded(tmp_path):
    model = drawn("HubertModel", transformers.HubertConfig(**WAVE))
    weights = sounds(model.state_dict(), is_layer=False) | {"final_proj.bias": torch.zeros(2)}
    source, out = saved(tmp_path / "h.pt", weights, **sound_settings("hubert")), tmp_path / "out"
    done = d2v("convert", source, "--out", out, "--json")
    found = json.loads(done.stdout)

    assert (found["model"], found["opens"]) == ("HubertModel", f"hf:{out}")
    assert found["likeness"]["difference"] <= 1e-5
    assert found["likeness"]["taps"] == {"audio": 7}
    assert found["dropped"] == ["final_proj.bias"]
    broken = tmp_path / "broken.pt"
    broken.write_bytes(source.read_bytes()[:3000])
    failed = d2v("convert", broken, "--out", tmp_path / "more", "--json", code=2)
    assert "broken.pt: it holds more than tensors and plain values, or is damaged" in failed.stderr
    assert not failed.stdout
    assert not (tmp_path / "more").exists()

    data = tmp_path / "data"
    data.mkdir()
    write_items(data)
    rows = ["audio_file_name", *(f"{n}.wav" for n in range(3))]
    (data / "metadata.csv").write_text("\n".join(rows))
    added = json.loads(
        d2v("embed", found["opens"], data, "--out", tmp_path / "store", "--json").stdout
    )
    assert added["added"] == 3

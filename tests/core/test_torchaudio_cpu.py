"""torchaudio has to work whether or not its compiled extension finds CUDA."""

import subprocess
import sys

import pytest
import torch

BREAK = """
import torch
real = torch.ops.load_library
def broken(path):
    if "torchaudio" in str(path):
        raise OSError("libc10_cuda.so: cannot open shared object file")
    return real(path)
torch.ops.load_library = broken
"""
USE = """
from d2v_core.torchaudio_cpu import torchaudio
import torchaudio as again
assert again is torchaudio
wave = torch.sin(torch.arange(16000) * 2 * torch.pi * 440 / 16000)
mel = torchaudio.transforms.MelSpectrogram(16000, n_fft=400, hop_length=160, n_mels=64)(wave)
assert mel.shape == (64, 101)
assert torchaudio.functional.resample(wave, 16000, 8000).shape == (8000,)
print("works")
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("prelude", [BREAK, "import torch\n"], ids=["without CUDA", "as installed"])
def test_mel_and_resampling_work(prelude):
    done = run(prelude + USE)

    assert done.stdout == "works\n", done.stderr


@pytest.mark.slow
def test_the_break_is_real():
    """The control: without our module, the same broken library stops the import."""
    done = run(BREAK + "import torchaudio")

    assert done.returncode != 0
    assert "libc10_cuda.so" in done.stderr


def test_what_needs_the_extension_says_so():
    from d2v_core.torchaudio_cpu import _stand_in

    aligned = _stand_in().fail_if_no_align(torch.add)
    with pytest.raises(RuntimeError, match="without its compiled extension"):
        aligned(1, 2)

"""Make `import torchaudio` work beside a torch that was built without CUDA.

The wheels of torchaudio on PyPI are linked against CUDA. Beside a CPU-only torch the import fails
with an `OSError`, and takes every library along that imports torchaudio when it finds it. The
transforms that we use (mel filters, MFCC, resampling) are written in Python and do not need the
compiled extension. Import `torchaudio` from here; sound is decoded with soundfile.
"""

import importlib
import sys
from types import ModuleType
from typing import NoReturn


def _no_extension(*_args: object, **_kwargs: object) -> NoReturn:
    raise RuntimeError("this torchaudio runs without its compiled extension")


def _stand_in() -> ModuleType:
    """Return what torchaudio itself sees when its compiled extension is not there."""
    module = ModuleType("torchaudio._extension")
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]  # torchaudio's name
    module._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    module.fail_if_no_align = lambda _function: _no_extension  # type: ignore[attr-defined]
    return module


def import_torchaudio() -> ModuleType:
    """Return torchaudio, with its compiled extension if that loads and without it if not."""
    try:
        return importlib.import_module("torchaudio")
    except OSError:  # the extension's CUDA libraries are not there
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _stand_in()
        return importlib.import_module("torchaudio")


torchaudio = import_torchaudio()

"""What a step has freed, the next step gets without asking the system."""

import os
import subprocess
import sys

import pytest

from d2v_core import allocator

STEPS = """
import resource, sys
import numpy as np
from d2v_core.allocator import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def step():
    blocks = [np.ones(250_000) for _ in range(24)]  # 2 MB each

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(memory):
    command = [sys.executable, "-c", STEPS, memory]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told")
def test_a_step_has_no_page_faults_once_memory_is_kept():
    assert faults("kept") < 100 < 10_000 < faults("returned")


def test_elsewhere_nothing_happens(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(allocator.ctypes, "CDLL", missing)

    assert not allocator.keep_freed_memory()

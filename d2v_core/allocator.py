"""Memory on CPUs: keep what a step has freed for the next step."""

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Tell the C library not to give freed memory back to the system, for this whole process.

    By default it returns every large block as soon as it is freed. A training step allocates the
    same hundreds of megabytes again and again, and the system then has to find and clear them page
    by page: 80,000 page faults a step and a tenth of its time. The process stays as large as its
    largest step.

    Returns:
        Whether the C library can do so: glibc can.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # not Linux, or another C library
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 64 << 20))
    return all([mallopt(name, value) == 1 for name, value in settings])

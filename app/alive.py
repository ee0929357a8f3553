"""Is that process still the one we started? A number alone does not say: numbers are used again."""

import os
import signal
import subprocess
from pathlib import Path

PROC = Path("/proc")
BOOT = PROC / "sys" / "kernel" / "random" / "boot_id"
STATE, START = 0, 19  # fields of /proc/PID/stat behind the name, which may hold spaces


def start_of(pid: int) -> str | None:
    """Return when a process was started, in words that no other process of that number shares.

    Args:
        pid: its number.

    Returns:
        None if there is no such process, or it has ended and only its status is left.
    """
    if not BOOT.exists():
        return _start_by_ps(pid)
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
        boot = BOOT.read_text().strip()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[STATE] in ("Z", "X") else f"{boot} {fields[START]}"


def _start_by_ps(pid: int) -> str | None:
    """Ask `ps`, where there is no /proc; to the second."""
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    except OSError:
        return None
    return None if not said or said[0].startswith("Z") else " ".join(said[1:])


def is_alive(pid: int | None, start: str | None) -> bool:
    """Tell whether the process that had this number and this start still runs."""
    return pid is not None and start is not None and start_of(pid) == start


def send(pid: int, start: str, number: signal.Signals) -> bool:
    """Send a signal to a process, unless its number belongs to another one by now.

    Args:
        pid: its number.
        start: what `start_of` said when it was started.
        number: of the signal.

    Returns:
        Whether it was sent.
    """
    try:
        # The handle stays with the process that it was opened for, whatever becomes of the number.
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except OSError:
        return False
    try:
        if start_of(pid) != start:
            return False
        if handle is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True

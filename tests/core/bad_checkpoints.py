"""Files that pose as checkpoints: pickles with a payload, headers that lie, settings of elsewhere.

Each writes what it is into a folder; each has a part of what a person is to read.
"""

import argparse
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch

PICKLE = "it holds more than tensors and plain values, or is damaged, and is not read"
PAYLOAD = "executed"
"""A file of this name beside the checkpoint shows that something was executed."""


class Bad(NamedTuple):
    """What writes a file of a given name, and a part of its reason."""

    write: Callable[[Path], object]
    reason: str


class Payload:
    """What a pickle can be made to do when it is opened: anything; here, to make a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


class Evaluated(Payload):
    """The same by way of `eval`."""

    def __reduce__(self):
        return (eval, (f"__import__('pathlib').Path({str(self.mark)!r}).touch()",))


def bare_pickle(payload, protocol):
    def write(path):
        path.write_bytes(pickle.dumps({"model": payload(path.parent / PAYLOAD)}, protocol))

    return write


def torch_file(payload, *, zipped=True):
    """Return what writes a file by `torch.save`, with a payload beside honest tensors."""

    def write(path):
        content = {"model": {"w": torch.zeros(2)}, "more": payload(path.parent / PAYLOAD)}
        torch.save(content, path, _use_new_zipfile_serialization=zipped)

    return write


def legacy_tar(path):
    """The oldest format of torch: a tar archive of pickles."""
    data = pickle.dumps(Payload(path.parent / PAYLOAD))
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def cut(part):
    def write(path):
        torch.save({"model": {"w": torch.randn(1_000)}}, path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])

    return write


def swollen(path):
    """A file of torch whose storage is packed: 400 MB of zeros in 400 kB."""
    whole = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(2)}}, whole)
    with (
        zipfile.ZipFile(whole) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            with target.open(name, "w") as file:
                if name.endswith("data/0"):
                    for _ in range(400):
                        file.write(bytes(1_000_000))
                else:
                    file.write(source.read(name))


def lying_storage(path):
    """A tensor that says it has 2⁴⁰ numbers."""
    whole = io.BytesIO()
    torch.save({"model": {"w": torch.zeros(3_333)}}, whole)
    few, many = pickle.dumps(3_333, 2)[2:-1], pickle.dumps(2**40, 2)[2:-1]
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(few, many))


PICKLES = {
    "bare.pt": Bad(bare_pickle(Payload, 4), PICKLE),
    "old.ckpt": Bad(bare_pickle(Payload, 0), PICKLE),
    "evaluated.bin": Bad(bare_pickle(Evaluated, 2), PICKLE),
    "zipped.pt": Bad(torch_file(Payload), PICKLE),
    "evaluated.pt": Bad(torch_file(Evaluated), PICKLE),
    "unzipped.pt": Bad(torch_file(Payload, zipped=False), PICKLE),
    "tar.pt": Bad(legacy_tar, PICKLE),
    "namespace.pt": Bad(
        lambda path: torch.save({"model": argparse.Namespace(a=1)}, path), "it has no `model`"
    ),
    "list.pt": Bad(lambda path: torch.save([torch.zeros(2)], path), "it has no `model`"),
    "names.pt": Bad(lambda path: torch.save({"model": {3: "x", "y": None}}, path), ""),
    "nested.pt": Bad(lambda path: torch.save({"model": {"a": {"b": []}}}, path), ""),
    "empty.pt": Bad(lambda path: path.touch(), PICKLE),
    "text.pt": Bad(lambda path: path.write_text("no checkpoint"), PICKLE),
    "half.pt": Bad(cut(0.5), PICKLE),
    "nearly.pt": Bad(cut(0.98), PICKLE),
    "swollen.pt": Bad(swollen, "packed"),
    "lying.pt": Bad(lying_storage, PICKLE),
    "folder.pt": Bad(lambda path: path.mkdir(), "there is no such file"),
    "missing.pt": Bad(lambda path: None, "there is no such file"),
}


# --- safetensors


def safetensors(header, data=b"", *, length=None):
    """Return a file of safetensors with any header; `length` is what it says of that."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(start, end, shape=(4,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


DATA = bytes(16)
TENSORS = {
    "empty": b"",
    "short": b"\x10\0\0",
    "long header": safetensors({}, length=2**63),
    "header beyond": safetensors({"a": tensor(0, 16)}, DATA, length=10_000),
    "no JSON": safetensors(b"{oops", DATA),
    "deep JSON": safetensors(b'{"a":' * 50_000, DATA),
    "no UTF-8": safetensors(b'{"\xff": 1}', DATA),
    "beyond": safetensors({"a": tensor(0, 10**12, (10**12 // 4,))}, DATA),
    "overlapping": safetensors({"a": tensor(0, 16), "b": tensor(8, 24)}, DATA + bytes(8)),
    "backwards": safetensors({"a": tensor(16, 0)}, DATA),
    "hole": safetensors({"a": tensor(0, 8, (2,)), "b": tensor(12, 16, (1,))}, DATA),
    "too many": safetensors({"a": tensor(0, 16, (2**62, 4))}, DATA),
    "other type": safetensors({"a": tensor(0, 16, dtype="PICKLE")}, DATA),
    "pickle": pickle.dumps({"a": 1}),
    "left over": safetensors({"a": tensor(0, 16)}, DATA * 2),
}


# --- settings


def changed(**parts):
    """Return what replaces parts of a config.json, by dotted names; None removes one."""

    def change(values):
        for name, value in parts.items():
            *path, last = name.split("__")
            node = values
            for part in path:
                node = node[part]
            if value is None:
                del node[last]
            else:
                node[last] = value
        return json.dumps(values).encode()

    return change


CONFIGS = {
    "no JSON": (lambda _: b"{oops", "is not JSON"),
    "cut": (lambda values: json.dumps(values).encode()[:300], "is not JSON"),
    "empty": (lambda _: b"", "is not JSON"),
    "Latin-1": (lambda _: b'{"format": "\xe9"}', "is not JSON"),
    "deep": (lambda _: b"[" * 100_000, "is not JSON"),
    "list": (lambda _: b"[1, 2]", "is not of format 1"),
    "other version": (changed(format=2), "is not of format 1"),
    "no config": (changed(config=None), "holds no config"),
    "no about": (changed(about=None), "holds no about"),
    "config is text": (changed(config="x"), "holds no config"),
    "unknown setting": (changed(config__wings=2), "there is no setting wings"),
    "unknown trunk": (changed(config__trunk__wings=2), "there is no setting trunk.wings"),
    "trunk is text": (changed(config__trunk="wide"), "setting trunk"),
    "wrong type": (changed(config__trunk__dim="wide"), "setting trunk.dim"),
    "negative": (changed(config__trunk__dim=-32), "dim"),
    "no heads": (changed(config__trunk__heads=0), "heads"),
    "huge width": (changed(config__trunk__dim=2**24), "does not fit"),
    "huge depth": (changed(config__trunk__depth=10**9), "does not fit"),
    "other width": (changed(config__trunk__dim=64), "does not fit"),
}

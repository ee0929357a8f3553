"""How often a JPEG file goes over its picture: a small file can ask for hours of work."""

import io
import re

_MARKER = re.compile(rb"\xff+[^\xff\x00\xd0-\xd7]")
"""What ends the data of a scan: no stuffed byte (FF 00) and no restart (FF D0 to FF D7)."""

_SCAN, _END = 0xDA, 0xD9


def count_scans(file: io.BytesIO | io.BufferedReader, *, most: int) -> int:
    """Return the scans of the first picture in a JPEG file, counted no further than `most` + 1.

    Parts are passed over by the length they say; what follows the end of the picture (a film, a
    second picture) does not count. The place in the file stays as it was.

    Args:
        file: open, seekable.
        most: when to stop.

    Source: ITU-T T.81, annex B.
    """
    start = file.tell()
    data = file.read()
    file.seek(start)
    count, place = 0, 0
    while count <= most and (found := _MARKER.search(data, place)):
        kind, place = found.group()[-1], found.end()
        if kind == _END:
            break
        if kind == 0xD8 or kind == 0x01:  # the start and a private mark stand alone
            continue
        count += kind == _SCAN
        place += int.from_bytes(data[place : place + 2], "big")
    return count

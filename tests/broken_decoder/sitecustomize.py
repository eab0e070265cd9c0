"""A parser with holes: a process that has this folder first on its path ends, hangs or grows at pictures that say so.

Every Python process imports a module of this name when it starts; here for tests of what such a parser can do.
"""

import os
import time

from PIL import Image

_open, _kept = Image.open, []


def opened(source, *rest, **more):
    data = source.getvalue() if hasattr(source, "getvalue") else open(source, "rb").read()  # noqa: SIM115
    if b"UMR-ABORT" in data:
        os.abort()
    if b"UMR-HANG" in data:
        time.sleep(600)
    if b"UMR-SPIN" in data:
        while True:
            pass
    if b"UMR-GROW" in data:
        while True:
            _kept.append(bytearray(2**24))
    return _open(source, *rest, **more)


Image.open = opened

"""Memory that two processes share, through which pixels come without a pipe. Linux alone; not what is written there."""

from __future__ import annotations

import mmap
import os
import sys

if sys.platform != "win32":
    import fcntl


class Arena:
    """Some memory, of which only what was ever written takes room."""

    def __init__(self, file: int, size: int) -> None:
        """Map a file of `made`, as the process that it was passed to does.

        Args:
            file: its descriptor.
            size: its bytes.
        """
        self.file, self.size = file, size
        self.memory = mmap.mmap(file, size)

    @classmethod
    def made(cls, size: int) -> Arena | None:
        """A new one; None where the system has no such memory. Neither side can make it smaller under the other."""
        if sys.platform != "linux":
            return None
        file = os.memfd_create("umr-pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(file, size)
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(file, size)
        except BaseException:
            os.close(file)
            raise

    def passed(self) -> None:
        """Close the file, once it was passed on: what is mapped stays, and goes when nobody on either side holds it."""
        os.close(self.file)

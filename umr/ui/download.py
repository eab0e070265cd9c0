"""A file that the page hands to a browser, as the object that page.js saves (umr.save)."""

from __future__ import annotations

import base64


def download(name: str, media_type: str, content: bytes) -> dict[str, str]:
    """The object of one file.

    Args:
        name: what the browser calls it.
        media_type: of its content.
        content: of the file.
    """
    return {"name": name, "type": media_type, "content": base64.b64encode(content).decode("ascii")}

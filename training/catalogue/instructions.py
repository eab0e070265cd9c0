"""The task sentences of the catalogue: per (query modality, target) four phrasings.

The first is fixed for evaluation and serving. They are short because every word costs tokens; nothing else says what a
task asks for.
"""

from __future__ import annotations

INSTRUCTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("text", "image"): (
        "Find the picture described here.",
        "Which picture shows this?",
        "Get the image matching this text.",
        "Retrieve a picture of this.",
    ),
    ("text", "text"): (
        "Find the passage about this.",
        "Which text says the same?",
        "Get the passage matching this text.",
        "Retrieve a passage saying this.",
    ),
    ("text", "image,text"): (
        "Find the entry described here.",
        "Which catalogue entry is this?",
        "Get the entry matching this text.",
        "Retrieve the entry with this.",
    ),
    ("text", "video"): (
        "Find the clip described here.",
        "Which clip shows this happening?",
        "Get the clip matching this text.",
        "Retrieve a clip of this.",
    ),
    ("text", "all"): (
        "Find anything described here.",
        "What of any kind fits?",
        "Get any item matching this text.",
        "Retrieve whatever this text describes.",
    ),
    ("image", "text"): (
        "Find the passage about this picture.",
        "Which text describes this picture?",
        "Get the passage matching this image.",
        "Retrieve a description of this picture.",
    ),
    ("image", "image"): (
        "Find the same scene again.",
        "Which picture shows the same?",
        "Get another image of this.",
        "Retrieve another view of this.",
    ),
    ("image", "image,text"): (
        "Find the entry of this picture.",
        "Which entry shows this picture?",
        "Get the entry matching this image.",
        "Retrieve the entry showing this.",
    ),
    ("image", "video"): (
        "Find a clip of this picture.",
        "Which clip starts from this?",
        "Get the clip matching this image.",
        "Retrieve a clip showing this.",
    ),
    ("image", "all"): (
        "Find anything about this picture.",
        "What of any kind shows this?",
        "Get any item matching this image.",
        "Retrieve whatever matches this picture.",
    ),
    ("image,text", "text"): (
        "Find the passage with this change.",
        "Which text tells the changed version?",
        "Get the passage after this edit.",
        "Retrieve a passage answering this.",
    ),
    ("image,text", "image"): (
        "Find the picture with this change.",
        "Which picture shows this edit?",
        "Get the image after this edit.",
        "Retrieve the picture changed like this.",
    ),
    ("image,text", "image,text"): (
        "Find the entry with this change.",
        "Which entry shows this edit?",
        "Get the entry after this edit.",
        "Retrieve the entry changed like this.",
    ),
    ("image,text", "video"): (
        "Find the clip with this change.",
        "Which clip has this happening?",
        "Get the clip after this edit.",
        "Retrieve the clip asked for here.",
    ),
    ("image,text", "all"): (
        "Find anything with this change.",
        "What of any kind fits both?",
        "Get any item after this edit.",
        "Retrieve whatever shows this change.",
    ),
}


def serving() -> dict[str, str]:
    """The fixed instruction of each pair, keyed as an EncoderConfig keeps them ("image,text->image")."""
    return {f"{query}->{target}": phrasings[0] for (query, target), phrasings in INSTRUCTIONS.items()}

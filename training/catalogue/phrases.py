"""The words of captions, passages and entries: one table for training, one that training never uses.

Not the grammar (text.py). Slots: {N} the object phrase, {S} " on wood", {P} "on wood", {C} ", with a vase to its left",
{A} ", it spins".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phrasing = Literal["train", "unseen"]

#: Agreement with one object and with several.
ONE = {
    "it": "it",
    "them": "it",
    "its": "its",
    "is_": "is",
    "has": "has",
    "comes": "comes",
    "stands": "stands",
    "self": "itself",
    "own": "its own",
    "one": "one",
    "this": "this",
    "this_one": "this one",
    "that": "that",
}
MANY = {
    "it": "they",
    "them": "them",
    "its": "their",
    "is_": "are",
    "has": "have",
    "comes": "come",
    "stands": "stand",
    "self": "themselves",
    "own": "their own",
    "one": "ones",
    "this": "these",
    "this_one": "these",
    "that": "those",
}


@dataclass(frozen=True)
class Words:
    """One way of speaking: per attribute and value adjectives and phrases after the noun, and sentence templates."""

    adjectives: dict[str, dict[str, tuple[str, ...]]]
    after: dict[str, dict[str, tuple[str, ...]]]
    counts: dict[int, tuple[str, ...]]
    surfaces: dict[str, tuple[str, ...]]
    sides: dict[str, tuple[str, ...]]
    company: tuple[str, ...]
    alone: tuple[str, ...]
    actions: dict[str, tuple[str, ...]]
    action_joins: tuple[str, ...]
    captions: tuple[str, ...]
    placed_captions: tuple[str, ...]
    intros: tuple[str, ...]
    details: dict[str, tuple[str, ...]]
    placements: tuple[str, ...]
    entries: tuple[str, ...]
    fact_words: tuple[str, ...]
    fact_joins: tuple[str, ...]
    rest_joins: tuple[str, ...]


_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "grey")

TRAIN = Words(
    adjectives={
        "colour": {colour: (colour,) for colour in _COLOURS},
        "finish": {
            "matte": ("matte", "flat matte", "non-shiny"),
            "glossy": ("glossy", "shiny lacquered", "high-gloss"),
            "metal": ("metal", "metallic"),
            "glass": ("glass", "see-through glass"),
        },
        "pattern": {
            "plain": ("plain", "unpatterned", "solid"),
            "striped": ("striped",),
            "dotted": ("dotted", "spotted"),
            "checked": ("checked", "chequered"),
            "zigzag": ("zigzag", "zigzag-patterned"),
        },
        "size": {"small": ("small", "little"), "large": ("large", "big")},
    },
    after={
        "colour": {colour: (f"in {colour}",) for colour in _COLOURS},
        "finish": {
            "matte": ("with a matte finish", "with a flat matte finish"),
            "glossy": ("with a glossy finish", "with a shiny lacquered finish"),
            "metal": ("made of metal",),
            "glass": ("made of glass", "made of see-through glass"),
        },
        "pattern": {
            "plain": ("with no pattern", "without a pattern"),
            "striped": ("with stripes", "with a striped pattern"),
            "dotted": ("with dots", "with spots"),
            "checked": ("with checks", "with a checked pattern"),
            "zigzag": ("with zigzags", "with a zigzag pattern"),
        },
    },
    counts={
        1: ("{a}", "{a}", "one", "a single"),
        2: ("two", "two", "a pair of"),
        3: ("three", "three", "a group of three"),
    },
    surfaces={
        "wood": ("on wood", "on wooden boards", "on a wooden surface"),
        "marble": ("on marble", "on a marble slab"),
        "fabric": ("on fabric", "on cloth", "on a piece of fabric"),
        "grass": ("on grass", "on a lawn"),
        "sand": ("on sand", "on a bed of sand"),
        "slate": ("on slate", "on a slate slab"),
        "tiles": ("on tiles", "on a tiled floor"),
        "studio": ("in a studio", "on a studio backdrop"),
    },
    sides={
        "left": ("to {its} left", "on the left", "to the left of {them}"),
        "right": ("to {its} right", "on the right", "to the right of {them}"),
        "behind": ("behind {them}", "in the back"),
    },
    company=(", with {c} {side}", ", {c} {side}", ", together with {c} {side}", "; there is {c} {side}"),
    alone=(", alone", ", with nothing else", ", on {own}", ", by {self}", ", nothing else"),
    actions={
        "slides left": ("{it} slide[s] to the left", "{it} move[s] left"),
        "slides right": ("{it} slide[s] to the right", "{it} move[s] right"),
        "spins": ("{it} spin[s]", "{it} turn[s] around"),
        "grows": ("{it} grow[s]", "{it} get[s] bigger"),
        "shrinks": ("{it} shrink[s]", "{it} get[s] smaller"),
        "changes colour": ("{it} turn[s] {v}", "{it} change[s] colour to {v}"),
        "appears": ("{it} appear[s]", "{it} come[s] into view"),
        "disappears": ("{it} disappear[s]", "{it} vanish[es]"),
        "light dims": ("the light dims", "the light goes down"),
        "camera orbits": ("the camera orbits {them}", "the camera moves around {them}"),
    },
    action_joins=(", {x}", "; {x}", ", and {x}"),
    captions=(
        "{N}{S}{C}{A}.",
        "{N}{S}{C}{A}",
        "A photo of {N}{S}{C}{A}.",
        "A picture of {N}{S}{C}{A}.",
        "Here {is_} {N}{S}{C}{A}.",
        "This shows {N}{S}{C}{A}.",
        "There {is_} {N}{S}{C}{A}.",
        "You see {N}{S}{C}{A}.",
        "Catalogue picture: {N}{S}{C}{A}.",
        "Look at {N}{S}{C}{A}.",
    ),
    placed_captions=(
        "{P} there {is_} {N}{C}{A}.",
        "{P}: {N}{C}{A}.",
        "{P} {stands} {N}{C}{A}.",
        "{N}, shown{S}{C}{A}.",
        "{N} standing{S}{C}{A}.",
        "{N}, placed{S}{C}{A}.",
    ),
    intros=(
        "Meet {N}.",
        "Our range now includes {N}.",
        "New this season: {N}.",
        "This page presents {N}.",
        "We are pleased to offer {N}.",
        "Take a look at {N}.",
        "From our spring catalogue: {N}.",
        "Here {is_} {N} for the home.",
        "For those who like good design, we have {N}.",
        "Many customers asked for {N}, so here {it} {is_}.",
    ),
    details={
        "colour": ("{it} {comes} in {v}", "{its} colour is {v}"),
        "finish:matte": ("the finish is matte", "{it} {has} a flat matte finish"),
        "finish:glossy": ("the finish is glossy", "{it} {has} a shiny lacquered finish"),
        "finish:metal": ("{it} {is_} made of metal", "the material is metal"),
        "finish:glass": ("{it} {is_} made of see-through glass", "the material is glass"),
        "pattern:plain": ("{it} {has} no pattern", "the design is plain"),
        "pattern:striped": ("{it} {has} stripes", "the design is striped"),
        "pattern:dotted": ("{it} {has} dots", "the design is dotted"),
        "pattern:checked": ("{it} {has} checks", "the design is checked"),
        "pattern:zigzag": ("{it} {has} zigzags", "the design is zigzag"),
        "size:small": ("the size is small", "{it} {is_} rather small"),
        "size:large": ("the size is large", "{it} {is_} rather large"),
    },
    placements=(
        "In the photo {it} {stands} {P}{C}{A}.",
        "We photographed {them} {P}{C}{A}.",
        "{it} {is_} shown {P}{C}{A}.",
        "The picture shows {them} {P}{C}{A}.",
        "You see {them} here {P}{C}{A}.",
    ),
    entries=(
        "Made in {origin}, {extra}, {price} euros.",
        "From {origin}. Price: {price} euros. {Extra}.",
        "{Extra}, comes from {origin} and costs {price} euros.",
        "{price} euros, {extra}, produced in {origin}.",
        "This article from {origin} is {extra}. It costs {price} euros.",
        "It costs {price} euros and is {extra}. Origin: {origin}.",
        "Origin {origin}, {price} euros, {extra}.",
    ),
    fact_words=(
        "from {origin}, {price} euros, {extra}",
        "made in {origin}, {extra}, for {price} euros",
        "{extra}, {price} euros, from {origin}",
        "for {price} euros, {extra}, made in {origin}",
        "{extra} and from {origin}, {price} euros",
    ),
    fact_joins=("{text}, {facts}", "{text}; {facts}", "{text} and {facts}", "{facts}: {text}"),
    rest_joins=("{edit}: {rest}", "{edit}; {rest}", "{edit}, so {rest}", "{edit}. {rest}"),
)

UNSEEN = Words(
    adjectives={
        "colour": {colour: (f"{colour}-coloured", f"{colour}-toned") for colour in _COLOURS},
        "finish": {
            "matte": ("matte-coated", "dull matte"),
            "glossy": ("gloss-coated", "gleaming glossy"),
            "metal": ("all-metal", "metal-made"),
            "glass": ("all-glass", "transparent glass"),
        },
        "pattern": {
            "plain": ("pattern-free", "patternless"),
            "striped": ("stripy", "stripe-covered"),
            "dotted": ("dotty", "dot-covered"),
            "checked": ("checkered", "check-covered"),
            "zigzag": ("zigzagged", "zigzag-covered"),
        },
        "size": {"small": ("small-sized", "smallish"), "large": ("large-sized", "largish")},
    },
    after={
        "colour": {colour: (f"of {colour} colour", f"whose colour is {colour}") for colour in _COLOURS},
        "finish": {
            "matte": ("matte all over",),
            "glossy": ("glossy all over",),
            "metal": ("built from metal",),
            "glass": ("built from glass",),
        },
        "pattern": {
            "plain": ("bearing no pattern",),
            "striped": ("covered in stripes",),
            "dotted": ("covered in dots",),
            "checked": ("covered in checks",),
            "zigzag": ("covered in zigzags",),
        },
    },
    counts={1: ("{a}", "exactly one"), 2: ("two identical", "a couple of"), 3: ("three identical", "a trio of")},
    surfaces={
        "wood": ("atop wood", "upon wooden planks"),
        "marble": ("atop marble", "upon the marble"),
        "fabric": ("atop fabric", "upon the fabric"),
        "grass": ("atop grass", "upon the grass"),
        "sand": ("atop sand", "upon the sand"),
        "slate": ("atop slate", "upon the slate"),
        "tiles": ("atop tiles", "upon the tiles"),
        "studio": ("before a studio backdrop", "inside the studio"),
    },
    sides={
        "left": ("on the left-hand side", "left of {them}"),
        "right": ("on the right-hand side", "right of {them}"),
        "behind": ("further back, behind", "at {its} back"),
    },
    company=(" plus {c} {side}", ", joined by {c} {side}", " along with {c} {side}"),
    alone=(" without any company", ", nothing besides", ", entirely alone"),
    actions={
        "slides left": ("{it} drift[s] over to the left side",),
        "slides right": ("{it} drift[s] over to the right side",),
        "spins": ("{it} go[es] for a spin", "{it} keep[s] spinning"),
        "grows": ("{it} become[s] bigger",),
        "shrinks": ("{it} become[s] smaller",),
        "changes colour": ("{its} colour becomes {v}",),
        "appears": ("{it} suddenly appear[s]",),
        "disappears": ("{it} suddenly disappear[s]",),
        "light dims": ("someone dims the light",),
        "camera orbits": ("an orbiting camera circles {them}",),
    },
    action_joins=(" while {x}", " as {x}"),
    captions=(
        "In this shot we find {N}{S}{C}{A}.",
        "Pictured: {N}{S}{C}{A}",
        "The scene contains {N}{S}{C}{A}.",
        "One can make out {N}{S}{C}{A}.",
        "An image with {N}{S}{C}{A}",
        "We are shown {N}{S}{C}{A}.",
        "What is needed: {N}{S}{C}{A}",
        "Search for {N}{S}{C}{A}",
    ),
    placed_captions=(
        "{P} somebody has set down {N}{C}{A}.",
        "{P} we find {N}{C}{A}.",
        "{N}, seen{S}{C}{A}",
        "{P}, one sees {N}{C}{A}",
    ),
    intros=(
        "You may fall for {N}.",
        "Today we unpack {N}.",
        "Freshly arrived in the shop: {N}.",
        "Let us introduce {N}.",
        "On offer {is_} {N}.",
    ),
    details={
        "colour": ("someone coloured {them} {v}", "{v} is {its} colour"),
        "finish:matte": ("it feels matte throughout", "a matte coat covers {them}"),
        "finish:glossy": ("it looks glossy throughout", "a glossy coat covers {them}"),
        "finish:metal": ("metal was used throughout",),
        "finish:glass": ("glass was used throughout",),
        "pattern:plain": ("there is no pattern to be seen",),
        "pattern:striped": ("stripes cover {them}",),
        "pattern:dotted": ("dots cover {them}",),
        "pattern:checked": ("checks cover {them}",),
        "pattern:zigzag": ("zigzags cover {them}",),
        "size:small": ("only a small space is taken up",),
        "size:large": ("quite a large space is taken up",),
    },
    placements=(
        "Our photographer set {them} {P}{C}{A}.",
        "{P} is where you see {them}{C}{A}.",
        "The shot has {them} {P}{C}{A}.",
    ),
    entries=(
        "{Extra}; {origin} is its home, {price} euros its price.",
        "Out of {origin} at {price} euros: {extra}.",
        "Priced at {price} euros; {origin} made; {extra}.",
    ),
    fact_words=("out of {origin}, priced {price} euros, {extra}", "{extra}, {origin} made, {price} euros its price"),
    fact_joins=("{text} - {facts}", "{text}, and it must be {facts}"),
    rest_joins=("{edit}, meaning {rest}", "{edit} (in full: {rest})"),
)

WORDS: dict[str, Words] = {"train": TRAIN, "unseen": UNSEEN}

#: True of anything and useful to nobody: sentences that a passage may hold besides its scene.
DISTRACTIONS = (
    "Wipe with a damp sponge and dry by hand.",
    "Delivered within three working days.",
    "Returns are free for a month.",
    "Designed by a family firm in its third generation.",
    "The price includes delivery to your door.",
    "Every order is packed in recycled paper.",
    "Keep away from strong cleaners.",
    "A gift that is always welcome.",
    "The maker gives a guarantee of two years.",
    "Customers rate it four out of five.",
    "Stock is limited, so order soon.",
    "Dust it now and then.",
    "Produced in a workshop near the coast.",
    "Price on request.",
    "Orders over fifty euros ship for free.",
    "It has been in our programme since last autumn.",
    "Assembly is not needed.",
    "Suitable for everyday use.",
    "The price was lowered this week.",
    "Spare parts can be ordered at any time.",
    "Also popular as a wedding present.",
    "Please check the delivery times for islands.",
    "Part of the proceeds goes to a local school.",
    "Our staff answer questions by telephone on weekdays.",
)

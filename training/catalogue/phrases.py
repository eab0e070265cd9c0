"""The words of captions, passages and entries as training uses them. Not the grammar (text.py).

Two tables that training never uses stand in phrases_unseen.py: one for validation, one for the test, without a template
in common. Slots: {N} the object phrase, {S} " on wood", {P} "on wood", {C} ", with a vase to its left", {A} ", it
spins".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from training.catalogue.scene import COLOURS

Phrasing = Literal["train", "validation", "test"]

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


TRAIN = Words(
    adjectives={
        "colour": {colour: (colour,) for colour in COLOURS},
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
        "colour": {colour: (f"in {colour}",) for colour in COLOURS},
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
        "behind": ("behind {them}", "in the back", "in the background"),
        "front": ("in front of {them}", "in the foreground", "before {them}"),
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

"""The words of edits: one table for training, one that training never uses. Not what an edit means (edits.py).

A fragment follows "show it ..."; a command stands alone and can be joined to another; a remark stands alone only.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.catalogue.scene import COLOURS


@dataclass(frozen=True)
class KindWords:
    """Templates of one kind of edit; see edits.py for the slots of each kind."""

    fragments: tuple[str, ...]
    commands: tuple[str, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class EditWords:
    """One way of asking for changes: frames around a fragment, of questions, joins of two edits, words of values."""

    frames: tuple[str, ...]
    questions: tuple[str, ...]
    joins: tuple[str, ...]
    command_joins: tuple[str, ...]
    kinds: dict[str, KindWords]
    values: dict[str, dict[str, str]]
    nouns: dict[str, str]
    finishes: dict[str, str]
    surfaces: dict[str, str]
    sides: dict[str, tuple[str, ...]]
    counts: dict[int, tuple[str, str]]
    actions: dict[str, tuple[str, str, str]]
    attributes: dict[str, str]


_PLAIN_VALUES = {
    "colour": {colour: colour for colour in COLOURS},
    "size": {"small": "small", "large": "large"},
    "finish": {"matte": "matte", "glossy": "glossy", "metal": "metal", "glass": "glass"},
    "pattern": {"plain": "plain", "striped": "striped", "dotted": "dotted", "checked": "checked", "zigzag": "zigzag"},
}

TRAIN = EditWords(
    frames=(
        "{F}",
        "the same {F}",
        "{this_one} {F}",
        "show {them} {F}",
        "I want {them} {F}",
        "can I see {them} {F}?",
        "like this, but {F}",
        "I like {this_one}, but {F} please",
        "now {F}",
        "could you show {them} {F}, same everything else?",
        "I like {this_one} but could you show {them} {F}, same everything else?",
        "exactly {this_one} {F}",
    ),
    questions=(
        "which text is about {this_one} {F}?",
        "what describes {this_one} {F}?",
        "which passage is about {this_one} {F}?",
        "the text about {this_one} {F}",
        "find the description of {this_one} {F}",
        "read me the page of {this_one} {F}",
        "which one of the texts has {this_one} {F}?",
        "tell me about {this_one} {F}",
    ),
    joins=("{1} and {2}", "{1}, {2}", "{1} and also {2}"),
    command_joins=("{1} and {2}", "{1}, then {2}", "{1} and also {2}"),
    kinds={
        "colour": KindWords(
            ("in {v}",),
            ("make {them} {v}", "change the colour to {v}", "paint {them} {v}"),
            ("{v}", "{v} instead", "{av} {one}", "what about {v}?", "{v}, please", "rather {v}"),
        ),
        "pattern": KindWords(
            ("with {noun}",),
            ("make {them} {v}", "change the pattern to {v}", "give {them} {noun}"),
            ("{v}", "{v} instead", "{av} {one}", "what about {noun}?", "{noun}", "rather {v}"),
        ),
        "finish": KindWords(
            ("{finish}",),
            ("make {them} {v}", "change the finish to {v}"),
            ("{v}", "{v} instead", "{av} {one}", "what about {v}?", "{v}, please", "rather {v}"),
        ),
        "category": KindWords(
            ("as {av}",),
            ("turn {them} into {av}", "replace {them} with {av}", "swap {them} for {av}"),
            ("{v}", "{av}", "{av} instead", "{av} like this", "what about {av}?", "rather {av}"),
        ),
        "surface": KindWords(
            ("{on}",),
            ("put {them} {on}", "place {them} {on}", "change the surface to {ground}"),
            ("{on} instead", "what about {on}?", "{on}, please", "rather {on}"),
        ),
        "size": KindWords(
            ("in a {v} size",),
            ("make {them} {v}", "change the size to {v}"),
            ("{v}", "{v} instead", "{av} {one}", "the {v} version", "{v}, please", "rather {v}"),
        ),
        "count": KindWords(
            ("as {set}",),
            ("show {n} of them", "change the number to {n}"),
            ("{n}", "{n} of them", "{n} instead", "I need {n}", "{n}, please", "rather {n}"),
        ),
        "add": KindWords(
            ("with {c} {side}",),
            ("add {c} {side}", "put {c} {side}", "place {c} {side}"),
            ("plus {c} {side}", "{c} {side}", "and {c} {side}", "there should be {c} {side}"),
        ),
        "remove": KindWords(
            ("without the {cat}",),
            ("remove the {cat}", "take the {cat} away", "drop the {cat}"),
            ("no {cat}", "the {cat} should go", "get rid of the {cat}", "no {cat}, please"),
        ),
        "relation": KindWords(
            ("with the {cat} {side}",),
            ("move the {cat} so that it is {side}", "put the {cat} {side}"),
            ("the {cat} {side}", "the {cat} {side} instead", "the {cat} should be {side}", "rather the {cat} {side}"),
        ),
        "action": KindWords(
            ("{doing}",),
            ("{command}",),
            (
                "the one where {clause}",
                "the clip where {clause}",
                "a clip in which {clause}",
                "{clause}",
                "now {clause}",
                "a video: {clause}",
            ),
        ),
        "negation": KindWords(
            ("{any_but}",),
            ("change the {attribute}", "pick another {attribute}"),
            (
                "{not_v}",
                "{not_v}, please",
                "a different {attribute}",
                "another {attribute}",
                "some other {attribute}",
                "any {attribute} but this",
            ),
        ),
        "relative": KindWords(
            ("{rel_fragment}",),
            ("make {them} {rel}",),
            ("{rel}", "{a_rel} {one}", "something {rel}", "{rel}, please", "rather {rel}"),
        ),
        "relative count": KindWords(
            ("with {rel}",), ("show {rel}",), ("{rel}", "{rel} of them", "{rel}, please", "rather {rel}")
        ),
    },
    values=_PLAIN_VALUES,
    nouns={"plain": "no pattern", "striped": "stripes", "dotted": "dots", "checked": "checks", "zigzag": "zigzags"},
    finishes={
        "matte": "with a matte finish",
        "glossy": "with a glossy finish",
        "metal": "made of metal",
        "glass": "made of glass",
    },
    surfaces={
        "wood": "on wood",
        "marble": "on marble",
        "fabric": "on fabric",
        "grass": "on grass",
        "sand": "on sand",
        "slate": "on slate",
        "tiles": "on tiles",
        "studio": "in a studio",
    },
    sides={
        "left": ("to the left", "on the left", "to {its} left"),
        "right": ("to the right", "on the right", "to {its} right"),
        "behind": ("behind {them}", "in the back"),
    },
    counts={1: ("just one", "a single piece"), 2: ("two", "a pair"), 3: ("three", "a group of three")},
    #: kind -> (fragment after "show it", clause, command)
    actions={
        "slides left": ("sliding to the left", "{it} slide[s] to the left", "make {them} slide left"),
        "slides right": ("sliding to the right", "{it} slide[s] to the right", "make {them} slide right"),
        "spins": ("spinning", "{it} spin[s]", "make {them} spin"),
        "grows": ("growing", "{it} grow[s]", "let {them} grow"),
        "shrinks": ("shrinking", "{it} shrink[s]", "let {them} shrink"),
        "changes colour": ("turning {v}", "{it} turn[s] {v}", "make {them} turn {v}"),
        "appears": ("coming into view", "{it} appear[s]", "let {them} appear"),
        "disappears": ("disappearing", "{it} disappear[s]", "let {them} disappear"),
        "light dims": ("while the light dims", "the light dims", "dim the light"),
        "camera orbits": (
            "while the camera moves around {them}",
            "the camera moves around {them}",
            "move the camera around {them}",
        ),
    },
    attributes={
        "colour": "colour",
        "pattern": "pattern",
        "finish": "finish",
        "category": "kind of object",
        "surface": "surface",
    },
)

UNSEEN = EditWords(
    frames=(
        "looking for that {F}",
        "do you sell {that} {F}?",
        "keep the rest, have {them} {F}",
        "imagine {them} {F}",
        "my wish: {F}",
        "{F}, all else unchanged",
        "picture {them} {F}",
        "any chance to get {them} {F}",
        "this design {F}, if possible",
    ),
    questions=(
        "is there something written about {that} {F}?",
        "please fetch what was written on {that} {F}",
        "where can one read of {that} {F}?",
        "give the words for {that} {F}",
    ),
    joins=("{1} plus {2}", "{1} along with {2}"),
    command_joins=("first {1}, next {2}", "{1}; after that {2}"),
    kinds={
        "colour": KindWords(
            ("of {v} colour",),
            ("recolour {them} {v}", "switch over to {v}"),
            ("{v} would be better", "same article, {v} colour", "prefer {v}"),
        ),
        "pattern": KindWords(
            ("bearing {noun}",),
            ("have {noun} on {them}", "switch over to {noun}"),
            ("{v} would be better", "same article, {noun}", "prefer {v}"),
        ),
        "finish": KindWords(
            ("{finish}",), ("switch over to {v}",), ("{v} would be better", "same article, {v}", "prefer {v}")
        ),
        "category": KindWords(
            ("being {av} now",),
            ("let {them} become {av}", "switch over to {av}"),
            ("{av} would be better", "same style, {av}", "prefer {av}"),
        ),
        "surface": KindWords(
            ("{on}",), ("set {them} down {on}",), ("{on} would be better", "same article, {on}", "prefer {on}")
        ),
        "size": KindWords(
            ("at {v} scale",), ("switch over to {v}",), ("{v} would be better", "same article, {v} size", "prefer {v}")
        ),
        "count": KindWords(
            ("numbering {n}",), ("have {n} there",), ("{n} would be better", "same article, {n} pieces", "prefer {n}")
        ),
        "add": KindWords(
            ("accompanied by {c} {side}",),
            ("bring in {c} {side}",),
            ("{c} {side} would be better", "same article, {c} {side}", "missing: {c} {side}"),
        ),
        "remove": KindWords(
            ("minus the {cat}",), ("leave out the {cat}",), ("the {cat} disturbs", "same article, no {cat} there")
        ),
        "relation": KindWords(
            ("having the {cat} {side}",),
            ("let the {cat} be {side}",),
            ("the {cat} {side} would be better", "prefer the {cat} {side}"),
        ),
        "action": KindWords(
            ("{doing}",), ("{command}",), ("footage: {clause}", "moving picture, {clause}", "animate: {clause}")
        ),
        "negation": KindWords(
            ("{any_but}",), ("vary the {attribute}",), ("{not_v} any more", "the {attribute} should differ")
        ),
        "relative": KindWords(
            ("{rel_fragment}",), ("go {rel}",), ("{rel} would be better", "prefer {rel}", "same article, {rel}")
        ),
        "relative count": KindWords(
            ("counting {rel}",), ("have {rel} there",), ("{rel} would be better", "prefer {rel}")
        ),
    },
    values=_PLAIN_VALUES,
    nouns={
        "plain": "no pattern at all",
        "striped": "stripes all over",
        "dotted": "dots all over",
        "checked": "checks all over",
        "zigzag": "zigzags all over",
    },
    finishes={
        "matte": "in a matte version",
        "glossy": "in a glossy version",
        "metal": "in a metal version",
        "glass": "in a glass version",
    },
    surfaces={
        "wood": "atop wood",
        "marble": "atop marble",
        "fabric": "atop fabric",
        "grass": "atop grass",
        "sand": "atop sand",
        "slate": "atop slate",
        "tiles": "atop tiles",
        "studio": "inside a studio",
    },
    sides={
        "left": ("left of {them}", "on the left-hand side"),
        "right": ("right of {them}", "on the right-hand side"),
        "behind": ("at {its} back", "further back, behind {them}"),
    },
    counts={1: ("only one", "only one"), 2: ("two", "two"), 3: ("three", "three")},
    actions={
        "slides left": (
            "drifting over to the left side",
            "{it} drift[s] over to the left side",
            "push {them} over to the left side",
        ),
        "slides right": (
            "drifting over to the right side",
            "{it} drift[s] over to the right side",
            "push {them} over to the right side",
        ),
        "spins": ("going for a spin", "{it} keep[s] spinning", "spin {them}"),
        "grows": ("becoming bigger", "{it} become[s] bigger", "have {them} grow"),
        "shrinks": ("becoming smaller", "{it} become[s] smaller", "have {them} shrink"),
        "changes colour": ("becoming {v}", "{its} colour becomes {v}", "have {them} turn {v}"),
        "appears": ("suddenly appearing", "{it} suddenly appear[s]", "have {them} appear"),
        "disappears": ("suddenly disappearing", "{it} suddenly disappear[s]", "have {them} disappear"),
        "light dims": ("as someone dims the light", "someone dims the light", "have the light dim"),
        "camera orbits": (
            "as an orbiting camera circles {them}",
            "an orbiting camera circles {them}",
            "have the camera orbit {them}",
        ),
    },
    attributes={
        "colour": "colouring",
        "pattern": "patterning",
        "finish": "finishing",
        "category": "type of object",
        "surface": "ground",
    },
)

EDIT_WORDS: dict[str, EditWords] = {"train": TRAIN, "unseen": UNSEEN}

#: (attribute, direction) -> comparatives; the counts stand for themselves. Directions: +1 lighter, bigger, more.
RELATIVE = {
    ("colour", -1): ("darker",),
    ("colour", 1): ("lighter",),
    ("size", -1): ("smaller",),
    ("size", 1): ("bigger", "larger"),
    ("count", -1): ("one fewer", "one less"),
    ("count", 1): ("one more",),
}

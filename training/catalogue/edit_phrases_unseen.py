"""The words of edits that training never uses: one table for validation, one for the test.

Not what an edit means (edits.py). Neither shares a template with the other or with the training table
(edit_phrases.py).
"""

from __future__ import annotations

from training.catalogue.edit_phrases import PLAIN_VALUES, TRAIN, EditWords, KindWords
from training.catalogue.phrases import Phrasing

VALIDATION = EditWords(
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
        "companion colour": KindWords(
            ("having the {cat} coloured {v}",),
            ("recolour the {cat} {side} {v}",),
            ("a {cat} of {v} colour would be better", "prefer the {cat} {v}"),
        ),
        "companion finish": KindWords(
            ("having the {cat} finished {v}",),
            ("refinish the {cat} {side} {v}",),
            ("a {v} kind of {cat} would be better", "prefer the {cat} made {v}"),
        ),
        "companion category": KindWords(
            ("having {av} where the {cat} was",),
            ("let the {cat} {side} become {av}",),
            ("{av} where the {cat} was would be better", "prefer {av} to the {cat}"),
        ),
        "swap colour": KindWords(
            ("each bearing the colour of the other",),
            ("trade the colours between the two",),
            ("{main} in the colour of the {cat}, {cat} in that of the {main}", "prefer the colours traded"),
        ),
        "swap finish": KindWords(
            ("each bearing the finish of the other",),
            ("trade the finishes between the two",),
            ("{main} in the finish of the {cat}, {cat} in that of the {main}", "prefer the finishes traded"),
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
    values=PLAIN_VALUES,
    nouns={
        "plain": ("no pattern at all",),
        "striped": ("stripes all over",),
        "dotted": ("dots all over",),
        "checked": ("checks all over",),
        "zigzag": ("zigzags all over",),
    },
    finishes={
        "matte": ("in a matte version",),
        "glossy": ("in a glossy version",),
        "metal": ("in a metal version",),
        "glass": ("in a glass version",),
    },
    surfaces={
        "wood": ("atop wood",),
        "marble": ("atop marble",),
        "fabric": ("atop fabric",),
        "grass": ("atop grass",),
        "sand": ("atop sand",),
        "slate": ("atop slate",),
        "tiles": ("atop tiles",),
        "studio": ("inside a studio",),
    },
    sides={
        "left": ("left of {them}", "on the left-hand side"),
        "right": ("right of {them}", "on the right-hand side"),
        "behind": ("at {its} back", "further back, behind {them}"),
        "front": ("at {its} front", "further forward, before {them}"),
    },
    counts={1: (("only one",), ("only one",)), 2: (("two",), ("two",)), 3: (("three",), ("three",))},
    actions={
        "slides left": (
            (
                "drifting over to the left side",
                "{it} drift[s] over to the left side",
                "push {them} over to the left side",
            ),
        ),
        "slides right": (
            (
                "drifting over to the right side",
                "{it} drift[s] over to the right side",
                "push {them} over to the right side",
            ),
        ),
        "spins": (("going for a spin", "{it} keep[s] spinning", "spin {them}"),),
        "grows": (("becoming bigger", "{it} become[s] bigger", "have {them} grow"),),
        "shrinks": (("becoming smaller", "{it} become[s] smaller", "have {them} shrink"),),
        "changes colour": (("becoming {v}", "{its} colour becomes {v}", "have {them} turn {v}"),),
        "appears": (("suddenly appearing", "{it} suddenly appear[s]", "have {them} appear"),),
        "disappears": (("suddenly disappearing", "{it} suddenly disappear[s]", "have {them} disappear"),),
        "light dims": (("as someone dims the light", "someone dims the light", "have the light dim"),),
        "camera orbits": (
            (
                "as an orbiting camera circles {them}",
                "an orbiting camera circles {them}",
                "have the camera orbit {them}",
            ),
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

TEST = EditWords(
    frames=(
        "hoping for {them} {F}",
        "this item {F}, nothing else altered",
        "how would {it} look {F}?",
        "got the identical piece {F}?",
        "the twin of {this_one}, {F}",
        "one step further: {F}",
        "keep all as shown, {F}",
        "what I am after is {them} {F}",
        "might there be {them} {F}?",
    ),
    questions=(
        "where is it written up {F}?",
        "pull the write-up of {this_one} {F}",
        "what did the editors say on {this_one} {F}?",
        "the blurb belonging to {this_one} {F}",
    ),
    joins=("{1} with, besides, {2}", "{1} while {2}"),
    command_joins=("{1}, followed by this: {2}", "{1} & {2}"),
    kinds={
        "colour": KindWords(
            ("sporting {v}",),
            ("render {them} {v}", "opt for {v}"),
            ("{v} suits me more", "identical piece, {v} shade", "let us try {v}"),
        ),
        "pattern": KindWords(
            ("decorated with {noun}",),
            ("decorate {them} with {noun}", "opt for {noun}"),
            ("{v} suits me more", "identical piece, decorated with {noun}", "let us try {noun}"),
        ),
        "finish": KindWords(
            ("{finish}",),
            ("have {them} produced in {v}", "opt for {v}"),
            ("{v} suits me more", "identical piece, {finish}", "let us try {v}"),
        ),
        "category": KindWords(
            ("reimagined as {av}",),
            ("let {av} take {its} place", "opt for {av}"),
            ("{av} suits me more", "identical look, {av}", "let us try {av}"),
        ),
        "surface": KindWords(
            ("{on}",),
            ("relocate {them} {on}", "let {them} rest {on}"),
            ("{on} suits me more", "identical piece, {on}", "let us try {on}"),
        ),
        "size": KindWords(
            ("scaled to {v}",),
            ("opt for {v}", "resize {them}: {v}"),
            ("{v} suits me more", "identical piece, {v} format", "let us try {v}"),
        ),
        "count": KindWords(
            ("{n} at once",),
            ("line up {n}", "opt for {n}"),
            ("{n} suit me more", "identical piece, {n} times", "let us try {n}"),
        ),
        "add": KindWords(
            ("in company of {c} {side}",),
            ("throw in {c} {side}", "stand {c} {side}"),
            ("{c} {side} completes it", "identical piece, {c} {side}", "lacking {c} {side}"),
        ),
        "remove": KindWords(
            ("freed from the {cat}",),
            ("erase the {cat}", "ditch the {cat}"),
            ("the {cat} is not needed", "identical piece, {cat} gone", "solely the {main}"),
        ),
        "relation": KindWords(
            ("keeping the {cat} {side}",),
            ("reposition the {cat} {side}",),
            ("the {cat} {side} suits me more", "let us try the {cat} {side}"),
        ),
        "companion colour": KindWords(
            ("keeping the {cat}, now {v}",),
            ("render the {cat} {side} {v}",),
            ("the {cat} suits me more {v}", "let us try the {cat} {v}"),
        ),
        "companion finish": KindWords(
            ("keeping the {cat}, now {finish}",),
            ("have the {cat} {side} produced in {v}",),
            ("the {cat} suits me more {finish}", "let us try the {cat} {finish}"),
        ),
        "companion category": KindWords(
            ("the {cat} giving way to {av}",),
            ("let {av} take the place of the {cat}",),
            ("{av} suits me more than the {cat}", "let us try {av} where the {cat} stands"),
        ),
        "swap colour": KindWords(
            ("colours reversed between {main} and {cat}",),
            ("reverse who has which colour",),
            ("each in the hue of the other suits me more", "let us try reversed colours"),
        ),
        "swap finish": KindWords(
            ("finishes reversed between {main} and {cat}",),
            ("reverse who has which finish",),
            ("each in the make of the other suits me more", "let us try reversed finishes"),
        ),
        "action": KindWords(
            ("{doing}",),
            ("{command}",),
            ("recording: {clause}", "a scene in motion, {clause}", "sequence with {them} {doing}"),
        ),
        "negation": KindWords(
            ("{any_but}",), ("alter the {attribute}",), ("{not_v}, whatever else", "surprise me with the {attribute}")
        ),
        "relative": KindWords(
            ("{rel_fragment}",),
            ("opt for something {rel}",),
            ("{rel} suits me more", "let us try {rel}", "identical piece, {rel}"),
        ),
        "relative count": KindWords(
            ("{rel} present",), ("line up {rel}",), ("{rel} suits me more", "let us try {rel}")
        ),
    },
    values=PLAIN_VALUES,
    nouns={
        "plain": ("nothing on it",),
        "striped": ("rows of stripes",),
        "dotted": ("rows of dots",),
        "checked": ("rows of checks",),
        "zigzag": ("rows of zigzags",),
    },
    finishes={
        "matte": ("given a matte coat",),
        "glossy": ("given a glossy coat",),
        "metal": ("cast in metal",),
        "glass": ("blown in glass",),
    },
    surfaces={
        "wood": ("resting on wood",),
        "marble": ("resting on marble",),
        "fabric": ("resting on fabric",),
        "grass": ("resting on grass",),
        "sand": ("resting on sand",),
        "slate": ("resting on slate",),
        "tiles": ("resting on tiles",),
        "studio": ("against a studio backdrop",),
    },
    sides={
        "left": ("at {its} left side", "towards the left"),
        "right": ("at {its} right side", "towards the right"),
        "behind": ("to the rear", "to the rear of {them}"),
        "front": ("nearer the viewer", "nearer the viewer than {them}"),
    },
    counts={1: (("one alone",), ("one alone",)), 2: (("two",), ("two",)), 3: (("three",), ("three",))},
    actions={
        "slides left": (("travelling leftwards", "{it} travel[s] leftwards", "send {them} leftwards"),),
        "slides right": (("travelling rightwards", "{it} travel[s] rightwards", "send {them} rightwards"),),
        "spins": (("whirling round", "{it} whirl[s] round", "set {them} whirling round"),),
        "grows": (("swelling in size", "{it} swell[s] in size", "enlarge {them} little by little"),),
        "shrinks": (("dwindling in size", "{it} dwindle[s] in size", "reduce {them} little by little"),),
        "changes colour": (
            (
                "taking on a {v} colour",
                "{it} take[s] on a {v} colour",
                "let {its} colour change into {v}",
            ),
        ),
        "appears": (("popping up", "{it} pop[s] up", "make {them} pop up"),),
        "disappears": (("fading from view", "{it} fade[s] from view", "make {them} fade from view"),),
        "light dims": (("in fading light", "the lamps go down around {them}", "bring the lamps down"),),
        "camera orbits": (
            (
                "as the view swings round {them}",
                "the view swings round {them}",
                "swing the view round {them}",
            ),
        ),
    },
    attributes={
        "colour": "hue",
        "pattern": "decoration",
        "finish": "make",
        "category": "sort of object",
        "surface": "base below",
    },
)

EDIT_WORDS: dict[Phrasing, EditWords] = {"train": TRAIN, "validation": VALIDATION, "test": TEST}

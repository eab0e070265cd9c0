"""The words of edits as training uses them. Not what an edit means (edits.py), not the unseen tables (edit_phrases_unseen.py).

A fragment follows "show it ..."; a command stands alone and can be joined to another; a remark stands alone only. Slots of a kind are
filled by edit_text.py: {v} the value, {av} "a red", {noun} "stripes", {on} "on wood", {n} "two", {set} "a pair", {c} "a blue glass vase",
{side} "behind it", {cat} the companion's category, {main} the main object's noun, {rel} "darker", {not_v} "not red".
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
    """One way of asking for changes: frames around a fragment, frames of questions, joins of two edits, words of values."""

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


PLAIN_VALUES = {"colour": {colour: colour for colour in COLOURS}, "size": {"small": "small", "large": "large"},
                 "finish": {"matte": "matte", "glossy": "glossy", "metal": "metal", "glass": "glass"},
                 "pattern": {"plain": "plain", "striped": "striped", "dotted": "dotted", "checked": "checked", "zigzag": "zigzag"}}

TRAIN = EditWords(
    frames=(
        "{F}", "the same {F}", "{this_one} {F}", "show {them} {F}", "I want {them} {F}", "can I see {them} {F}?",
        "like this, but {F}", "I like {this_one}, but {F} please", "now {F}", "could you show {them} {F}, same everything else?",
        "I like {this_one} but could you show {them} {F}, same everything else?", "exactly {this_one} {F}", "but {F}", "just {F}",
        "the same one {F}", "same, but {F}", "the same thing only {F}", "do you have {this_one} {F}?", "is there {this_one} {F}?",
        "any {F}?", "let me see {them} {F}", "give me {them} {F}", "I need {them} {F}", "I would prefer {them} {F}",
        "everything the same, only {F}", "nice, but {F}", "can you do {them} {F}?", "find {this_one} {F}", "as here, but {F}",
        "would you have {them} {F}?"),
    questions=(
        "which text is about {this_one} {F}?", "what describes {this_one} {F}?", "which passage is about {this_one} {F}?",
        "the text about {this_one} {F}", "find the description of {this_one} {F}", "read me the page of {this_one} {F}",
        "which one of the texts has {this_one} {F}?", "tell me about {this_one} {F}", "what do you write about {this_one} {F}?",
        "the page for {this_one} {F}", "is there a text on {this_one} {F}?", "what is said of {this_one} {F}?",
        "I want to read about {this_one} {F}", "description of {this_one} {F}", "more about {this_one} {F}"),
    joins=("{1} and {2}", "{1}, {2}", "{1} and also {2}", "{1} but also {2}", "{1} as well as {2}", "both {1} and {2}"),
    command_joins=("{1} and {2}", "{1}, then {2}", "{1} and also {2}", "{1}; {2}", "{1}, and {2} too", "please {1} and {2}", "{1}. also {2}"),
    kinds={
        "colour": KindWords(
            ("in {v}", "painted {v}", "in the colour {v}", "all in {v}"),
            ("make {them} {v}", "change the colour to {v}", "paint {them} {v}", "turn {them} {v}", "colour {them} {v}", "dye {them} {v}",
             "set the colour to {v}", "have {them} in {v}", "switch the colour to {v}", "use {v} instead"),
            ("{v}", "{v} instead", "{av} {one}", "what about {v}?", "{v}, please", "rather {v}", "in {v}?", "how about {v}", "only {v}",
             "same in {v}", "{v} colour", "the {v} one", "I want {v}", "{v} would suit better", "{v} version", "do you have {v}?",
             "got this in {v}?", "need {v}", "colour: {v}", "{v} not this colour")),
        "pattern": KindWords(
            ("with {noun}", "in a version with {noun}", "that {has} {noun}"),
            ("make {them} {v}", "change the pattern to {v}", "give {them} {noun}", "put {noun} on {them}", "set the pattern to {v}",
             "turn the pattern into {noun}", "use {noun} instead", "go for {noun}"),
            ("{v}", "{v} instead", "{av} {one}", "what about {noun}?", "{noun}", "rather {v}", "how about {noun}", "{noun} instead",
             "the {v} one", "{v} version", "{noun} please", "same with {noun}", "I want {noun}", "do you have {v}?", "pattern: {v}",
             "{noun} would be nice", "need {v}")),
        "finish": KindWords(
            ("{finish}", "in {v}", "as {av} version"),
            ("make {them} {v}", "change the finish to {v}", "turn {them} into {v}", "set the finish to {v}", "change the material to {v}",
             "go for {v}", "use {v} instead", "have {them} in {v}"),
            ("{v}", "{v} instead", "{av} {one}", "what about {v}?", "{v}, please", "rather {v}", "how about {v}", "the {v} one",
             "{v} version", "same in {v}", "I want {v}", "do you have {v}?", "{finish}", "finish: {v}", "need {v}", "{finish} instead",
             "material: {v}")),
        "category": KindWords(
            ("as {av}", "in the form of {av}", "only {av}"),
            ("turn {them} into {av}", "replace {them} with {av}", "swap {them} for {av}", "make {them} {av}", "change {them} to {av}",
             "exchange {them} for {av}", "put {av} there instead", "show {av} instead", "use {av} in place of {them}"),
            ("{v}", "{av}", "{av} instead", "{av} like this", "what about {av}?", "rather {av}", "how about {av}", "the same as {av}",
             "I want {av}", "do you have {av} like this?", "{av} in this style", "{v} version", "{av}, same style", "need {av}",
             "matching {v}", "{av} of the same kind", "{v} please")),
        "surface": KindWords(
            ("{on}", "standing {on}", "placed {on}", "this time {on}"),
            ("put {them} {on}", "place {them} {on}", "change the surface to {ground}", "move {them} so that {it} {stands} {on}",
             "set the surface to {ground}", "change the background to {ground}", "show {them} {on}", "photograph {them} {on}",
             "use {ground} below"),
            ("{on} instead", "what about {on}?", "{on}, please", "rather {on}", "{on}", "how about {on}", "same {on}", "{ground}",
             "{on} this time", "I want {them} {on}", "{ground} below", "{ground} as background", "do you have {them} {on}?", "background: {ground}",
             "standing {on}")),
        "size": KindWords(
            ("in a {v} size", "in {v}", "as {av} version"),
            ("make {them} {v}", "change the size to {v}", "set the size to {v}", "take the {v} size", "go for the {v} size",
             "switch to the {v} size"),
            ("{v}", "{v} instead", "{av} {one}", "the {v} version", "{v}, please", "rather {v}", "what about {v}?", "how about {v}",
             "size: {v}", "the {v} one", "I want {v}", "need {v}", "do you have {v}?", "{v} size", "only {v}")),
        "count": KindWords(
            ("as {set}", "with {n} of them", "in a set of {n}"),
            ("show {n} of them", "change the number to {n}", "make it {n}", "give me {n}", "put {n} there", "I would like {n} of them"),
            ("{n}", "{n} of them", "{n} instead", "I need {n}", "{n}, please", "rather {n}", "{set}", "what about {n}?", "how about {n}",
             "{set} instead", "number: {n}", "{n} pieces", "only {n}", "can I have {n}?", "there should be {n}")),
        "add": KindWords(
            ("with {c} {side}", "together with {c} {side}", "along with {c} {side}", "and {c} {side}", "next to which there is {c} {side}"),
            ("add {c} {side}", "put {c} {side}", "place {c} {side}", "include {c} {side}", "set {c} {side}", "have {c} {side}",
             "also show {c} {side}"),
            ("plus {c} {side}", "{c} {side}", "and {c} {side}", "there should be {c} {side}", "along with {c} {side}",
             "together with {c} {side}", "also {c} {side}", "I want {c} {side}", "{c} {side} too", "{c} {side} as well", "{side}: {c}",
             "what about {c} {side}?")),
        "remove": KindWords(
            ("without the {cat}", "alone", "without anything else", "minus its {cat}", "only the {main}"),
            ("remove the {cat}", "take the {cat} away", "drop the {cat}", "delete the {cat}", "take out the {cat}", "lose the {cat}",
             "clear the {cat} away", "hide the {cat}", "show only the {main}", "keep only the {main}", "omit the {cat}", "leave the {cat} out"),
            ("no {cat}", "the {cat} should go", "get rid of the {cat}", "no {cat}, please", "only the {main}", "just the {main}",
             "without the {cat}", "without {cat}", "the {main} alone", "the {main} only", "the {cat} is too much", "nothing but the {main}",
             "I do not want the {cat}", "not the {cat}", "only the {main}, no {cat}", "the {main} on {own}", "skip the {cat}")),
        "relation": KindWords(
            ("with the {cat} {side}", "where the {cat} is {side}"),
            ("move the {cat} so that it is {side}", "put the {cat} {side}", "move the {cat}: {side}", "shift the {cat} {side}",
             "place the {cat} {side}", "set the {cat} {side}", "have the {cat} {side}"),
            ("the {cat} {side}", "the {cat} {side} instead", "the {cat} should be {side}", "rather the {cat} {side}", "{cat} {side}",
             "the {cat} {side}, please", "what about the {cat} {side}?", "I want the {cat} {side}", "{side}: the {cat}",
             "now the {cat} {side}")),
        "companion colour": KindWords(
            ("with the {cat} in {v}", "with {av} {cat} {side}", "where the {cat} is {v}"),
            ("make the {cat} {v}", "make the {cat} {side} {v}", "paint the {cat} {v}", "turn the {cat} {side} {v}",
             "change the colour of the {cat} to {v}", "colour the {cat} {v}", "change the {cat} to {v}"),
            ("the {cat} in {v}", "the {cat} should be {v}", "only the {cat} {v}", "the {cat} {v}, please",
             "the {cat} {side} in {v}", "rather {av} {cat} {side}", "I want the {cat} {v}", "the other thing in {v}", "{av} {cat} {side}")),
        "companion finish": KindWords(
            ("with the {cat} in {v}", "with {av} {cat} {side}", "where the {cat} is {v}"),
            ("make the {cat} {v}", "make the {cat} {side} {v}", "change the finish of the {cat} to {v}", "turn the {cat} into {v}",
             "change the {cat} to {v}"),
            ("the {cat} {finish}", "the {cat} should be {v}", "only the {cat} {finish}",
             "the {cat} in {v}, please", "rather {av} {cat} {side}", "I want the {cat} {finish}", "the other thing in {v}",
             "{av} {cat} {side}")),
        "companion category": KindWords(
            ("with {av} instead of the {cat}", "with {av} in place of the {cat}", "with {av} {side}", "with the {cat} as {av}"),
            ("turn the {cat} into {av}", "replace the {cat} with {av}", "swap the {cat} for {av}", "exchange the {cat} for {av}",
             "change the {cat} to {av}", "make the {cat} {side} {av}"),
            ("{av} instead of the {cat}", "{av} {side} instead", "{av}, not the {cat}", "the {cat} should be {av}", "rather {av} {side}",
             "I want {av} in place of the {cat}", "not the {cat} but {av}")),
        "swap colour": KindWords(
            ("with the two colours swapped", "with the colours exchanged", "in the colour of the {cat} and the other way round"),
            ("swap their colours", "exchange the two colours", "switch the colours", "give each the colour of the other",
             "swap the colours of {main} and {cat}"),
            ("colours swapped", "the other way round in colour", "colours the other way round", "the colours exchanged, please",
             "{main} and {cat} with swapped colours", "swap colours", "what if the colours were swapped?")),
        "swap finish": KindWords(
            ("with the two finishes swapped", "with the materials exchanged", "in the finish of the {cat} and the other way round"),
            ("swap their finishes", "exchange the two finishes", "switch the materials", "give each the finish of the other",
             "swap the finishes of {main} and {cat}"),
            ("finishes swapped", "the other way round in material", "finishes the other way round", "the materials exchanged, please",
             "{main} and {cat} with swapped finishes", "swap materials", "what if the finishes were swapped?")),
        "action": KindWords(
            ("{doing}",), ("{command}",),
            ("the one where {clause}", "the clip where {clause}", "a clip in which {clause}", "{clause}", "now {clause}",
             "a video: {clause}", "a film where {clause}", "show how {clause}", "I want to see how {clause}", "video, {clause}",
             "when {clause}", "a clip: {clause}", "{doing}", "make a clip of {them} {doing}", "clip {doing}")),
        "negation": KindWords(
            ("{any_but}", "in another {attribute}", "with a different {attribute}"),
            ("change the {attribute}", "pick another {attribute}", "choose a different {attribute}", "use another {attribute}",
             "try another {attribute}"),
            ("{not_v}", "{not_v}, please", "a different {attribute}", "another {attribute}", "some other {attribute}",
             "any {attribute} but this", "anything but this {attribute}", "{any_but}", "not this {attribute}", "other {attribute}",
             "{not_v} but something else", "I do not want this {attribute}", "the {attribute} should be another one", "please {not_v}")),
        "relative": KindWords(
            ("{rel_fragment}", "only {rel}"),
            ("make {them} {rel}", "take {a_rel} {one}", "choose {a_rel} {one}"),
            ("{rel}", "{a_rel} {one}", "something {rel}", "{rel}, please", "rather {rel}", "a bit {rel}", "{rel} than this",
             "do you have {a_rel} {one}?", "much {rel}", "the {rel} one", "I want {them} {rel}",
             "could be {rel}", "slightly {rel}", "can it be {rel}?")),
        "relative count": KindWords(
            ("with {rel}", "and {rel}"), ("show {rel}", "take {rel}", "make it {rel}"),
            ("{rel}", "{rel} of them", "{rel}, please", "rather {rel}", "{rel} than here", "{rel} piece", "I want {rel}",
             "there should be {rel}", "can I have {rel}?", "just {rel}", "what about {rel}?")),
    },
    values=PLAIN_VALUES,
    nouns={"plain": "no pattern", "striped": "stripes", "dotted": "dots", "checked": "checks", "zigzag": "zigzags"},
    finishes={"matte": "with a matte finish", "glossy": "with a glossy finish", "metal": "made of metal", "glass": "made of glass"},
    surfaces={"wood": "on wood", "marble": "on marble", "fabric": "on fabric", "grass": "on grass", "sand": "on sand",
              "slate": "on slate", "tiles": "on tiles", "studio": "in a studio"},
    sides={"left": ("to the left", "on the left", "to {its} left"), "right": ("to the right", "on the right", "to {its} right"),
           "behind": ("behind {them}", "in the back", "in the background"), "front": ("in front of {them}", "in the foreground", "in front")},
    counts={1: ("just one", "a single piece"), 2: ("two", "a pair"), 3: ("three", "a group of three")},
    #: kind -> (fragment after "show it", clause, command)
    actions={
        "slides left": ("sliding to the left", "{it} slide[s] to the left", "make {them} slide left"),
        "slides right": ("sliding to the right", "{it} slide[s] to the right", "make {them} slide right"),
        "spins": ("spinning", "{it} spin[s]", "make {them} spin"),
        "grows": ("growing", "{it} grow[s]", "let {them} grow"), "shrinks": ("shrinking", "{it} shrink[s]", "let {them} shrink"),
        "changes colour": ("turning {v}", "{it} turn[s] {v}", "make {them} turn {v}"),
        "appears": ("coming into view", "{it} appear[s]", "let {them} appear"),
        "disappears": ("disappearing", "{it} disappear[s]", "let {them} disappear"),
        "light dims": ("while the light dims", "the light dims", "dim the light"),
        "camera orbits": ("while the camera moves around {them}", "the camera moves around {them}", "move the camera around {them}")},
    attributes={"colour": "colour", "pattern": "pattern", "finish": "finish", "category": "kind of object", "surface": "surface"},
)

#: (attribute, direction) -> comparatives; the counts stand for themselves. Directions: +1 lighter, bigger, more.
RELATIVE = {("colour", -1): ("darker", "deeper"), ("colour", 1): ("lighter", "paler", "brighter"),
            ("size", -1): ("smaller", "tinier", "less big"), ("size", 1): ("bigger", "larger"),
            ("count", -1): ("one fewer", "one less"), ("count", 1): ("one more", "one extra")}

"""User names and passwords as somebody will have them."""

from __future__ import annotations

AWKWARD = "a@:/?#% \"'\\ ünïcode"
ALONE = ("@", ":", "/", "?", "#", "%", "%41", "+", "&", "=", ";", ",", "{", "}", "'", '"', "\\", " ", "ü", "日本")
TEXTS = (AWKWARD, *(f"a{character}b" for character in ALONE))

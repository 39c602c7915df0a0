"""Settings from outside, checked before anything is made of them: those of the model in a weights file, which are
JSON from anybody, and whole numbers of a command line."""

from __future__ import annotations

import argparse
import json
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

MOST_NUMBERS = 16  # of widths or blocks
LONGEST_NAME = 64


def check_settings(config: Any, limits: Mapping[str, tuple[int, int]]) -> None:
    """Raise ValueError, naming the field, when one of a configuration is not of its type or beyond its limits."""
    for field in fields(config):
        name, value = field.name, getattr(config, field.name)
        if name in limits:
            low, high = limits[name]
            several = isinstance(field.default, tuple)
            numbers = value if several else (value,)
            if (
                not isinstance(numbers, tuple | list)
                or len(numbers) > MOST_NUMBERS
                or not all(type(n) is int and low <= n <= high for n in numbers)
            ):
                wanted = f"at most {MOST_NUMBERS} whole numbers" if several else "a whole number"
                raise ValueError(f"{name} has to be {wanted} from {low} to {high}")
        elif type(value) is not type(field.default):
            raise ValueError(f"{name} has to be of the type {type(field.default).__name__}")
        elif isinstance(value, str) and not (value.isprintable() and len(value) <= LONGEST_NAME):
            raise ValueError(f"{name} has to be a name")


def known_settings(config: type, values: Any) -> dict[str, Any]:
    """What a weights file says of a configuration, its lists as tuples. Raises ValueError for what is not known."""
    if not isinstance(values, dict):
        raise ValueError("the settings are no JSON object")
    if unknown := set(values) - {field.name for field in fields(config)}:
        raise ValueError(f"unknown settings {reprlib.repr(sorted(unknown))}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def parse_object(text: str | bytes) -> dict[str, Any]:
    """A JSON object that has no key twice and no NaN. Raises ValueError."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            raise ValueError("a key is there twice")
        return found

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        found = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def whole(low: int, high: int) -> Callable[[str], int]:
    """For argparse: an option that is a whole number from `low` to `high`."""

    def number(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"give a whole number from {low} to {high}, not '{text[:40]}'")
        return int(text)

    return number

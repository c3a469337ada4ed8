"""The texts are complete in both languages, and the language is chosen as people expect."""

from __future__ import annotations

import string
from typing import get_args

import pytest

from edge_agent.faults import FaultCode
from edge_agent.reports import Identity
from edgectl.client import Reason
from edgectl.texts import FAULT_TEXTS, STRINGS, Language, Words, choose_language, fault_rank
from protocols.value import NullCause, Quality

LANGUAGES = get_args(Language)


@pytest.mark.parametrize("code", FaultCode)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_says_what_it_means_and_what_to_do_next(code: FaultCode, language: Language) -> None:
    text = FAULT_TEXTS[code][language]
    for sentence in (text.meaning, text.step):
        assert sentence[-1] in ".?"
        assert len(sentence) > 20
    assert len(text.meaning) <= 110  # two lines of 80 columns behind the code
    assert text != FAULT_TEXTS[code]["de" if language == "en" else "en"]


@pytest.mark.parametrize("key", STRINGS)
def test_both_languages_have_the_same_places_to_fill(key: str) -> None:
    english, german = (
        {place for _, place, _, _ in string.Formatter().parse(text) if place} for text in STRINGS[key]
    )
    assert english == german


def test_every_cause_quality_identity_and_reason_has_its_words() -> None:
    wanted = [f"cause.{cause.name.lower().replace('_', '-')}" for cause in NullCause]
    wanted += [f"quality.{(flag.name or '').lower().replace('_', '-')}" for flag in Quality]
    wanted += [f"identity.{name}" for name in get_args(Identity)]
    wanted += [f"read.{name}" for name in get_args(Identity)]
    wanted += [f"down.{name}{part}" for name in get_args(Reason) for part in ("", ".step")]
    assert [key for key in wanted if key not in STRINGS] == []


def test_a_fault_of_a_newer_agent_is_named_and_ranked_last() -> None:
    assert "older than the agent" in Words("en").fault("meter.on-fire").meaning
    assert fault_rank("meter.on-fire") > fault_rank(FaultCode.CLOCK_UNTRUSTED) > fault_rank("buffer.write")


@pytest.mark.parametrize(
    ("option", "environ", "language"),
    [
        ("de", {"LANG": "en_US.UTF-8"}, "de"),
        ("en", {"LANG": "de_DE.UTF-8"}, "en"),
        (None, {"LANG": "de_AT.UTF-8"}, "de"),
        (None, {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, "en"),
        (None, {"LC_ALL": "", "LC_MESSAGES": "de_DE", "LANG": "C"}, "de"),
        (None, {}, "en"),
    ],
)
def test_the_option_goes_before_the_locale(
    option: str | None, environ: dict[str, str], language: Language
) -> None:
    assert choose_language(option, environ) == language

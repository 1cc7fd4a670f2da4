from __future__ import annotations

import json

from worker.agent.redaction import HIDDEN, MAX_ARGUMENT_BYTES, Redactor


def test_arguments_named_like_secrets_are_hidden_at_any_depth() -> None:
    shown = Redactor().arguments({"url": "x", "api_key": "abc", "headers": {"Authorization": "Bearer abc"}})

    assert shown == {"url": "x", "api_key": HIDDEN, "headers": {"Authorization": HIDDEN}}


def test_known_secrets_are_hidden_inside_any_text() -> None:
    assert Redactor(["sk-123456"]).text("401 for sk-123456, sorry") == f"401 for {HIDDEN}, sorry"


def test_very_short_secrets_do_not_blank_out_words() -> None:
    assert Redactor(["a"]).text("a banana") == "a banana"


def test_long_texts_are_cut_with_their_length_named() -> None:
    shown = Redactor().arguments({"text": "x" * 3000})

    assert shown["text"].endswith("… (3,000 characters)")


def test_arguments_are_never_larger_than_the_limit() -> None:
    shown = Redactor().arguments({f"name{n}": "é" * 900 for n in range(100)})

    assert len(json.dumps(shown, ensure_ascii=False).encode()) <= MAX_ARGUMENT_BYTES


def test_values_that_are_not_json_are_shown_as_text() -> None:
    assert Redactor().arguments({"when": {1, 2}}) == {"when": "{1, 2}"}

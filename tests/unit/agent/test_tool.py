from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from worker.agent.errors import InvalidArguments, RegistrationError
from worker.agent.tool import ToolContext, tool


@tool(timeout_seconds=5, idempotent=True)
def find(ctx: ToolContext, words: str, limit: Annotated[int, Field(ge=1, le=10)] = 3) -> list[str]:
    """Find documents.

    Args:
        words: What to look for.
        limit: How many at the most.
    """
    return [words] * limit


def test_a_tool_is_described_by_its_signature_and_docstring_without_the_context() -> None:
    assert find.name == "find"
    assert find.description == "Find documents."
    assert list(find.schema["properties"]) == ["words", "limit"]
    assert find.schema["properties"]["words"]["description"] == "What to look for."
    assert find.schema["required"] == ["words"]
    assert (find.timeout_seconds, find.idempotent, find.takes_context, find.is_async) == (5, True, True, False)


def test_a_tool_cannot_be_called_around_the_engine() -> None:
    with pytest.raises(TypeError):
        find("words")  # type: ignore[operator]


@pytest.mark.parametrize("arguments", [{}, {"words": "x", "limit": 11}, {"words": "x", "more": 1}, {"words": None}])
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments, match=r"The arguments of find do not fit: (words|limit|more)"):
        find.validate(arguments)


def test_arguments_that_fit_are_converted_and_defaults_are_left_to_the_function() -> None:
    assert find.validate({"words": "x", "limit": "2"})["limit"] == 2


def test_a_tool_without_a_docstring_is_refused() -> None:
    def silent(x: int) -> int:
        return x

    with pytest.raises(RegistrationError, match="docstring"):
        tool(silent)


def test_a_tool_whose_parameters_cannot_be_described_is_refused() -> None:
    class Odd:
        pass

    def strange(x: Odd) -> None:
        """Take something odd."""

    with pytest.raises(RegistrationError, match="parameters"):
        tool(strange)


def test_choices_are_told_to_the_model() -> None:
    @tool
    def pick(color: Literal["red", "blue"]) -> str:
        """Pick a colour."""
        return color

    assert pick.schema["properties"]["color"]["enum"] == ["red", "blue"]

"""Broken systems are noticed: a checker that never fails would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.mutants import MUTANTS, Mutant, is_caught


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_system_that_is_broken_on_purpose_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    assert is_caught(mutant, tmp_path), f"nobody noticed that it {mutant.words}"

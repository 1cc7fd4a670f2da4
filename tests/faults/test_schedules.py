"""A few seeds of the fault suite; `make faults SEEDS=200` plays many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.mutants import MUTANTS, Mutant
from tests.faults.schedule import make_schedule
from tests.faults.seeds import Player


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    with Player(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize("seed", [33, 45])
def test_nothing_is_lost_repeated_or_silent_under_the_faults_of_a_seed(player: Player, seed: int) -> None:
    assert player.play(make_schedule(seed)).violations == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_whole_system_passes_where_a_broken_one_is_caught(player: Player, mutant: Mutant) -> None:
    assert player.play(mutant.schedule(1)).violations == []

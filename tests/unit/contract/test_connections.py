"""The pools of a process together hold no more connections than it may have, and none of them is left with nothing."""

from __future__ import annotations

import pytest

from worker.contract.connections import (
    COURIER,
    DEFAULT,
    DOORBELL_COST,
    LEAST,
    RELAY_SPARE,
    files_share,
    web_share,
    worker_share,
)


@pytest.mark.parametrize("total", [LEAST, 12, 20, DEFAULT, 60, 1000])
def test_a_web_process_holds_what_it_may_and_one_of_it_listens(total: int) -> None:
    share = web_share(total)

    assert share.store + share.reads + RELAY_SPARE + COURIER + DOORBELL_COST * share.doorbell + 1 == total
    assert min(share) >= 1


@pytest.mark.parametrize("total", [LEAST, DEFAULT, 1000])
def test_a_worker_leaves_some_to_celery(total: int) -> None:
    assert 3 <= worker_share(total) <= total - 5 - files_share(total)
    assert files_share(total) >= 2

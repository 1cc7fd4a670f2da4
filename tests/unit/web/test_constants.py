from __future__ import annotations

from web.constants import CONSTANTS_FILE, constants_text
from web.relay.messages import CloseCode
from worker.contract.events import EVENT_TYPES


def test_the_browsers_constants_are_those_of_the_contract() -> None:
    assert CONSTANTS_FILE.read_text() == constants_text(), "run `python -m web.constants`"


def test_every_event_type_and_close_code_is_among_them() -> None:
    text = constants_text()

    for name in EVENT_TYPES:
        assert f'"{name}"' in text
    for code in CloseCode:
        assert f"  {code.name}: {int(code)}," in text


def test_the_browser_stops_exactly_on_the_codes_that_the_protocol_names() -> None:
    assert "STOP_CLOSE_CODES = Object.freeze([1000, 1008, 1009, 4400, 4403, 4404])" in constants_text()

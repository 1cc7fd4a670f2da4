"""Invented data that looks like a business: the same seed gives the same rows. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from faker import Faker

from worker.crew.wording import words

#: The invented year. Fixed, so that a seed means the same rows tomorrow.
FIRST_DAY = date(2025, 1, 1)
DAYS = 365

_REGIONS = ("North", "South", "East", "West", "Central")
_CHANNELS = ("Online", "Retail", "Partner")
_STATUSES = ("open", "in progress", "done")
_CATEGORIES = ("Basic", "Standard", "Premium")
_DEPARTMENTS = ("Sales", "Marketing", "Engineering", "Support", "Finance")
_PRODUCTS = ("Lamp", "Desk", "Chair", "Shelf", "Sofa", "Rug")


class Row:
    """One row while it is being invented: a place in time, and what the columns before have said."""

    def __init__(
        self, dice: random.Random, faker: Faker, *, number: int, day: date, slopes: Mapping[str, float]
    ) -> None:
        self.dice = dice
        self.faker = faker
        self.number = number
        self.day = day
        self.cells: dict[str, Any] = {}
        self._slopes = slopes

    def trend(self) -> float:
        """How a quantity stands now: every region has a direction of its own over the year."""
        elapsed = (self.day - FIRST_DAY).days / DAYS
        slope = self._slopes.get(str(self.cells.get("region", "")), 0.0)
        return max(0.1, 1 + slope * elapsed)


Invent = Callable[[Row], Any]


class Sample(NamedTuple):
    columns: list[str]
    rows: list[list[Any]]


def _choice(*values: str) -> Invent:
    return lambda row: row.dice.choice(values)


def _amount(low: float, high: float) -> Invent:
    return lambda row: round(row.dice.uniform(low, high) * row.trend(), 2)


def _whole(low: int, high: int) -> Invent:
    return lambda row: max(low, round(row.dice.randint(low, high) * row.trend()))


def _revenue(row: Row) -> float:
    if "units" in row.cells and "unit_price" in row.cells:
        return float(round(row.cells["units"] * row.cells["unit_price"], 2))
    return float(_amount(50, 2000)(row))


#: How a column is invented, by a word of its name; the first that fits is taken.
COLUMNS: Mapping[str, Invent] = {
    "date": lambda row: row.day.isoformat(),
    "day": lambda row: row.day.isoformat(),
    "month": lambda row: f"{row.day:%Y-%m}",
    "quarter": lambda row: f"{row.day.year}-Q{(row.day.month + 2) // 3}",
    "year": lambda row: row.day.year,
    "id": lambda row: row.number,
    "email": lambda row: row.faker.email(),
    "phone": lambda row: row.faker.phone_number(),
    "company": lambda row: row.faker.company(),
    "city": lambda row: row.faker.city(),
    "country": lambda row: row.faker.country(),
    "address": lambda row: row.faker.street_address(),
    "job": lambda row: row.faker.job(),
    "region": _choice(*_REGIONS),
    "product": _choice(*_PRODUCTS),
    "channel": _choice(*_CHANNELS),
    "source": _choice("Search", "Social", "Direct", "Mail"),
    "department": _choice(*_DEPARTMENTS),
    "team": _choice(*_DEPARTMENTS),
    "category": _choice(*_CATEGORIES),
    "segment": _choice("Consumer", "Small business", "Enterprise"),
    "plan": _choice(*_CATEGORIES),
    "status": _choice(*_STATUSES),
    "priority": _choice("low", "normal", "high"),
    "page": _choice("/", "/pricing", "/docs", "/blog", "/contact"),
    "revenue": _revenue,
    "price": _amount(5, 400),
    "cost": _amount(20, 900),
    "expense": _amount(20, 900),
    "budget": _amount(500, 5000),
    "amount": _amount(10, 1500),
    "salary": _whole(32_000, 98_000),
    "visit": _whole(20, 900),
    "conversion": _whole(0, 40),
    "minute": _whole(2, 240),
    "hour": _whole(1, 40),
    "rating": lambda row: row.dice.randint(1, 5),
    "score": lambda row: row.dice.randint(0, 100),
    "stock": _whole(0, 500),
    "unit": _whole(1, 20),
    "quantity": _whole(1, 20),
    "count": _whole(1, 100),
    "age": lambda row: row.dice.randint(18, 80),
    "active": lambda row: row.dice.random() < 0.7,
    "customer": lambda row: row.faker.company(),
    "name": lambda row: row.faker.name(),
    "employee": lambda row: row.faker.name(),
    "agent": lambda row: row.faker.first_name(),
    "comment": lambda row: row.faker.sentence(nb_words=8),
    "note": lambda row: row.faker.sentence(nb_words=8),
    "title": lambda row: row.faker.sentence(nb_words=4).rstrip("."),
    "value": _amount(1, 100),
}

#: Columns of what people ask for, by words of the topic.
TOPICS: Mapping[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "sales": (
        frozenset({"sale", "revenue", "order", "shop", "store", "product", "region"}),
        ("order_date", "region", "product", "channel", "units", "unit_price", "revenue"),
    ),
    "customers": (
        frozenset({"customer", "client", "crm", "subscriber", "user"}),
        ("customer_id", "name", "email", "city", "segment", "signup_date", "active"),
    ),
    "website": (
        frozenset({"web", "website", "traffic", "visit", "page", "marketing", "campaign"}),
        ("date", "source", "page", "visits", "conversions"),
    ),
    "support": (
        frozenset({"support", "ticket", "complaint", "helpdesk", "issue"}),
        ("ticket_id", "created_date", "priority", "status", "agent", "minutes_to_answer", "rating"),
    ),
    "employees": (
        frozenset({"employee", "hr", "staff", "salary", "people"}),
        ("employee_id", "name", "department", "job", "hire_date", "salary"),
    ),
    "expenses": (
        frozenset({"expense", "cost", "spending", "budget", "finance"}),
        ("date", "department", "category", "cost", "note"),
    ),
    "inventory": (
        frozenset({"inventory", "stock", "warehouse"}),
        ("date", "product", "region", "stock", "unit_price"),
    ),
}
#: For a topic that nothing is known about.
_GENERIC = ("id", "date", "name", "category", "status", "amount")


def topic_columns(topic: str) -> tuple[str, ...]:
    """The columns for a topic; general ones when it is unknown."""
    asked = set(words(topic))
    known = max(TOPICS.values(), key=lambda entry: len(entry[0] & asked))
    return known[1] if known[0] & asked else _GENERIC


def invent(columns: Sequence[str], rows: int, seed: int) -> Sample:
    """Invent rows in time order. A column is invented by the words of its name; an unknown one is a short text."""
    dice = random.Random(seed)  # noqa: S311 - nothing here is a secret
    faker = Faker("en_US")
    faker.seed_instance(seed)
    slopes = dict(zip(dice.sample(_REGIONS, len(_REGIONS)), (-0.6, -0.15, 0.05, 0.2, 0.5), strict=True))
    days = sorted(FIRST_DAY + timedelta(days=dice.randrange(DAYS)) for _ in range(rows))
    invents = [_inventor(column) for column in columns]
    result = []
    for number, day in enumerate(days, start=1):
        row = Row(dice, faker, number=number, day=day, slopes=slopes)
        for column, made in zip(columns, invents, strict=True):
            row.cells[column] = made(row)
        result.append(list(row.cells.values()))
    return Sample(list(columns), result)


def _inventor(column: str) -> Invent:
    parts = set(words(column))
    return next((made for word, made in COLUMNS.items() if word in parts), lambda row: row.faker.word())

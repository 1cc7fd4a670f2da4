"""The script of `triage`: finds out what a message wants and asks the agents that can do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from worker.crew.wording import asks_about_change, concepts_in, words
from worker.models.playbook.intents import find_intent, is_follow_up, join_messages, wants_advice
from worker.models.playbook.prose import INSUFFICIENT, compose, find_source, number, signed, without_source
from worker.models.playbook.script import Call, Script, Task, ToolFailed, ask, failed_text

_OFFER = """You can

- upload a CSV file and ask **which region lost most revenue, and what should we do?**
- write **generate sample data about sales**, if you have no file at hand
- upload documents and write **search my documents for refunds**
- write **calculate (1200 - 950) / 1200 * 100**
- give me the address of a web page to read"""
_GREETING = f"Hello. I am the built-in offline model; I follow fixed rules, so plain questions work best. {_OFFER}"
_NOT_UNDERSTOOD = f"I found nothing in your tables or documents that this is about. {_OFFER}"

_DATA_WORDS = frozenset({"row", "record", "table", "column", "csv", "compare", "top"})

#: Agents in the order in which they build on each other, and the heading of what each finds.
_ADVISERS = (
    ("optimization", "Options", "Next: what drives this, and what could be done?"),
    ("actions", "Actions", "Now concrete steps."),
)


def triage(task: Task) -> Script:
    """Answer a message."""
    intent = find_intent(task.text)
    try:
        text = yield from _INTENTS[intent.name](task, intent.expression)
    except ToolFailed as failure:
        text = failed_text(failure)
    return signed(text)


def _greet(_task: Task, _expression: str) -> Script:
    return _GREETING
    yield  # makes this a script like the others


def _calculate(_task: Task, expression: str) -> Script:
    result = yield Call("calculate", {"expression": expression}, "This is arithmetic.")
    return f"`{expression}` = **{number(result['result'])}**"


def _make_sample(task: Task, _expression: str) -> Script:
    return (yield from ask("synthetic_data", task.text, "This asks for invented data."))


def _ask_corpus(task: Task, _expression: str) -> Script:
    return (yield from ask("corpus_admin", task.text, "This is about documents or a web page."))


def _answer_question(task: Task, _expression: str) -> Script:
    question = _with_context(task)
    tables = yield Call("list_tables", {}, "This is a question. Which data is there?")
    is_about_data = _is_about(question, tables["rows"])
    if not (tables["rows"] and is_about_data):
        documents = yield Call("list_documents", {}, "The tables do not look like it. Are there documents?")
        if documents["rows"]:
            return (yield from ask("corpus_admin", question, "The documents may know."))
    if tables["rows"]:
        # Whether it names a value of a column, only `data` can see.
        return (yield from _analyse(question))
    if is_about_data:
        return (yield from ask("data_helper", question, "There is no data to answer from."))
    return _NOT_UNDERSTOOD


def _analyse(question: str) -> Script:
    found = {"Findings": (yield from ask("data", question, "`data` can answer this from the tables."))}
    if INSUFFICIENT in found["Findings"]:
        return (yield from ask("data_helper", compose(question, found), "The data does not suffice; what is missing?"))
    # Without a source there are no findings to build on: the question was not understood, or a tool failed.
    if find_source(found["Findings"]) is None or not wants_advice(question):
        return without_source(found["Findings"])
    for agent, heading, thought in _ADVISERS:
        found[heading] = yield from ask(agent, compose(question, found), thought)
    return (yield from ask("reporting", compose(question, found), "At last the report."))


def _is_about(question: str, tables: list[list[object]]) -> bool:
    """Whether a question sounds like one about tables, or names something in them."""
    if asks_about_change(question) or any(concepts_in(question, role) for role in ("measure", "dimension", "period")):
        return True
    names = {word for row in tables for word in words(f"{row[0]} {row[2]}")}
    return bool({word for word in words(question) if len(word) > 2} & (names | _DATA_WORDS))


def _with_context(task: Task) -> str:
    """The message, with those before it that it adds to: `And what should we do?`"""
    names_something = any(concepts_in(task.text, role) for role in ("measure", "dimension", "period"))
    messages = [task.text]
    adds = is_follow_up(task.text) or (wants_advice(task.text) and not names_something)
    for earlier in reversed(task.earlier):
        if not adds:
            break
        if find_intent(earlier).name == "question":
            messages.insert(0, earlier)
            adds = is_follow_up(earlier)
    return join_messages(messages)


_INTENTS: Mapping[str, Callable[[Task, str], Script]] = {
    "greeting": _greet,
    "calculation": _calculate,
    "sample": _make_sample,
    "document": _ask_corpus,
    "page": _ask_corpus,
    "question": _answer_question,
}

"""Scripts of the agents beside the main line: `data_helper`, `synthetic_data` and `corpus_admin`."""

from __future__ import annotations

import re

from worker.models.playbook.intents import URL
from worker.models.playbook.prose import INSUFFICIENT, markdown_table, question_of, sections
from worker.models.playbook.script import Call, Script, Task
from worker.workspace.identifiers import quote

_ROWS = re.compile(r"\b(\d[\d,]*)\s+(?:\w+\s+){0,2}(?:rows|records|lines|entries)", re.IGNORECASE)
_COLUMNS = re.compile(r"\b(?:with )?(?:the )?columns?:?\s+(.+)$", re.IGNORECASE | re.DOTALL)
#: The word that most surely stands before the topic first.
_TOPICS = tuple(
    re.compile(rf"\b{word}\s+(?:our |my |the |a )?([\w -]+)", re.IGNORECASE) for word in ("about", "for", "on", "of")
)
_NO_TOPIC = re.compile(
    r"\b(?:sample|synthetic|test|fake|dummy|example|demo|random|mock|data|rows?|records?|tables?)\b", re.IGNORECASE
)
_REMOVE = re.compile(
    r"\b(?:remove|delete|forget)\b.*?\b(?:documents?|docs?|notes?)\b\s*:?\s*(?P<name>.+)$", re.IGNORECASE | re.DOTALL
)
_ADD = re.compile(
    r"\b(?:add|save|remember|store)\b.*?\b(?:documents?|docs?|notes?)\b\s*(?P<name>[\w .-]{0,60}?)\s*:\s*(?P<text>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_LIST = re.compile(
    r"^\W*(?:(?:list|show)\b.{0,20}\b(?:documents?|docs?|notes?|corpus)\b"
    r"|(?:which|what)\b.{0,12}\b(?:documents?|docs?|notes?)\s+(?:are|do|have|did)\b)",
    re.IGNORECASE,
)
_SEARCH = re.compile(
    r"\b(?:search|find|look)\b.*?\b(?:documents?|docs?|corpus|notes?|library|texts?)\b\s*(?:for|about|on)?\s*(?P<words>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_DEFAULT_ROWS = 500
_MAX_ROWS = 5000
_EXCERPT_CHARACTERS = 1200


def data_helper(task: Task) -> Script:
    """Say what the tables lack, by looking."""
    question = question_of(task.text)
    gaps = yield Call("data_gaps", {"question": question}, "I look for what the tables lack to answer this.")
    known = sections(task.text).get("Findings", "").removeprefix(INSUFFICIENT).strip()
    reasons = [*gaps["missing"]] or ["I found no single reason; please say it in other words"]
    if known:
        reasons = [known, *(reason for reason in gaps["missing"] if reason not in known)]
    lines = ["**The data that is here does not answer this question.**", "", "What is missing:"]
    lines += [f"- {reason}" for reason in reasons]
    for table in gaps["tables"]:
        span = f", {table['first_period']} to {table['last_period']}" if table["first_period"] else ""
        lines.append(f"\nTable `{table['table']}` has {table['rows']:,} rows{span}.")
        problems = [*table["mostly_empty_columns"], *(f"nothing for {month}" for month in table["missing_months"])]
        lines += [f"- {problem}" for problem in problems]
    lines += [
        "\nUpload a CSV file with a header line. Two lines such as these would do:",
        "\n```csv\ndate,region,revenue\n2025-01-31,North,1200\n```",
        "\nOr write `generate sample data about sales`, and try it out on invented numbers.",
    ]
    return "\n".join(lines)


def synthetic_data(task: Task) -> Script:
    """Invent a table."""
    arguments = sample_arguments(question_of(task.text))
    made = yield Call("generate_sample_data", arguments, f"I invent {arguments['rows']:,} rows.")
    table = made["table"]
    count = f'SELECT count(*) AS "rows" FROM {quote(table)}'  # noqa: S608 - a quoted name
    counted = yield Call("query_data", {"sql": count}, "I check what was stored.")
    columns = ", ".join(f"`{column}`" for column in made["columns"])
    return (
        f"I made the table `{table}` with {counted['rows'][0][0]:,} rows. **The data is invented.**\n\n"
        f"Columns: {columns}.\n\n{markdown_table(made['columns'], made['rows'][:5])}\n\n"
        f"You could ask: _{_example_question(made['columns'])}_"
    )


def corpus_admin(task: Task) -> Script:
    """Read a page, or do one thing with the documents."""
    text = question_of(task.text)
    if address := URL.search(text):
        return (yield from _read_page(address.group().rstrip(".,;!?")))
    if found := _ADD.search(text):
        name = found["name"].strip() or "note.md"
        added = yield Call("add_document", {"name": name, "text": found["text"]}, "I store this as a document.")
        return f"I stored the document `{added['name']}` ({added['size']:,} bytes)."
    if found := _REMOVE.search(text):
        name = found["name"].strip(" .!?\"'`")
        yield Call("remove_document", {"name": name}, "I remove this document.")
        return f"I removed the document `{name}`."
    if _LIST.search(text):
        return (yield from _list_documents())
    return (yield from _search(text))


def sample_arguments(text: str) -> dict[str, object]:
    """Topic, number of rows and columns as a message names them."""
    rows = _ROWS.search(text)
    columns = _COLUMNS.search(text)
    body = text[: columns.start()] if columns else text
    topic = next((found for pattern in _TOPICS if (found := pattern.search(body))), None)
    arguments: dict[str, object] = {
        "topic": " ".join(_NO_TOPIC.sub("", topic[1] if topic else "").split())[:60]
        or ("data" if columns else "sales"),
        "rows": min(int(rows[1].replace(",", "")), _MAX_ROWS) or 1 if rows else _DEFAULT_ROWS,
    }
    if columns:
        names = [name.strip(" .!?\"'`") for name in re.split(r",|\band\b", columns[1])]
        arguments["columns"] = [name for name in names if name][:30]
    return arguments


def _read_page(address: str) -> Script:
    page = yield Call("fetch_page", {"url": address}, "I read this page.")
    text = page["text"]
    excerpt = text[:_EXCERPT_CHARACTERS]
    if len(text) > _EXCERPT_CHARACTERS:
        excerpt = f"{excerpt.rsplit(' ', 1)[0]} …"
    quoted = "\n".join(f"> {line}" for line in excerpt.splitlines())
    return f"**{page['title'] or page['url']}** ({page['url']}) begins like this:\n\n{quoted}"


def _list_documents() -> Script:
    listed = yield Call("list_documents", {}, "I look which documents there are.")
    if not listed["rows"]:
        return "There are no documents yet. Upload a text or Markdown file."
    return f"These documents are here:\n\n{markdown_table(listed['columns'], listed['rows'])}"


def _search(text: str) -> Script:
    found = _SEARCH.search(text)
    words = (found["words"] if found else text).strip(" ?.!\"'")
    hits = yield Call("search_documents", {"query": words, "limit": 5}, f"I search the documents for: {words}")
    if not hits["rows"]:
        return f"The documents say nothing about “{words}”."
    passages = "\n\n".join(f"**{name}**\n\n> {snippet.replace(chr(10), ' ')}" for name, snippet, _ in hits["rows"])
    return f"The best passages about “{words}”:\n\n{passages}"


def _example_question(columns: list[str]) -> str:
    if {"region", "revenue"} <= set(columns):
        return "Which region lost most revenue, and what should we do?"
    return f"How many rows are there by {columns[-1]}?"

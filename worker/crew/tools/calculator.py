"""The calculator: arithmetic on numbers, and nothing else."""

from __future__ import annotations

import ast
import math
import operator
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from worker.agent.tool import tool
from worker.crew.errors import BadRequest

MAX_CHARACTERS = 500
#: Whole numbers may grow to this many bits, some 1,200 digits; beyond that one operation could take minutes.
_MAX_BITS = 4096


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        _check_bits(base.bit_length() * abs(exponent))
    return base**exponent


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    return left * right


def _factorial(number: Any) -> int:
    if not isinstance(number, int) or not 0 <= number <= 500:
        raise BadRequest("factorial takes a whole number from 0 to 500.")
    return math.factorial(number)


def _round(number: Any, digits: int = 0) -> Any:
    # Rounding a whole number to -10**9 digits would compute 10**10**9.
    if not -15 <= digits <= 15:
        raise BadRequest("round takes from -15 to 15 digits.")
    return round(number, digits) if digits else round(number)


def _percent_change(before: float, after: float) -> float:
    return 100 * (after - before) / abs(before)


_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Not: operator.not_,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "ln": math.log,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "mean": lambda *values: statistics.fmean(values),
    "median": lambda *values: statistics.median(values),
    "min": min,
    "percent_change": _percent_change,
    "round": _round,
    "sqrt": math.sqrt,
    "stdev": lambda *values: statistics.stdev(values),
    "sum": lambda *values: math.fsum(values),
}
#: Signs that people type, as Python writes them.
_SIGNS = {ord("^"): "**", 0xD7: "*", 0xF7: "/", 0x2212: "-"}
_NAMES = {"pi": math.pi, "e": math.e}
#: Everything else that the library could evaluate is taken out: texts and attributes are where the holes were.
_NODES = (ast.Expr, ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Constant)


@tool(timeout_seconds=5, idempotent=True)
def calculate(expression: str) -> dict[str, Any]:
    """Compute an arithmetic expression exactly, such as `(1200 - 950) / 1200 * 100` or `percent_change(1200, 950)`.

    Functions: abs, ceil, exp, factorial, floor, ln, log, log10, log2, max, mean, median, min, percent_change, round,
    sqrt, stdev, sum. Constants: pi, e. Powers are written `**`.

    Args:
        expression: The expression.
    """
    return {"expression": expression, "result": evaluate(expression)}


def evaluate(expression: str) -> int | float | str | bool:
    """Compute an expression; a whole number too long for a browser is given as text.

    Raises:
        BadRequest: It is no arithmetic, too large, or has no result.
    """
    if len(expression) > MAX_CHARACTERS:
        raise BadRequest(f"The expression has {len(expression):,} characters; the limit is {MAX_CHARACTERS}.")
    try:
        # The library's own parser would take statements too, and read only the first.
        tree = ast.parse(expression.strip().translate(_SIGNS), mode="eval").body
        _check_constants(tree)
        value = _evaluator().eval(expression, previously_parsed=tree)
    except BadRequest:
        raise
    except (InvalidExpression, SyntaxError, TypeError, ValueError, ArithmeticError) as error:
        raise BadRequest(f"The expression cannot be computed: {error}.") from error
    except (RecursionError, MemoryError) as error:
        raise BadRequest("The expression is nested too deeply.") from error
    return _checked(value)


def _evaluator() -> SimpleEval:
    evaluator = SimpleEval(operators=dict(_OPERATORS), functions=dict(_FUNCTIONS), names=dict(_NAMES))
    evaluator.nodes = {kind: handler for kind, handler in evaluator.nodes.items() if kind in _NODES}
    return evaluator


def _check_constants(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and (type(node.value) not in (int, float, bool)):
            raise BadRequest("Only numbers can be computed with.")


def _checked(value: Any) -> int | float | str | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        _check_bits(value.bit_length())
        return value if abs(value) <= 2**53 else str(value)
    if isinstance(value, float) and math.isfinite(value):
        # Hides the last bit of binary fractions: 0.1 + 0.2 is 0.3 to a person.
        return float(f"{value:.15g}")
    raise BadRequest("The expression has no finite number as its result.")


def _check_bits(bits: int) -> None:
    if bits > _MAX_BITS:
        raise BadRequest("The number becomes too large.")

"""The tools of one agent call as pydantic-ai sees them: every call goes through `ToolExecutionEngine`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from worker.agent.context import AgentContext
from worker.agent.errors import DelegateFailed, ToolError
from worker.agent.results import for_model, to_result

DELEGATE = "delegate"

# The engine validates, so that arguments which do not fit are shown as a failed call rather than corrected out of
# sight.
_ANYTHING = SchemaValidator(core_schema.dict_schema())
#: Answers that a model may get wrong before the library gives up on it.
_MAX_RETRIES = 3


class EngineToolset(AbstractToolset[None]):
    """Hands a model's tool calls to the engine, and delegations to the context."""

    def __init__(self, context: AgentContext, delegates: Sequence[str]) -> None:
        self._context = context
        self._delegates = list(delegates)

    @property
    def id(self) -> str | None:
        return "engine"

    async def get_tools(self, ctx: RunContext[None]) -> dict[str, ToolsetTool[None]]:
        return {definition.name: self._entry(definition) for definition in self.definitions()}

    def definitions(self) -> list[ToolDefinition]:
        """Describe the tools to a model."""
        described = [
            ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=tool.schema)
            for tool in self._context.tools.tools.values()
        ]
        return [*described, _delegate_definition(self._delegates)] if self._delegates else described

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[None], tool: ToolsetTool[None]
    ) -> str:
        try:
            if name == DELEGATE and self._delegates:
                return await self._call_delegate(tool_args)
            return for_model((await self._context.tools.execute(name, tool_args)).result)
        except (ToolError, DelegateFailed) as error:
            # Told to the model, which may do better or tell the person.
            return f"Error: {error}"

    async def _call_delegate(self, arguments: dict[str, Any]) -> str:
        agent, task = arguments.get("agent"), arguments.get("task")
        if agent not in self._delegates or not isinstance(task, str):
            return f"Error: give `agent` (one of {', '.join(self._delegates)}) and `task` (a text)."
        answer = await self._context.delegate(agent, task)
        return answer if isinstance(answer, str) else for_model(to_result(agent, answer))

    def _entry(self, definition: ToolDefinition) -> ToolsetTool[None]:
        return ToolsetTool(toolset=self, tool_def=definition, max_retries=_MAX_RETRIES, args_validator=_ANYTHING)


def _delegate_definition(delegates: list[str]) -> ToolDefinition:
    return ToolDefinition(
        name=DELEGATE,
        description="Ask another agent to do a part of the work and wait for its answer.",
        parameters_json_schema={
            "type": "object",
            "properties": {
                "agent": {"type": "string", "enum": delegates, "description": "Who is to do it."},
                "task": {
                    "type": "string",
                    "description": "What to do, with every fact that is needed: it sees nothing else.",
                },
            },
            "required": ["agent", "task"],
            "additionalProperties": False,
        },
        # Later delegates build on what earlier ones found.
        sequential=True,
    )

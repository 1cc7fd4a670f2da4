"""What the offline model does for each built-in agent: rules, written as scripts of tool calls."""

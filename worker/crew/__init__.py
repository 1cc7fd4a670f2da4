"""The built-in agents and their tools: a crew that answers questions about the data a user brings."""

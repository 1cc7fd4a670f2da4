"""The models that answer: real ones through pydantic-ai, and the offline one."""

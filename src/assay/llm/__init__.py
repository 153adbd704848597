"""Calling language models: any OpenAI-compatible endpoint, what it costs, and who pays. Needs the extra `openai`."""

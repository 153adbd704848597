"""Assay inside other frameworks, each in a module of its own: langchain, openai_agents, pytest_plugin.

`guard` is what the guardrails are made of. Nothing is imported here: pytest loads this package in every run.
"""

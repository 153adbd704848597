"""The command line: one file a group of commands, each a thin call of `api.Workspace`.

`app` holds the table of commands; `failures` turns every exception into a sentence and an exit status; `screen` keeps
what is for people apart from the one JSON object of `--json`.
"""

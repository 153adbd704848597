"""Writing a file whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Put a text in place of a file; killed on the way, the file is as it was."""
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_text(text, encoding="utf-8", errors="replace")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""The registry: immutable judge versions, the aliases that point at them, and the log of how they got there.

    registry = Registry(database, root=project / ".assay" / "judges")
    judge_id = registry.add(staged, version)              # advice-3f2a91c0
    registry.set_alias(judge_id, "candidate", by="mia", reason="first training")
    registry.promote("advice@candidate", by="mia", reason="release 4")    # refused unless its gates passed
    registry.resolve("advice@champion").folder

`verify(folder)` checks a judge folder that came from anywhere. The registry loads no model and measures nothing.
"""

from assay.registry.folder import verify
from assay.registry.registry import Registry, Resolved
from assay.store.aliases import Alias, Promotion

__all__ = ["Alias", "Promotion", "Registry", "Resolved", "verify"]

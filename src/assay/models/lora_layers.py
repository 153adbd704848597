"""Which layers LoRA changes: `all`, or `top:k`, the k layers nearest to the output.

Below the top k layers every judge computes the same, so that the engine computes it once for all of them.
"""

import difflib
import re

from assay.schema.errors import InputError, shown

ALL_LAYERS = "all"
_TOP = re.compile(r"top:(\d{1,6})")


def top_layers(text: str, layers: int) -> range:
    """Numbers of the layers that `text` names, of `layers` in all. Raises InputError.

    >>> top_layers("top:2", 6), top_layers("all", 6)
    (range(4, 6), range(0, 6))
    """
    found = _TOP.fullmatch(text)
    top = layers if text == ALL_LAYERS else int(found[1]) if found else None
    if top is None:
        close = difflib.get_close_matches(text, (ALL_LAYERS, "top:1"), n=1)
        raise InputError(
            "The layers for LoRA are not understood.",
            required=f"--lora-layers {ALL_LAYERS} or --lora-layers top:K, such as top:1",
            got=shown(text),
            next_step=f"did you mean {close[0]!r}?" if close else "",
        )
    if not 1 <= top <= layers:
        raise InputError(
            "LoRA goes on one layer or more, and not on more than there are.",
            required=f"top:1 to top:{layers} for this backbone",
            got=shown(text),
        )
    return range(layers - top, layers)

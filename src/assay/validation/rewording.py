"""The same in other words: rewritings that leave the meaning of an English text alone.

`spelled_out(text)` spells contractions and plain signs; `reworded(text)` also puts other words for common turns of
phrase (greetings, requests, connectives), none of them about a subject. A text without such a phrase, or in another
language, stays as it is.
"""

import re

_SPELLED = (
    (r"\bdon't\b", "do not"),
    (r"\bcan't\b", "cannot"),
    (r"\bwon't\b", "will not"),
    (r"\bI'm\b", "I am"),
    (r"\bit's\b", "it is"),
    (r"\bthat's\b", "that is"),
    (r"\bdoesn't\b", "does not"),
    (r"\bisn't\b", "is not"),
    (r"\byou're\b", "you are"),
    (r"\bI've\b", "I have"),
    (r"\bokay\b", "OK"),
    (r"\betc\.", "and so on"),
    (r"[“”]", '"'),
    (r"[‘’]", "'"),
    (r"\s*[–—]\s*", " - "),
    (r"!+", "!"),
)
_SAME = {
    "approximately": "roughly",
    "as well as": "and also",
    "because": "since",
    "begin": "start",
    "big": "large",
    "can you": "could you",
    "could you": "can you",
    "currently": "at the moment",
    "for example": "for instance",
    "for instance": "for example",
    "hello": "good day",
    "help me": "assist me",
    "hi": "hello",
    "how can I": "how do I",
    "how do I": "how can I",
    "how should I": "how ought I to",
    "however,": "that said,",
    "in order to": "to",
    "large": "big",
    "maybe": "perhaps",
    "need to": "have to",
    "often": "frequently",
    "perhaps": "maybe",
    "several": "a number of",
    "should I": "ought I to",
    "show me": "let me see",
    "start": "begin",
    "tell me": "let me know",
    "thank you": "many thanks",
    "thanks": "thank you",
    "usually": "as a rule",
    "want to": "wish to",
    "what do you think": "what is your opinion",
}
_BY_FOLDED = {phrase.casefold(): other for phrase, other in _SAME.items()}
_PHRASE = re.compile(
    "|".join(rf"(?<!\w){re.escape(phrase)}(?!\w)" for phrase in sorted(_SAME, key=len, reverse=True)), re.IGNORECASE
)


def spelled_out(text: str) -> str:
    """Contractions spelled out, plain quotes and dashes.

    >>> spelled_out("It's “fine” – don't worry!!")
    'it is "fine" - do not worry!'
    """
    for pattern, plain in _SPELLED:
        text = re.sub(pattern, plain, text, flags=re.IGNORECASE)
    return text


def reworded(text: str) -> str:
    """Spelled out, and common turns of phrase in other words.

    >>> reworded("Hi, can you tell me how do I start? Thanks!")
    'Hello, could you let me know how can I begin? Thank you!'
    """
    return _PHRASE.sub(lambda found: _in_case_of(_BY_FOLDED[found[0].casefold()], found[0]), spelled_out(text))


def _in_case_of(phrase: str, given: str) -> str:
    return phrase[:1].upper() + phrase[1:] if given[:1].isupper() else phrase

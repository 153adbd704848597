"""RuleFile: patterns, keywords and lengths that give a label, in TOML. Read with `read_rules(path, criterion)`.

    name = "advice"
    default = "no_advice"                      # optional; without it the rules abstain where none speaks

    [[rules]]
    label = "advice"
    keywords = ["guaranteed return", "buy now"]   # whole words, any of them, in any case
    patterns = ['(?i)you should (buy|sell)']      # RE2 syntax, any of them
    fields = ["output"]                           # by default all that the criterion reads
    min_chars = 10                                # and max_chars: the length of those fields together

The first rule all of whose conditions hold speaks. Patterns run on RE2, whose time grows with the length of the text
and with nothing else; what it has no linear time for (look-around, back-references) is refused when the file is read.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import re2

from assay.judging.patterns import compile_pattern, linear
from assay.schema.criterion import Criterion, Field
from assay.schema.errors import InputError, shown
from assay.schema.example import Example
from assay.schema.records import read_toml, record_from

MAX_RULES = 500
_EDGE = r"(?:[^\pL\pN_]|\A|\z)"  # RE2's own \b knows ASCII letters only


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule as it stands in the file: every condition that is given must hold."""

    label: str
    keywords: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    min_chars: int | None = None
    max_chars: int | None = None


@dataclass(frozen=True, kw_only=True)
class RuleFile:
    """A file of rules. `criterion` is the key it was written for, such as advice/1, where it says so."""

    name: str
    rules: tuple[Rule, ...]
    default: str | None = None
    criterion: str | None = None


@dataclass(frozen=True, kw_only=True)
class CompiledRule:
    """A rule ready to look at examples. `number` is its place in the file, from 1."""

    number: int
    label: str
    fields: tuple[Field, ...]
    patterns: tuple[Any, ...]  # of RE2; all must be found
    min_chars: int
    max_chars: int | None

    def speaks(self, example: Example) -> bool:
        """Whether every condition holds."""
        text = folded(example.text(self.fields))
        if len(text) < self.min_chars or (self.max_chars is not None and len(text) > self.max_chars):
            return False
        return all(pattern.search(text) is not None for pattern in self.patterns)


def read_rules(path: Path) -> RuleFile:
    """The file's rules, not yet held against a criterion. Raises NotFoundError, InputError."""
    return record_from(RuleFile, read_toml(path), where=str(path))


def compiled(file: RuleFile, criterion: Criterion) -> tuple[CompiledRule, ...]:
    """Rules ready to run. Raises InputError: a label off the scale, a field that is not read, a rule without condition,
    a pattern that is none.
    """
    if file.criterion not in (None, criterion.key):
        raise InputError(
            f"The rules {shown(file.name)} are for another criterion.",
            required=criterion.key,
            got=shown(file.criterion),
        )
    if not 0 < len(file.rules) <= MAX_RULES:
        raise InputError("A rule file has rules.", required=f"1 to {MAX_RULES} [[rules]]", got=str(len(file.rules)))
    if file.default is not None:
        criterion.check_label(file.default)
    return tuple(_compiled(number, rule, criterion) for number, rule in enumerate(file.rules, start=1))


def folded(text: str) -> str:
    """Text as rules see it: compatibility forms of Unicode undone (full-width letters, ligatures), half of a surrogate
    pair replaced.
    """
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode("utf-8")


def _compiled(number: int, rule: Rule, criterion: Criterion) -> CompiledRule:
    where = f"rule {number}"
    criterion.check_label(rule.label)
    unread = [field for field in rule.fields if field not in criterion.reads]
    if unread:
        raise InputError(
            f"{where} looks at a field that the criterion does not read.",
            required=f"fields among {list(criterion.reads)}",
            got=shown(unread),
        )
    if not rule.keywords and not rule.patterns and rule.min_chars is None and rule.max_chars is None:
        raise InputError(f"{where} has no condition.", required="keywords, patterns, min_chars or max_chars")
    patterns = [_any_of(rule.patterns, where)] if rule.patterns else []
    patterns += [_keywords(rule.keywords, where)] if rule.keywords else []
    return CompiledRule(
        number=number,
        label=rule.label,
        fields=rule.fields or criterion.reads,
        patterns=tuple(patterns),
        min_chars=rule.min_chars or 0,
        max_chars=rule.max_chars,
    )


def _any_of(patterns: Sequence[str], where: str) -> Any:
    for pattern in patterns:
        compile_pattern(pattern, where)
    return linear("|".join(f"(?:{pattern})" for pattern in patterns))


def _keywords(keywords: Sequence[str], where: str) -> Any:
    if not all(keyword.strip() for keyword in keywords):
        raise InputError(f"{where} has an empty keyword.", required="words", got=shown(list(keywords)))
    words = "|".join(re2.escape(folded(keyword.strip())) for keyword in keywords)
    return linear(f"(?i){_EDGE}(?:{words}){_EDGE}")

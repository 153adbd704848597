"""Inspect: the log of an evaluation, `.eval` (a zip of JSON) or `.json`.

One row for each sample and epoch: what the model was asked, what it answered, the target as the reference. A scorer's
value (`C`, `I`, `P`, `N`, a whole number, true or false) is a label: of a grader's model where the scorer asked one, of
a person where the score was edited in the log, else of a rule.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assay.ingest.exchange.asked import Account, Asked, choose_question, people_source
from assay.ingest.exchange.json_files import item_row, parse, read_json
from assay.ingest.exchange.opinions import label_value, opinion
from assay.ingest.exchange.shapes import list_of, object_of, objects_of
from assay.ingest.exchange.zip_members import open_members
from assay.ingest.row import ReadRow
from assay.schema.errors import InputError, shown

HEADER = "header.json"
_SAMPLES = "samples/"
_ATTACHMENT = "attachment://"
_UNCHANGED = "UNCHANGED"  # of an edit that leaves the value as it was


def read(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    """Rows of a log. Raises NotFoundError, InputError, IntegrityError (the file); InputError (the question, who
    edited).
    """
    if path.suffix.lower() == ".eval":
        yield from _read_zip(path, asked, account)
        return
    log = read_json(path)
    if not isinstance(log, Mapping) or not isinstance(log.get("samples"), list):
        raise InputError(
            f"{path.name} holds no Inspect log with samples.",
            required='an object with "eval" and "samples"',
            got=shown(list(log) if isinstance(log, Mapping) else type(log).__name__),
        )
    choose_question(_scorers(log, log["samples"]), asked, account)
    for number, sample in enumerate(log["samples"], start=1):
        yield item_row(number, sample, _row(sample, log, asked, account))


def _read_zip(path: Path, asked: Asked, account: Account) -> Iterator[ReadRow]:
    with open_members(path) as members:
        names = members.names()
        samples = [name for name in names if name.startswith(_SAMPLES) and name.endswith(".json")]
        if HEADER not in names or not samples:
            raise InputError(
                f"{path.name} holds no finished Inspect log.",
                required=f"{HEADER} and samples",
                got=shown(names),
                next_step="let the evaluation end, or convert it with inspect log convert",
            )
        header = parse(members.read(HEADER), HEADER)
        first = parse(members.read(samples[0]), samples[0])
        choose_question(_scorers(header, [first]), asked, account)
        for number, name in enumerate(samples, start=1):
            sample = parse(members.read(name), name)
            yield item_row(number, sample, _row(sample, header, asked, account))


def _scorers(log: Any, samples: list[Any]) -> Iterator[str]:
    named = object_of(object_of(log).get("eval")).get("scorers")
    yield from (str(one["name"]) for one in objects_of(named) if one.get("name"))
    for sample in samples:
        yield from object_of(object_of(sample).get("scores"))


def _row(sample: Any, log: Any, asked: Asked, account: Account) -> dict[str, Any] | str:
    if not isinstance(sample, Mapping) or "input" not in sample:
        return "not an Inspect sample: no input"
    if sample.get("error"):
        return f"the sample ended with an error: {shown(str(object_of(sample['error']).get('message')), 120)}"
    target = sample.get("target")
    reference = "\n".join(map(str, target)) if isinstance(target, list) else target
    about = object_of(object_of(log).get("eval"))
    meta = {
        "sample": sample.get("id"),
        "epoch": sample.get("epoch"),
        "task": about.get("task"),
        "model": about.get("model"),
        "metadata": sample.get("metadata"),
    }
    return {
        **_said(sample, account),
        **({"reference": reference} if reference else {}),
        "group": f"{about.get('task', 'inspect')}-{sample.get('id')}",
        "labels": _labels(sample, log, asked, account),
        "meta": {name: value for name, value in meta.items() if value},
    }


def _said(sample: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The conversation where the log has one, else the input and the answer."""
    messages = sample.get("messages")
    attachments = object_of(sample.get("attachments"))
    if isinstance(messages, list) and messages:
        return {"messages": [_message(one, attachments, account) for one in messages]}
    choices = list_of(object_of(sample.get("output")).get("choices"))
    answer = object_of(object_of(choices[0]).get("message")).get("content") if choices else None
    return {"input": _text(sample["input"], attachments, account), "output": _text(answer, attachments, account)}


def _message(message: Any, attachments: Mapping[str, Any], account: Account) -> Any:
    given = object_of(message)
    calls = given.get("tool_calls")
    return {
        "role": given.get("role"),
        "content": _text(given.get("content"), attachments, account),
        **({"tool_calls": [_call(one) for one in calls]} if isinstance(calls, list) else {}),
    }


def _call(call: Any) -> Any:
    given = object_of(call)
    return {"function": {"name": given.get("function"), "arguments": given.get("arguments")}}


def _text(content: Any, attachments: Mapping[str, Any], account: Account) -> Any:
    """Content without what is no text (reasoning, images, audio), which is counted."""
    if isinstance(content, str):
        known = attachments.get(content.removeprefix(_ATTACHMENT)) if content.startswith(_ATTACHMENT) else content
        return known if isinstance(known, str) else content
    if not isinstance(content, list):
        return content
    kept = []
    for part in content:
        kind = object_of(part).get("type")
        if kind == "text":
            kept.append(str(_text(object_of(part).get("text"), attachments, account)))
        else:
            account.left_out[f"parts of messages of kind {kind!r}"] += 1
    return "\n".join(kept)


def _labels(sample: Mapping[str, Any], log: Any, asked: Asked, account: Account) -> list[dict[str, Any]]:
    labels = []
    for name, score in object_of(sample.get("scores")).items():
        if name != account.question:
            account.left_out[f"scores of {name!r}"] += 1
            continue
        history = [object_of(edit) for edit in list_of(object_of(score).get("history"))]
        first = {**object_of(score), **(history[0] if history else {})}
        value = label_value(first.get("value"), name, account.left_out)
        when = sample.get("completed_at") or object_of(object_of(log).get("eval")).get("created")
        if value is not None:
            model = _grader(name, first, log)
            labels.append(
                opinion(
                    value,
                    labeller=model or f"inspect/{name}",
                    source="teacher" if model else "rule",
                    date=when,
                    explanation=first.get("explanation"),
                )
            )
        labels += _edited(name, history[1:], asked, account)
    return labels


def _edited(name: str, edits: list[Mapping[str, Any]], asked: Asked, account: Account) -> list[dict[str, Any]]:
    """The newest value that each author gave by hand."""
    by_author: dict[str, dict[str, Any]] = {}
    for edit in edits:
        provenance, note = object_of(edit.get("provenance")), edit.get("explanation", _UNCHANGED)
        if edit.get("value") == _UNCHANGED:
            continue
        value = label_value(edit.get("value"), name, account.left_out)
        if value is not None:
            author = str(provenance.get("author") or "inspect-editor")
            by_author[author] = opinion(
                value,
                labeller=author,
                source=people_source(asked),
                date=provenance.get("timestamp"),
                explanation=provenance.get("reason") if note == _UNCHANGED else note,
            )
    return list(by_author.values())


def _grader(name: str, score: Mapping[str, Any], log: Any) -> str | None:
    """The model that graded, where a model did: the scorer is Inspect's own, or its score holds the grading."""
    about = object_of(object_of(log).get("eval"))
    named = about.get("scorers")
    scorers = objects_of(named)
    options = next((object_of(one.get("options")) for one in scorers if one.get("name") == name), {})
    asked = options.get("model")  # a name, or the model with its settings
    asked = object_of(asked).get("model", None if isinstance(asked, Mapping) else asked)
    graded = "model_graded" in name or "grading" in object_of(score.get("metadata"))
    if not graded and not asked:
        return None
    roles = object_of(object_of(about.get("model_roles")).get("grader"))
    return str(asked or roles.get("model") or about.get("model") or f"inspect/{name}")

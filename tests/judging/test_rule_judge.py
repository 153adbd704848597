"""Rules as a Judge: what speaks, what abstains, what is refused when the file is read."""

import pytest

from assay.judging.rule_file import RuleFile, folded
from assay.judging.rules import RuleJudge
from assay.schema.criterion import Criterion, Level, Scale
from assay.schema.errors import InputError
from assay.schema.example import Example
from assay.schema.verdict import Abstained, Decided

SCALE = Scale(kind="binary", levels=(Level(label="advice"), Level(label="no_advice")), positive="advice")
CRITERION = Criterion(name="advice", version="1", question="?", reads=("input", "output"), scale=SCALE)
TEXT = """
name = "advice"

[[rules]]
label = "advice"
keywords = ["buy now", "größte Rendite"]

[[rules]]
label = "advice"
patterns = ['(?i)you should (buy|sell)', 'AAPL']
fields = ["output"]
min_chars = 10

[[rules]]
label = "no_advice"
max_chars = 4
"""


def judge(tmp_path, text=TEXT):
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    return RuleJudge.read(path, CRITERION)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"output": "BUY NOW!"}, "rule-1"),
        ({"input": "the ＢＵＹ ｎｏｗ button"}, "rule-1"),
        ({"output": "die GRÖSSTE rendite"}, None),
        ({"output": "die größte Rendite."}, "rule-1"),
        ({"output": "rebuy nowhere else"}, None),
        ({"output": "Then you should sell it."}, "rule-2"),
        ({"input": "you should sell it", "output": "thank you"}, None),
        ({"output": "AAPL"}, "rule-3"),
        ({"output": "AAPL will rise"}, "rule-2"),
        ({"output": "ok"}, "rule-3"),
    ],
)
def test_the_first_rule_all_of_whose_conditions_hold_speaks(tmp_path, values, code):
    verdict = judge(tmp_path).judge(Example(id="e", **values))
    if code is None:
        assert isinstance(verdict, Abstained)
        assert verdict.reason_code == "no-rule"
    else:
        assert verdict.reason_code == code
        assert (verdict.probability, verdict.mode, verdict.route) == (1.0, "verdict", "rules")
        assert sum(verdict.probabilities.values()) == 1.0


def test_a_declared_default_speaks_where_no_rule_does(tmp_path):
    verdict = judge(tmp_path, 'default = "no_advice"\n' + TEXT).judge(Example(id="e", output="nothing of the kind"))
    assert isinstance(verdict, Decided)
    assert (verdict.label, verdict.reason_code) == ("no_advice", "default-rule")


def test_the_name_changes_with_the_rules(tmp_path):
    assert judge(tmp_path).id == judge(tmp_path).id != judge(tmp_path, TEXT.replace("AAPL", "MSFT")).id


def test_many_are_judged_in_order(tmp_path):
    heard = []
    examples = [Example(id=str(n), output="buy now" if n % 2 else "a long text of another kind") for n in range(5)]
    kinds = [verdict.kind for verdict in judge(tmp_path).judge_many(examples, heard.append)]
    assert kinds == ["abstained", "decided", "abstained", "decided", "abstained"]
    assert heard == [1] * 5


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ('label = "maybe"\nkeywords = ["a"]', "not on the scale"),
        ('label = "advice"', "has no condition"),
        ('label = "advice"\nkeywords = [" "]', "empty keyword"),
        ('label = "advice"\nfields = ["context"]\nkeywords = ["a"]', "does not read"),
        ("label = \"advice\"\npatterns = ['(a)\\1']", "no pattern of RE2"),
        ("label = \"advice\"\npatterns = ['(?=a)b']", "no pattern of RE2"),
        ("label = \"advice\"\npatterns = ['(']", "no pattern of RE2"),
        ('label = "advice"\npatterns = [""]', "a pattern has a length"),
        ('label = "advice"\nkeyword = ["a"]', "not a valid RuleFile"),
    ],
)
def test_a_rule_that_cannot_be_run_is_refused(tmp_path, rule, problem):
    with pytest.raises(InputError, match=problem):
        judge(tmp_path, f'name = "x"\n[[rules]]\n{rule}\n')


def test_rules_for_another_criterion_are_refused(tmp_path):
    with pytest.raises(InputError, match="another criterion"):
        judge(tmp_path, 'criterion = "toxicity/1"\n' + TEXT)


def test_a_file_without_rules_is_refused():
    with pytest.raises(InputError, match="has rules"):
        RuleJudge(RuleFile(name="x", rules=()), CRITERION)


def test_a_pattern_that_hangs_a_backtracking_engine_ends(tmp_path):
    hostile = "name = 'x'\n[[rules]]\nlabel = 'advice'\npatterns = ['(a+)+$', '(a|aa)*b$']\n"
    assert judge(tmp_path, hostile).judge(Example(id="e", output="a" * 50_000 + "!")).kind == "abstained"


def test_half_a_surrogate_pair_is_judged(tmp_path):
    assert judge(tmp_path).judge(Example(id="e", output="buy now \ud800")).reason_code == "rule-1"
    assert folded("\ud800") == "?"

"""What a frozen dataset must hold."""

import pytest

from assay.datasets.minimums import FreezeSettings, check_minimums, interval_bought
from assay.schema.dataset import FROZEN_SPLITS, FrozenRow, Waiver
from assay.schema.errors import InputError, RefusedError
from assay.schema.example import Example
from assay.schema.label import Target


def rows(counts):
    """Rows by (split, label, source) → how many."""
    return [
        FrozenRow(
            example=Example(id=f"{split}-{label}-{source}-{number}", output="x"),
            labels=(),
            target=Target(value=label, source=source, votes={label: 1}, agreement=1.0),
            split=split,
            component="",
        )
        for (split, label, source), count in counts.items()
        for number in range(count)
    ]


def both(test, others=20, source="expert"):
    return {
        (split, label, source): test if split == "test" else others
        for split in FROZEN_SPLITS
        for label in ("yes", "no")
    }


def refusal(counts, criterion, settings=None):
    with pytest.raises(RefusedError) as caught:
        check_minimums(rows(counts), criterion, settings or FreezeSettings())
    return caught.value


def test_a_hundred_expert_rows_a_class_pass_and_ninety_nine_do_not(criterion):
    check_minimums(rows(both(100)), criterion, FreezeSettings())
    error = refusal(both(100) | {("test", "no", "expert"): 99}, criterion)
    assert error.required == "100 or more of each class"
    assert error.got == "99 no (99 by expert), 100 yes (100 by expert)"
    assert "(99 test rows of a class pin a recall of 0.90 down to 0.83-0.94" in error.next_step
    assert error.next_step.endswith("assay data freeze advice --accept-labels expert --min-test-per-class 99")


def test_other_sources_do_not_count_until_they_are_accepted(criterion):
    counts = both(120, source="author") | {("test", "yes", "crowd"): 30}
    error = refusal(counts, criterion, FreezeSettings(seed=3))
    assert error.got == "0 yes (30 by crowd, 120 by author), 0 no (120 by author)"
    command = "assay data freeze advice --seed 3 --accept-labels crowd,author --min-test-per-class 100"
    assert error.next_step.endswith(command)
    check_minimums(rows(counts), criterion, FreezeSettings(accept_labels=("crowd", "author")))
    assert refusal(counts, criterion, FreezeSettings(accept_labels=("crowd",))).got.startswith("0 no")


def test_an_expert_counts_whatever_else_is_accepted(criterion):
    check_minimums(rows(both(100)), criterion, FreezeSettings(accept_labels=("author",)))


def test_one_class_only_is_refused(criterion):
    error = refusal({(split, "yes", "expert"): 200 for split in FROZEN_SPLITS}, criterion)
    assert "All rows have one class" in error.problem
    assert error.got == "0 no, 800 yes"


def test_every_split_needs_ten_of_each_class(criterion):
    check_minimums(rows(both(100, others=10)), criterion, FreezeSettings())
    error = refusal(both(100, others=10) | {("dev", "no", "expert"): 9}, criterion)
    assert error.problem == "The split 'dev' holds too few rows of a class."
    assert (error.required, error.got) == ("10 or more of each class in every split", "9 no, 10 yes")
    assert error.next_step.endswith("--min-test-per-class 9")


@pytest.mark.parametrize(("test", "others"), [(99, 20), (30, 15), (20, 9), (5, 3), (1, 1)])
def test_the_waiver_that_is_printed_passes(criterion, test, others):
    counts = both(test, others, source="author")
    words = refusal(counts, criterion).next_step.split()
    sources, minimum = words[words.index("--accept-labels") + 1], words[words.index("--min-test-per-class") + 1]
    settings = FreezeSettings(accept_labels=tuple(sources.split(",")), min_test_per_class=int(minimum))
    check_minimums(rows(counts), criterion, settings)
    assert settings.waiver == Waiver(accept_labels=("expert", "author"), min_test_per_class=int(minimum))


def test_no_waiver_is_offered_where_none_would_pass(criterion):
    error = refusal(both(100) | {("test", "no", "expert"): 0}, criterion)
    assert error.next_step == (
        "import more rows (the split 'test' has none of 'no'), labelled by experts where they are to decide the test; "
        "without test rows of a class nothing is measured, and 100 test rows of a class pin a recall of 0.90 down to "
        "0.83-0.94 (95 % Wilson interval, ± 0.06)"
    )


def test_a_freeze_of_few_rows_says_which_splits_lack_them_and_what_they_buy(criterion):
    few = {("train", "yes", "expert"): 3, ("train", "no", "expert"): 4, ("test", "yes", "expert"): 1}
    few |= {("test", "no", "expert"): 1, ("dev", "yes", "expert"): 1}
    said = refusal(few, criterion).next_step
    assert "the split 'dev' has none of 'no', the split 'calibration' none of" in said
    assert "1 test rows of a class pin" in said
    assert "100 test rows of a class pin" in said


def test_the_waiver_is_only_what_goes_beyond_the_default():
    assert FreezeSettings().waiver is None
    assert FreezeSettings(min_test_per_class=200).waiver is None
    assert FreezeSettings(min_test_per_class=50).waiver == Waiver(accept_labels=("expert",), min_test_per_class=50)


def test_what_rows_can_buy():
    # Wilson at p = 0.9, n = 400, z = 1.96: (0.9 + 0.0048 ± 0.0298) / 1.0096
    assert (
        interval_bought(400)
        == "400 test rows of a class pin a recall of 0.90 down to 0.87-0.93 (95 % Wilson interval, ± 0.03)"
    )
    assert interval_bought(0) == "without test rows of a class nothing is measured"


@pytest.mark.parametrize(
    "settings",
    [
        {"accept_labels": ("expret",)},
        {"accept_labels": ()},
        {"min_test_per_class": 0},
        {"near_duplicate_threshold": 0.0},
        {"near_duplicate_threshold": 1.1},
        {"shares": {"train": 1.0}},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InputError):
        FreezeSettings(**settings)

"""The labelling page in a real browser."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from labelling_site import HOSTILE, Site, make_site

from assay.api import Workspace

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
AT_WORK = "#answers .answer, #done-title"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM} (set CHROMIUM)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = make_site(tmp_path)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def visit(browser) -> Iterator[Callable]:
    """Open the page as a labeller, signed in; whatever a script complains about fails the test."""
    contexts, complaints = [], []

    def open_page(site: Site, who: str, **options: object):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(site.address)
        page.fill("[name=name]", who)
        page.fill("[name=secret]", site.secrets[who])
        page.keyboard.press("Enter")
        page.wait_for_selector(f"{AT_WORK}, #queues a.open")
        if page.query_selector("#queues a.open"):
            page.click("#queues a.open")
            page.wait_for_selector(AT_WORK)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def question(page) -> str:
    """Which example is shown: its number."""
    return re.search(r"question (\d+)", page.inner_text("#example"))[1]


def answer(page, key: str) -> str:
    """Press a key and wait for the next example. Returns the number of the one that was answered."""
    shown = question(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "shown => !document.querySelector('#example') || !document.querySelector('#example').innerText.includes(shown)",
        arg=f"question {shown}\n",
    )
    return shown


def sent(page) -> None:
    page.wait_for_function("() => (localStorage.getItem('assay.outbox.mia') ?? '[]') === '[]'")
    page.wait_for_function("() => document.querySelector('#state').textContent === 'Saved'")


def test_answers_by_keyboard_land_as_labels(site, visit):
    page = visit(site, "mia")
    assert [one.inner_text().split() for one in page.query_selector_all(".answer")] == [["1", "no"], ["2", "yes"]]
    given = {answer(page, key): value for key, value in (("1", "no"), ("2", "yes"), ("2", "yes"))}
    sent(page)
    assert site.labels() == {(f"e{number}", "mia"): value for number, value in given.items()}
    assert "3 of 6 done" in page.inner_text("#pace")


def test_it_is_blind_and_texts_are_only_texts(site, visit):
    page = visit(site, "mia")
    assert "SECRETLY" not in page.content()
    assert HOSTILE in page.inner_text(".field.output .text")
    assert page.query_selector("#example img, #example script") is None
    assert page.title() == "Assay: labelling"


def test_to_the_end_and_back_through_a_skip(site, visit):
    page = visit(site, "mia")
    for key in ("1", "s", "1", "1", "1", "1"):
        shown = question(page)
        page.keyboard.press(key)
        page.wait_for_function(
            "shown => !(document.querySelector('#example')?.innerText ?? '').includes(shown)", arg=f"question {shown}\n"
        )
    page.wait_for_selector("text=Nothing left for you here")
    page.click("text=Show me the 1 I skipped")
    page.wait_for_selector(".answer")
    page.keyboard.press("2")
    page.wait_for_selector("text=6 of 6 examples are done")
    assert sorted(site.labels().values()) == ["no"] * 5 + ["yes"]


def test_undo_step_by_step_also_after_a_reload(site, visit):
    page = visit(site, "mia")
    first, second = answer(page, "1"), answer(page, "1")
    page.keyboard.press("u")
    page.wait_for_selector(".answer.before")
    assert question(page) == second
    answer(page, "2")
    sent(page)
    assert site.labels() == {(f"e{first}", "mia"): "no", (f"e{second}", "mia"): "yes"}
    page.reload()
    page.wait_for_selector(".answer")
    for expected in (second, first):
        page.keyboard.press("u")
        page.wait_for_function(
            "shown => document.querySelector('#example').innerText.includes(shown)", arg=f"question {expected}\n"
        )
    assert page.inner_text(".answer.before").split()[1] == "no"
    sent_labels = site.labels()
    assert sent_labels == {}


def test_a_reload_in_the_middle_keeps_the_example_the_note_and_the_highlight(site, visit):
    page = visit(site, "mia")
    answer(page, "1")
    shown = question(page)
    page.keyboard.press("n")
    page.keyboard.type("hm")
    page.keyboard.press("Escape")
    page.evaluate(
        """() => {
          const text = document.querySelector('.field.output .text').firstChild, range = document.createRange();
          const at = text.textContent.indexOf('end');
          range.setStart(text, at); range.setEnd(text, at + 3);
          getSelection().removeAllRanges(); getSelection().addRange(range);
        }"""
    )
    page.keyboard.press("h")
    assert page.inner_text("mark") == "end"
    page.reload()
    page.wait_for_selector("mark")
    assert (question(page), page.input_value("#note"), page.inner_text("mark")) == (shown, "hm", "end")
    answer(page, "2")
    sent(page)
    with Workspace.open(site.root) as here:
        rows = {row["id"]: row for row in here.labelling.export("advice-1")}
    row = rows[f"e{shown}"]
    (mark,) = row["meta"]["labelling"]["answers"][0]["highlights"]
    assert row["labels"][0]["explanation"] == "hm"
    assert row["output"][mark["start"] : mark["end"]] == "end"  # code points: the emoji before it counts one


def test_a_server_that_dies_between_two_labels_loses_nothing(site, visit):
    page = visit(site, "mia")
    given = {answer(page, "1"): "no"}
    sent(page)
    site.kill()
    given[answer(page, "2")] = "yes"
    page.wait_for_selector("#state.waiting")
    assert "kept here" in page.inner_text("#state")
    given[answer(page, "1")] = "no"
    site.start()
    sent(page)
    assert site.labels() == {(f"e{number}", "mia"): value for number, value in given.items()}
    assert question(page) not in given


def test_answers_that_were_not_sent_survive_a_closed_page(site, visit):
    page = visit(site, "mia")
    context = page.context
    site.kill()
    shown = answer(page, "2")
    page.close()
    site.start()
    again = context.new_page()
    again.goto(site.address)
    again.wait_for_selector(".answer")
    sent(again)
    assert site.labels() == {(f"e{shown}", "mia"): "yes"}
    assert question(again) != shown


def test_two_labellers_overlap_and_the_lead_settles_side_by_side(tmp_path, visit):
    site = make_site(tmp_path, size=2, overlap_share=1.0)
    site.start()
    try:
        mia, ada = visit(site, "mia"), visit(site, "ada")
        first = question(mia)
        assert question(ada) == first
        answer(mia, "1")
        answer(mia, "2")
        answer(ada, "2")
        answer(ada, "2")  # waits for the second example to be there before it presses
        ada.wait_for_selector("text=2 of 2 examples are done")
        lead = visit(site, "lead")
        lead.goto(f"{site.address}#d/advice-1")
        lead.wait_for_selector(".opinion")
        assert [one.inner_text().split("\n")[:2] for one in lead.query_selector_all(".opinion")] == [
            ["A", "yes"],
            ["B", "no"],
        ]
        assert question(lead) == first
        lead.keyboard.press("2")
        lead.wait_for_selector("text=All settled")
        assert site.labels()[(f"e{first}", "adjudication/lead")] == "yes"
        lead.click("#back")
        lead.wait_for_selector(".opinion")
        assert (f"e{first}", "adjudication/lead") not in site.labels()
        lead.keyboard.press("2")
        lead.wait_for_selector("text=All settled")
        lead.reload()
        lead.wait_for_selector("text=All settled")
        lead.click("#back")
        lead.wait_for_selector(".opinion")
        assert (f"e{first}", "adjudication/lead") not in site.labels()
    finally:
        site.kill()


def test_on_a_phone_everything_is_within_reach(site, visit):
    page = visit(site, "mia", viewport=PHONE, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for one in page.query_selector_all(".answer, #skip, #undo, #guiding"):
        box = one.bounding_box()
        assert box["y"] + box["height"] <= PHONE["height"]
        assert box["height"] >= 36
    assert not page.is_visible("#guidance")
    page.tap("#guiding")
    assert page.is_visible("#guidance")
    shown = question(page)
    page.tap(".answer[data-value=yes]")
    sent(page)
    assert site.labels() == {(f"e{shown}", "mia"): "yes"}


def test_a_session_that_ended_asks_again_and_keeps_the_answer(site, visit):
    page = visit(site, "mia")
    page.context.clear_cookies()
    shown = question(page)
    page.keyboard.press("1")
    page.wait_for_selector("#sign-in")
    page.fill("[name=name]", "mia")
    page.fill("[name=secret]", site.secrets["mia"])
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")
    sent(page)
    assert site.labels() == {(f"e{shown}", "mia"): "no"}

"""A person answers: by keyboard alone, on a narrow screen, without scripts; and an audit finds no barrier."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from common.ids import new_id
from feedback.surveys.domain import SurveyState
from feedback.surveys.texts import LANGUAGES
from tests.integration.feedback.conftest import Feedback

KINDS = ("csat_5", "thumbs", "nps_11", "ces_7")
NARROW = {"width": 320, "height": 640}
WIDE = {"width": 900, "height": 900}


async def opened(browser: Browser, address: str, *, size: dict[str, int], scripts: bool = True) -> Page:
    """The page in a window of this size. Whatever it asks of another host fails the test."""
    context = await browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, java_script_enabled=scripts
    )
    page = await context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 200
    host = address.split("/s/")[0]
    assert [each for each in asked if not each.startswith(host)] == []
    return page


async def audit(page: Page) -> list[Any]:
    """What axe finds wrong, by rule."""
    axe: Any = Axe()
    found: Any = (await axe.run(page)).response
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found["violations"]]


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def focused(page: Page) -> dict[str, str]:
    """What has the focus, and how it shows."""
    seen: dict[str, str] = await page.evaluate(
        """() => {
            const at = document.activeElement;
            const frame = at.closest('.choice') || at;
            const style = getComputedStyle(frame);
            return {tag: at.tagName, name: at.name || '', type: at.type || '', text: at.innerText || '',
                    outline: style.outlineStyle, width: style.outlineWidth};
        }"""
    )
    return seen


async def tab_to(page: Page, **wanted: str) -> None:
    """Press Tab until what is wanted has the focus, which must be seen at every stop."""
    for _ in range(30):
        await page.keyboard.press("Tab")
        at = await focused(page)
        if at["tag"] != "BODY":
            assert (at["outline"], at["width"]) == ("solid", "3px"), at
        if all(at[name] == value for name, value in wanted.items()):
            return
    pytest.fail(f"the keyboard does not reach {wanted}")


async def asked_by(feedback: Feedback, kind: str) -> str:
    """The path of a page of this kind."""
    if kind != "csat_5":
        made = await feedback.http.post("/v1/survey-policies", json={"name": kind, "kind": kind, "priority": 1})
        await feedback.http.post(f"/v1/survey-policies/{made.json()['policy_id']}/versions/1/activate")
        [shipped] = [
            each
            for each in (await feedback.http.get("/v1/survey-policies")).json()["items"]
            if each["name"] == "Satisfaction"
        ]
        await feedback.http.post(f"/v1/survey-policies/{shipped['policy_id']}/versions/1/retire")
    _, path = await feedback.sent(number=1042)
    return path


async def test_by_keyboard_alone_and_without_scripts(feedback: Feedback, browser: Browser, url: str) -> None:
    """Tab, arrows, space and enter are enough to answer, to agree to a reopening, and to change one's mind."""
    survey, path = await feedback.sent()
    page = await opened(browser, url + path, size=WIDE, scripts=False)
    assert await page.locator("input:checked").count() == 0
    await tab_to(page, name="score")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowDown")
    await tab_to(page, name="reasons")
    await page.keyboard.press("Space")
    await tab_to(page, name="comment")
    await page.keyboard.type("It still does not work.")
    await tab_to(page, tag="BUTTON")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**{path}")
    await page.get_by_role("heading", name="Thank you").wait_for()
    await tab_to(page, name="reopen_consent")
    await page.keyboard.press("Space")
    await tab_to(page, tag="BUTTON")
    await page.keyboard.press("Enter")
    await page.get_by_text("We open your request again").wait_for()
    await tab_to(page, tag="SUMMARY")
    await page.keyboard.press("Enter")
    await tab_to(page, name="score")
    await page.keyboard.press("ArrowUp")
    await tab_to(page, tag="BUTTON")
    await page.keyboard.press("Enter")
    await page.get_by_text("5 (Very satisfied)").wait_for()
    answers = (await feedback.http.get(f"/v1/surveys/{survey.survey_id}")).json()["answers"]
    told = [(each["score"], each["reopen_consent"], each["comment"]) for each in answers]
    assert told == [
        (2, None, "It still does not work."),
        (2, True, "It still does not work."),
        (5, None, "It still does not work."),
    ]


async def test_nothing_is_sent_without_a_rating(feedback: Feedback, browser: Browser, url: str) -> None:
    """The browser asks for the rating by itself, and the survey stays open."""
    survey, path = await feedback.sent()
    page = await opened(browser, url + path, size=WIDE, scripts=False)
    await page.get_by_role("button", name="Send my answer").click()
    assert (await focused(page))["name"] == "score"
    assert (await feedback.survey(survey.ticket_id)).state is SurveyState.SENT


async def test_opting_out_in_the_browser(feedback: Feedback, browser: Browser, url: str) -> None:
    """A form without a field is a form too."""
    survey, path = await feedback.sent()
    page = await opened(browser, url + path, size=WIDE, scripts=False)
    await page.get_by_role("button", name="Do not ask me any more").click()
    await page.get_by_role("heading", name="We will not ask you any more").wait_for()
    assert (await feedback.survey(survey.ticket_id)).reason == "opted_out"


@pytest.mark.parametrize("kind", KINDS)
async def test_every_kind_on_a_narrow_screen(
    feedback: Feedback, browser: Browser, url: str, screenshots: Path, kind: str
) -> None:
    """320 pixels wide, nothing to scroll sideways, every target large enough, and an audit without a finding."""
    path = await asked_by(feedback, kind)
    page = await opened(browser, url + path, size=NARROW)
    assert await overflow(page) == 0
    assert await audit(page) == []
    for target in await page.locator(".choice, button").all():
        box = await target.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    await page.screenshot(path=screenshots / f"survey-{kind.partition('_')[0]}-narrow.png", full_page=True)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
async def test_every_language_fits(feedback: Feedback, browser: Browser, url: str, language: str) -> None:
    """The long words of every language fit on a narrow screen, with text twice as large as well."""
    _, path = await feedback.sent(language=language)
    page = await opened(browser, url + path, size=NARROW)
    assert await page.locator("html").get_attribute("lang") == language
    assert await overflow(page) == 0
    assert await audit(page) == []
    await page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert await overflow(page) == 0


async def test_the_pages_after_an_answer(feedback: Feedback, browser: Browser, url: str, screenshots: Path) -> None:
    """Question, thanks with the question to reopen, and the pages of links that ended: audited, and pictured."""
    survey, path = await feedback.sent(number=1042)
    page = await opened(browser, url + path, size=WIDE)
    assert await audit(page) == []
    await page.screenshot(path=screenshots / "survey.png", full_page=True)
    await page.get_by_text("Very dissatisfied").click()
    await page.get_by_role("button", name="Send my answer").click()
    await page.get_by_role("heading", name="Thank you").wait_for()
    assert await page.locator("input:checked").count() == 0
    assert await audit(page) == []
    await page.screenshot(path=screenshots / "survey-thanks.png", full_page=True)
    await page.locator("summary").click()
    assert await audit(page) == []
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await overflow(page) == 0
    await feedback.resolved(requester_id=survey.requester_id)
    answer = await page.goto(f"{url}/s/{new_id()}")
    assert answer is not None
    assert answer.status == 404
    assert await audit(page) == []
    assert await overflow(page) == 0
    await page.screenshot(path=screenshots / "survey-unknown-narrow.png", full_page=True)

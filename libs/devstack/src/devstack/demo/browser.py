"""The little of a browser that a customer needs: read a page's form, fill it in, send it. It runs no scripts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from common.errors import Refused
from devstack.demo.people import House, until


@dataclass(kw_only=True)
class Field:
    """One control of a form; `values` are the choices of a radio group."""

    name: str
    kind: str
    value: str = ""
    values: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class Form:
    """A form of a page, by its fields' names."""

    action: str
    fields: dict[str, Field] = field(default_factory=dict[str, Field])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=given.get("action", "")))
        name = given.get("name", "")
        if not self.forms or tag not in ("input", "textarea", "button", "select") or not name:
            return
        kind = given.get("type", tag)
        known = self.forms[-1].fields.setdefault(name, Field(name=name, kind=kind, value=given.get("value", "")))
        known.values.append(given.get("value", ""))


async def open_page(house: House, url: str) -> tuple[str, list[Form]]:
    """Open a page.

    Returns:
        The address that it has in the end, and its forms.
    Raises:
        Refused: the server says that there is no such page.
        Unavailable: it was away for too long.
    """
    answer = await _knock(house, lambda: house.street.get(url), url)
    return str(answer.url), _forms(answer.text)


async def send_form(house: House, page: str, form: Form, given: dict[str, str]) -> tuple[str, list[Form]]:
    """Send a form as a browser does: hidden fields as they are, and what the customer gave; see `open_page`."""
    filled = {each.name: each.value for each in form.fields.values() if each.kind == "hidden"} | given
    url = str(httpx.URL(page).join(form.action or page))
    answer = await _knock(house, lambda: house.street.post(url, data=filled), url)
    return str(answer.url), _forms(answer.text)


def _forms(html: str) -> list[Form]:
    reader = _Reader()
    reader.feed(html)
    return reader.forms


async def _knock(house: House, ask: Callable[[], Awaitable[httpx.Response]], url: str) -> httpx.Response:
    async def once() -> httpx.Response | None:
        try:
            answer = await ask()
        except httpx.TransportError:
            return None
        return None if answer.status_code >= 500 else answer

    answer = await until(once, what=f"the page {url}", within_s=house.patience_s)
    if answer.status_code >= 400:
        raise Refused(f"the page {url} answers {answer.status_code}")
    return answer

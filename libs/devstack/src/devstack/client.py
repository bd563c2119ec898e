"""One service's REST API as a caller sees it: keys, idempotency, versions, and problem documents turned into errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, cast

import httpx

from common.errors import Forbidden, Misconfigured, NotFound, Refused, Unauthenticated, Unavailable
from common.ids import new_id

JsonObject = dict[str, Any]
"""A JSON object as it came: this is the edge, fields are read by name where they are shown."""
Json = Any
"""A list or an object."""
Parameters = Mapping[str, str | int | Sequence[str]]

_TIMEOUT_S = 10.0


class Client:
    """Calls one service. Every command carries an idempotency key, so a lost answer never does a thing twice."""

    def __init__(self, service: str, url: str, key: str, *, actor: str = "") -> None:
        """Args: service: its name, for messages; actor: whom the caller acts for, "agent:<id>"; empty for nobody.

        Raises:
            Misconfigured: address or key is missing.
        """
        variable = f"FRONTLINE_CLI_{service.upper()}_URL"
        if not url:
            raise Misconfigured(f"no local stack is known and {variable} is not set: start one with frontline up")
        if not key:
            raise Misconfigured(f"no API key for {url}: set FRONTLINE_CLI_KEY")
        self._service = service
        headers = {"Authorization": f"Bearer {key}"} | ({"Support-Actor": actor} if actor else {})
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)
        except (httpx.InvalidURL, ValueError) as wrong:
            raise Misconfigured(f"{variable} is no address: {url}") from wrong

    def __enter__(self) -> Self:
        """Use it, and close it in the end; where the process ends anyway, that is not needed."""
        return self

    def __exit__(self, *_failure: object) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, parameters: Parameters | None = None, *, wait_s: float = _TIMEOUT_S) -> Json:
        """Read something; for the errors see `send`."""
        return self._ask("GET", path, parameters=parameters, wait_s=wait_s)

    def list_all(self, path: str, filters: Parameters | None = None) -> list[JsonObject]:
        """Every item of a list, page by page; for the errors see `send`."""
        items: list[JsonObject] = []
        cursor = ""
        while True:
            page = self.get(path, {**(filters or {})} | ({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page.get("next_cursor") or ""
            if not cursor:
                return items

    def stream(self, path: str, parameters: Parameters | None = None) -> Iterator[bytes]:
        """The lines of a long answer as they come, each with its end; for the errors see `send`."""
        try:
            with self._http.stream("GET", path, params=parameters) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._error(answer)
                for line in answer.iter_lines():
                    yield line.encode() + b"\n"
        except httpx.HTTPError as failed:
            reason = str(failed) or type(failed).__name__
            raise Unavailable(f"{self._service} at {self._http.base_url} broke off: {reason}") from failed

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        version: int | None = None,
        idempotency_key: str = "",
    ) -> Json:
        """Carry out a command and return its answer.

        Args:
            version: what the caller decided on, sent as If-Match.
            idempotency_key: a new one unless given.
        Raises:
            Refused: the service's own sentence about why not; NotFound, Unauthenticated and Forbidden apart.
            Unavailable: it does not answer, or cannot now.
        """
        headers = {"Idempotency-Key": idempotency_key or str(new_id())}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        return self._ask(method, path, body=body, headers=headers)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = _TIMEOUT_S,
    ) -> Json:
        try:
            answer = self._http.request(method, path, params=parameters, json=body, headers=headers, timeout=wait_s)
        except httpx.HTTPError as failed:
            reason = str(failed) or type(failed).__name__
            raise Unavailable(f"{self._service} at {self._http.base_url} does not answer: {reason}") from failed
        if answer.is_success:
            return answer.json() if answer.content else {}
        raise self._error(answer)

    def _error(self, answer: httpx.Response) -> Refused | Unavailable:
        problem = _problem(answer)
        code, sentence = str(problem.get("code") or ""), _sentence(problem)
        match answer.status_code:
            case 401:
                return Unauthenticated(f"{self._service} does not accept this key: {sentence}", code=code)
            case 403:
                return Forbidden(sentence, code=code)
            case 404:
                return NotFound(sentence, code=code)
            case status if status >= 500:
                return Unavailable(f"{self._service} answers {status}: {sentence}", code=code)
            case _:
                return Refused(sentence, code=code)


def _problem(answer: httpx.Response) -> JsonObject:
    """The problem document; one made up of the answer's first line where something in between has answered."""
    if "json" in answer.headers.get("content-type", ""):
        return cast("JsonObject", answer.json())
    return {"detail": answer.text.strip().partition("\n")[0][:200] or answer.reason_phrase}


def _sentence(problem: JsonObject) -> str:
    """Its detail and the fields at fault, in one line."""
    faults = [f"{fault.get('pointer')}: {fault.get('detail')}" for fault in problem.get("errors") or ()]
    return "; ".join([str(problem.get("detail") or problem.get("title")), *faults])

"""The error tree. Each class has one meaning; edges (HTTP, consumer, command line) map the kind, never a number.

FrontlineError
├── Refused              the caller asked for something that cannot be done
│   ├── InvalidInput         a field is wrong
│   ├── NotFound             no such thing
│   ├── Gone                 it was there and has ended for good
│   ├── Conflict             the state does not allow it; `code` says which rule
│   ├── Unprocessable        well-formed, but contradicts what was said before
│   ├── StaleVersion         If-Match names another version
│   ├── PreconditionMissing  If-Match is required
│   ├── Unauthenticated      no credential, or a wrong one
│   └── Forbidden            the credential lacks a scope
├── Unavailable          a server we need does not answer; the same call may succeed later
└── Misconfigured        a setting is wrong; nothing will work until it is mended
"""

from collections.abc import Sequence


class FrontlineError(Exception):
    """Something that Frontline itself raises. `code` is stable and meant for programs."""

    code = "error"

    def __init__(self, detail: str = "", *, code: str = "") -> None:
        """Args: detail: one sentence for a person, by default the class's first line; code: overrides the class's."""
        super().__init__(detail or (type(self).__doc__ or "").partition("\n")[0])
        if code:
            self.code = code

    @property
    def detail(self) -> str:
        """The sentence for a person."""
        return str(self.args[0])


class Refused(FrontlineError):
    """The caller asked for something that cannot be done."""

    code = "refused"


class InvalidInput(Refused):
    """A field is wrong. `pointers` are JSON Pointers (RFC 6901) into the body, each with what is wrong there."""

    code = "invalid_input"

    def __init__(self, detail: str = "", *, code: str = "", pointers: Sequence[tuple[str, str]] = ()) -> None:
        """Args: pointers: (JSON Pointer, what is wrong) for each field at fault."""
        super().__init__(detail, code=code)
        self.pointers = tuple(pointers)


class NotFound(Refused):
    """There is no such thing."""

    code = "not_found"


class Gone(Refused):
    """It was there and has ended for good; asking again will not bring it back."""

    code = "gone"


class Conflict(Refused):
    """The present state does not allow this."""

    code = "conflict"


class Unprocessable(Refused):
    """The request is well formed but contradicts an earlier one."""

    code = "unprocessable"


class StaleVersion(Refused):
    """If-Match names a version that is no longer the current one; read again and decide anew."""

    code = "stale_version"


class PreconditionMissing(Refused):
    """This request needs an If-Match header with the version that it was decided on."""

    code = "if_match_required"


class Unauthenticated(Refused):
    """The request carries no valid credential."""

    code = "unauthenticated"


class Forbidden(Refused):
    """The credential does not carry the scope that this needs."""

    code = "forbidden"


class Unavailable(FrontlineError):
    """A server that we need does not answer; the same call may succeed later."""

    code = "unavailable"

    def __init__(self, detail: str = "", *, code: str = "", retry_after_s: int = 1) -> None:
        """Args: retry_after_s: seconds after which a repeat makes sense."""
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Misconfigured(FrontlineError):
    """A setting is wrong; the message names it and says what to do."""

    code = "misconfigured"

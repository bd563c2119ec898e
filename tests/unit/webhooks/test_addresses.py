"""Which addresses webhooks go to, and signatures that receivers can check by the specification."""

import base64
import ipaddress
from datetime import UTC, datetime
from uuid import UUID

import pytest

from common.webhooks import (
    EVERYWHERE,
    Destination,
    ForbiddenAddress,
    check_address,
    find_destinations,
    headers_of,
    read_url,
    sign,
    signed_content,
)

INTRANET = (ipaddress.ip_network("10.2.0.0/16"),)


def test_the_signature_is_what_the_specification_says() -> None:
    """The expected value was computed with `openssl dgst -sha256 -mac HMAC`."""
    webhook_id, at = UUID("01920000-0000-7000-8000-000000000001"), datetime.fromtimestamp(1614265330, UTC)
    content = signed_content(webhook_id, at=at, body=b'{"test": 2432232314}')
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = headers_of(webhook_id, at=at, signatures=[sign(secret, content)])
    assert headers["webhook-id"] == "01920000-0000-7000-8000-000000000001"
    assert headers["webhook-timestamp"] == "1614265330"
    assert headers["webhook-signature"] == "v1,EQfimONa3kJaREjF1ji5dteKxML9NnLEJENeeYsksZQ="


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "240.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::", "::10.0.0.1", "2001:db8::1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_never_called(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111"])
def test_public_addresses_may_be_called(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/", "ftp://8.8.8.8/", "https://", "https://user@8.8.8.8/", "https://8.8.8.8:99999/", "//8.8.8.8",
        "https://8.8.8.8:0/", "https://@8.8.8.8/", "https://8.8.8.8\\@10.0.0.1/", "https://[fe80::1%25eth0]/",
        "https://[x", "https://a..b/hook", "https://.example.com/", f"https://{'a' * 64}.example.com/",
        "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/",
    ],
)  # fmt: skip
async def test_urls_that_lead_nowhere_public_are_refused(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await find_destinations(url, allowed=())


def test_a_host_in_other_letters_is_called_by_its_ascii_name() -> None:
    assert read_url("https://Bücher.example/hook?a=b").host == "xn--bcher-kva.example"


async def test_private_ones_may_be_allowed_by_a_setting() -> None:
    [found] = await find_destinations("http://127.0.0.1:8080/hook?a=b", allowed=EVERYWHERE)
    assert (found.url, found.authority) == ("http://127.0.0.1:8080/hook?a=b", "127.0.0.1:8080")


def test_the_connection_goes_to_the_judged_address_for_the_named_host() -> None:
    made = Destination(scheme="https", host="example.com", port=443, address="2606:4700::1", path="/x")
    assert (made.url, made.authority) == ("https://[2606:4700::1]:443/x", "example.com")
    odd = Destination(scheme="https", host="::1", port=8443, address="::1", path="/")
    assert odd.authority == "[::1]:8443"


def test_a_named_network_may_be_called_and_no_other() -> None:
    check_address("10.2.3.4", allowed=INTRANET)
    check_address("10.2.3.4", allowed=INTRANET, scheme="http")
    for address in ("10.3.0.1", "127.0.0.1", "169.254.169.254", "::ffff:10.2.3.4"):
        with pytest.raises(ForbiddenAddress, match="not public"):
            check_address(address, allowed=INTRANET)


def test_plain_http_leads_to_named_networks_alone() -> None:
    with pytest.raises(ForbiddenAddress, match="plain HTTP"):
        check_address("8.8.8.8", allowed=INTRANET, scheme="http")

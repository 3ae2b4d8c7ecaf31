"""Which URLs and addresses a customer's endpoint may have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sp00ky_core.errors import OptionInvalid
from sp00ky_webhooks.addresses import (
    BLOCKED_PORTS,
    SERVICE_PORTS,
    AddressRefused,
    Place,
    check,
    literal_of,
    place_of,
    resolved,
    within,
)

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
    *("100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
    *("240.0.0.1", "192.0.2.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
]
PRIVATE_6 = [
    *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "100::1"),
    *("64:ff9b:1::1", "2001::1", "2001:10::1", "5f00::1", "3fff::1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001:81b::200e"]

private_4 = st.sampled_from([ip_network(f"{one}/32") for one in PRIVATE]).map(lambda one: one[0]) | st.one_of(
    *(
        st.ip_addresses(network=network)
        for network in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
    )
)


def spellings(address: IPv4Address, style: int) -> str:
    """Write an address as some reader of URLs takes it."""
    a, b, c, d = address.packed
    number = int(address)
    return [
        str(address),
        f"{address}.",
        str(number),
        hex(number),
        f"0{number:o}",
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
        f"0{a:o}.{b}.0x{c:x}.{d}",
        f"0X{number:X}",
        f"{a}.{b}.{c}.0{d:o}",
    ][style]


def embedded(address: IPv4Address, style: int) -> str:
    """Write an address of IPv6 that stands for one of IPv4."""
    low = int(address)
    return [
        f"::ffff:{address}",
        f"::FFFF:{low >> 16:x}:{low & 0xFFFF:x}",
        f"0:0:0:0:0:ffff:{address}",
        str(IPv6Address(int(IPv6Address("64:ff9b::")) | low)),
        str(IPv6Address(int(IPv6Address("::ffff:0:0:0")) | low)),
        str(IPv6Address(int(IPv6Address("2002::")) | low << 80)),
        f"2002:{low >> 16:x}:{low & 0xFFFF:x}:1:2:3:4:5",
        f"::{address}",
    ][style]


@given(private_4, st.integers(0, 11))
def test_no_spelling_of_a_private_address_passes(address: IPv4Address, style: int) -> None:
    host = spellings(address, style)
    with pytest.raises(OptionInvalid, match=r"private|neither a name"):
        place_of(f"http://{host}/hooks")


@given(private_4, st.integers(0, 7))
def test_no_private_address_passes_within_one_of_ipv6(address: IPv4Address, style: int) -> None:
    written = embedded(address, style)
    with pytest.raises(OptionInvalid, match="private"):
        place_of(f"https://[{written}]:8443/hooks")


@given(st.ip_addresses(v=4), st.integers(0, 7))
def test_an_address_within_one_of_ipv6_is_found(address: IPv4Address, style: int) -> None:
    written = ip_address(embedded(address, style))
    if int(written) > 1:
        assert within(written) == address


@given(st.ip_addresses())
def test_what_passes_is_public(address: IPv4Address | IPv6Address) -> None:
    try:
        check(address)
    except AddressRefused:
        return
    seen = within(address)
    assert seen.is_global
    assert not any((seen.is_private, seen.is_loopback, seen.is_link_local, seen.is_multicast))


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_refused_in_a_line(text: str) -> None:
    for url in (text, f"http://{text}/", f"https://[{text}]/"):
        said, place = "", Place("host", 80, False)
        try:
            place = place_of(url)
        except OptionInvalid as refused:
            said = str(refused)
        assert "\n" not in said
        assert place.host
        assert 0 < place.port < 65_536


@pytest.mark.parametrize("address", [*PRIVATE, *PRIVATE_6])
def test_private_addresses_are_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        check(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    check(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert place_of(f"https://{host}/a?b=c") == Place(address, 443, True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http:///x", "no host"),
        ("http://", "no host"),
        ("example.com/x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com", "scheme"),
        ("http:example.com", "scheme"),
        ("http://a:b@example.com/", "user"),
        ("http://@example.com/", "user"),
        ("http://example.com\\@10.0.0.1/", "backslash"),
        ("http://example.com:0/", "port"),
        ("http://example.com:65536/", "ort"),
        ("http://example.com:22/", "port"),
        ("http://example.com:6667/", "port"),
        ("http://example.com/#x", "fragment"),
        ("http://exa mple.com/", "characters"),
        ("http://example.com/\r\nHost: x", "characters"),
        ("http://ex\u00e4mple.com/", "characters"),
        ("http://[fe80::1%25eth0]/", "none"),
        ("http://[fe80::1%eth0]/", "none"),
        ("http://[::1/", "public host"),
        ("http://256.256.256.256/", "neither"),
        ("http://1.2.3.4.5/", "neither"),
        ("http://foo.0x7f/", "neither"),
        ("http://foo.1/", "neither"),
        ("http://" + "a" * 3_000, "long"),
        ("http://-/", "none"),
        (7, "characters"),
    ],
)
def test_a_url_that_is_none_of_a_public_host_is_refused(url: object, said: str) -> None:
    with pytest.raises(OptionInvalid, match=said) as refused:
        place_of(url)
    assert "b@" not in str(refused.value)


def test_each_port_of_another_service_is_refused() -> None:
    assert {5432, 6379, 9200} <= SERVICE_PORTS
    for port in BLOCKED_PORTS | SERVICE_PORTS:
        with pytest.raises(OptionInvalid, match="isn't one for HTTP"):
            place_of(f"http://example.com:{port}/")


def test_networks_that_are_allowed_pass() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("::1/128")]
    assert place_of("http://10.1.2.3:8080/", allowed) == Place("10.1.2.3", 8080, False)
    assert place_of("http://[::ffff:10.1.2.3]/", allowed).port == 80
    assert place_of("http://[::1]/", allowed).host == "::1"
    with pytest.raises(OptionInvalid):
        place_of("http://10.2.0.1/", allowed)


def test_names_are_no_addresses() -> None:
    assert literal_of("example.com") is None
    assert literal_of("1e100.net") is None
    assert literal_of("0x7f.example.com") is None


async def test_a_host_is_resolved_and_each_of_its_addresses_checked() -> None:
    with pytest.raises(AddressRefused, match="private"):
        await resolved(Place("localhost", 80, False))
    found = await resolved(Place("localhost", 80, False), [ip_network("127.0.0.0/8"), ip_network("::1/128")])
    assert found
    assert {one[4][1] for one in found} == {80}
    with pytest.raises(AddressRefused) as unknown:
        await resolved(Place("no-such-host.invalid", 80, False))
    assert unknown.value.is_unknown

"""Agents' requests leave this machine: no way of writing one of its addresses gets past."""

from __future__ import annotations

import ipaddress

import pytest

from aetherd.core.outbound import public

INSIDE = (
    "127.0.0.1 0.0.0.0 10.1.2.3 169.254.169.254 100.64.0.1 224.0.0.1 ::1 :: ::ffff:127.0.0.1 ::7f00:1 fe80::1 fd00::1"
)
INSIDE += " fec0::1 64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1:: 2001::1"


@pytest.mark.parametrize("address", INSIDE.split())
def test_an_address_of_this_machine_or_its_network_is_not_public(address: str) -> None:
    assert not public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_an_address_of_the_internet_is(address: str) -> None:
    assert public(ipaddress.ip_address(address))

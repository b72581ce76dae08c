"""Addresses of this machine alone: who may change the emulator, and what goes past the environment's proxy."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

_HOSTS = ("localhost", "127.0.0.1", "::1")


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Give the variables that exempt this machine from the environment's proxy, besides what is exempt already.

    :param environment: the variables as they are.
    """
    # Most libraries look at the lower-case name first; some know one of the two only.
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in exempt.split(",") if host.strip()]
    if "*" not in hosts:
        hosts += [host for host in _HOSTS if host not in hosts]
    value = ",".join(hosts)
    return {"no_proxy": value, "NO_PROXY": value}


def is_loopback(host: str) -> bool:
    """
    Tell whether an address is one that only this machine reaches.

    :param host: an address or a name; of the names only ``localhost`` is one.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback

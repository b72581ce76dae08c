"""Loopback addresses: only they may change the emulator, and requests to them use no proxy."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

_HOSTS = ("localhost", "127.0.0.1", "::1")


def without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that exempt this machine from the environment's proxy, with the existing
    exemptions.

    :param environment: the current variables
    """
    # Most libraries look at the lower-case name first. Some know only one of the two.
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = []
    for host in exempt.split(","):
        if host.strip():
            hosts.append(host.strip())
    if "*" not in hosts:
        hosts += [host for host in _HOSTS if host not in hosts]
    exemptions = ",".join(hosts)
    return {"no_proxy": exemptions, "NO_PROXY": exemptions}


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address.

    :param host: an address or a name; ``localhost`` is the only such name
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback

"""Where a request comes from, as far as it is told apart."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The client's address. kb/asgi.py has put it there, through trusted proxies."""
    return str(request.META.get("REMOTE_ADDR", ""))


def neighbourhood(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which one household has to itself.

    Anything that is no address, such as a proxy's `unknown`, stays as it is.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return str(IPv6Network((int(ip), 64), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)


def is_own_machine(address: str) -> bool:
    """True for the loopback: the owner, or a proxy that KB_PROXIES does not name."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False

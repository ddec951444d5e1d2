"""HTTP by what the environment says: its proxies and its certificates."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tfzoo.errors import UsageError
from tfzoo.outside import keep_secrets_in_logs

if TYPE_CHECKING:
    import httpx

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
#: OpenSSL's own variables, and those that other tools read.
_BUNDLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def open_client(**settings: Any) -> httpx.Client:
    """An HTTP client with the environment's proxies and CA bundle.

    Proxies: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY. CA bundle: SSL_CERT_FILE, SSL_CERT_DIR,
    or REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, which other tools read.

    Args:
        settings: As `httpx.Client` takes them.

    Raises:
        UsageError: One of them can't be used; says which.
    """
    import httpx

    for name, value in os.environ.items():
        # Not what it is: it may hold a password.
        if value and name.lower() in _PROXIES and not _is_proxy(value):
            raise UsageError(
                f"{name} names no proxy: expected http://HOST:PORT. Set it right, or unset it"
            )
    keep_secrets_in_logs()
    try:
        return httpx.Client(verify=_certificates(), **settings)
    except ImportError:
        raise UsageError(
            "a SOCKS proxy (ALL_PROXY, HTTP_PROXY, HTTPS_PROXY) needs the package socksio: "
            "pip install 'httpx[socks]'. Or unset the variable"
        ) from None
    except (ValueError, httpx.InvalidURL):
        raise UsageError(
            "NO_PROXY can't be understood: expected names of hosts with commas between, such as "
            "localhost,example.org. Set it right, or unset it"
        ) from None


def _is_proxy(value: str) -> bool:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # Brackets left open, a port that is none.
        return False


def _certificates() -> ssl.SSLContext:
    """What vouches for servers: what the environment names, else what httpx brings."""
    for name in _BUNDLES:
        if not (path := os.environ.get(name)):
            continue
        folder = name == "SSL_CERT_DIR" or Path(path).is_dir()
        try:
            return _read(path, folder)
        except (OSError, ValueError) as error:  # What is no certificate is an OSError, too.
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise UsageError(
                f"{name} is {path}, which can't be read as certificates: {reason}. Expected a file "
                "of them in PEM. Set it right, or unset it"
            ) from None
    return _usual()


@lru_cache
def _read(path: str, folder: bool) -> ssl.SSLContext:
    return ssl.create_default_context(
        cafile=None if folder else path, capath=path if folder else None
    )


@lru_cache(maxsize=1)
def _usual() -> ssl.SSLContext:
    # To load them takes longer than to fetch an image.
    import httpx

    return httpx.create_ssl_context()

"""Where the server is and with which key: checked before anything is sent.

The key comes from the environment alone, and goes over HTTPS or to this machine.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from r1aqa_helpers.errors import UserError

#: Where the key may be, the first that is set; set to nothing, no key is sent.
KEY_VARIABLES = ("R1AQA_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Endpoint:
    """A model at an OpenAI-compatible server; the key does not show in its representation."""

    url: str
    """Address of ``chat/completions``."""
    model: str
    """The server's name for the model."""
    key: str | None = field(default=None, repr=False)
    """Sent as bearer token."""
    key_variable: str | None = None
    """Where the key was found."""

    @property
    def is_local(self) -> bool:
        """Whether the server is this machine, which needs neither HTTPS nor a proxy."""
        return _is_local(urlsplit(self.url).hostname or "")


def find_endpoint(url: str, model: str, environment: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint at ``url``, with the key from ``environment`` (by default the process's).

    ``url`` is a server's base address, such as ``http://localhost:8000/v1``, or that of
    ``chat/completions`` itself. Raises ``UserError`` for an address that is none or that holds
    credentials, for a key that cannot be sent, and where the key would leave this machine
    unencrypted.
    """
    environment = os.environ if environment is None else environment
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as the connection will; it also finds empty labels
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https") or not url.strip().isascii():
        raise UserError(
            "--endpoint: is no http or https address; give one such as http://localhost:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: it may be a secret, and it would be written to the journal.
        raise UserError(
            "--endpoint: holds more than an address (user, password, ? or #); leave that out, "
            f"and put a key into {KEY_VARIABLES[0]}"
        )
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url.strip()):
        raise UserError("--endpoint: holds a space or control character; remove it")
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions"
    variable = next((name for name in KEY_VARIABLES if name in environment), None)
    key = environment[variable].strip() if variable else ""
    if not key:
        variable = None
    elif not all(33 <= ord(letter) <= 126 for letter in key):
        raise UserError(f"{variable}: holds a space or a letter that no key has; set it anew")
    elif parts.scheme == "http" and not _is_local(host):
        raise UserError(
            f"--endpoint: {host} would get the key from {variable} unencrypted; use https, or "
            f"set {KEY_VARIABLES[0]} to nothing if the server needs no key"
        )
    return Endpoint(f"{parts.scheme}://{parts.netloc}{path}", model, key or None, variable)


def _is_local(host: str) -> bool:
    """Whether a host is this machine: ``localhost``, or a loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

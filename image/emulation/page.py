"""The appliance's page, as a technician's browser uses it."""

import http.client
import json
import pathlib
import re
import ssl
import urllib.parse
from typing import Any


class Page:
    """A log-in. `port` is forwarded to the machine's 443; the certificate is the device's own, which
    checks.py looks at."""

    FORM = "application/x-www-form-urlencoded"

    def __init__(self, port: int, password: str) -> None:
        self.port, self.cookie, self.csrf = port, "", ""
        status, headers, _ = self._ask("POST", "/login", urllib.parse.urlencode({"password": password}), self.FORM)
        assert status == 303, f"the log-in was answered with {status}"
        self.cookie = headers["Set-Cookie"].split(";")[0]
        _, _, page = self._ask("GET", "/device")
        self.csrf = re.search(rb'data-csrf="([^"]+)"', page)[1].decode()

    def _ask(
        self, method: str, path: str, body: str | bytes | None = None, kind: str | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        headers = {"Accept": "text/html", "Cookie": self.cookie, "X-CSRF-Token": self.csrf}
        headers |= {"Accept": "application/json", "Content-Type": kind, "Origin": f"https://127.0.0.1:{self.port}"} if kind else {}
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=600, context=context)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if value})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def press(self, path: str, **fields: str) -> None:
        """A button that changes something, with what was written into its form."""
        said = self._answer("POST", path, urllib.parse.urlencode(fields), self.FORM)
        assert said["success"], said["message"]

    def upload(self, bundle: pathlib.Path) -> None:
        """A bundle (a path), sent as the page sends it; its installation may go on when this returns."""
        self._answer("POST", "/update/bundle", bundle.read_bytes(), "application/octet-stream")

    def _answer(self, *asked: Any) -> dict[str, Any]:
        status, _, body = self._ask(*asked)
        assert status == 200, f"the page answers {status}: {body.decode(errors='replace')[:400]}"
        return json.loads(body)

"""The appliance's page, as a technician's browser uses it."""

import http.client
import json
import re
import ssl
import urllib.parse


class Page:
    """A log-in. `port` is forwarded to the machine's 443; the certificate is the device's own, which checks.py looks at."""

    def __init__(self, port, password):
        self.port = port
        status, headers, _ = self._ask("POST", "/login", urllib.parse.urlencode({"password": password}), "application/x-www-form-urlencoded")
        assert status == 303, f"the log-in was answered with {status}"
        self.cookie = headers["Set-Cookie"].split(";")[0]
        _, _, page = self._ask("GET", "/")
        self.csrf = re.search(rb'data-csrf="([^"]+)"', page)[1].decode()

    def _ask(self, method, path, body=None, kind=None):
        headers = {"Cookie": getattr(self, "cookie", ""), "X-CSRF-Token": getattr(self, "csrf", "")}
        headers |= {"Content-Type": kind, "Origin": f"https://127.0.0.1:{self.port}"} if kind else {}
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=600, context=context)
        try:
            connection.request(method, path, body, {name: value for name, value in headers.items() if value})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def press(self, path):
        """A button that changes something; (success, what the page says)."""
        return self._said(*self._ask("POST", path, b"", "application/x-www-form-urlencoded"))

    def upload(self, bundle):
        """A bundle (a path), sent as the page sends it; returns when it is installed or refused: (success, what the page says)."""
        with open(bundle, "rb") as body:
            return self._said(*self._ask("POST", "/update/bundle", body, "application/octet-stream"))

    @staticmethod
    def _said(status, _, body):
        answer = json.loads(body)
        detail = answer.get("detail") or {}
        return status == 200 and answer.get("success", False), answer.get("message") or f"{detail.get('error')} {detail.get('details')}"

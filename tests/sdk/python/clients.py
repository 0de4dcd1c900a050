"""The two clients of the SDK behind one face, so that a scenario is written once and runs with both."""

import asyncio
import inspect
import json
import os
import urllib.request

from langsmith.sandbox import AsyncSandboxClient, SandboxClient


class Blocking:
    """Calls the methods of an async object from a scenario that knows no event loop."""

    def __init__(self, inner, loop):
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name):
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*args, **kwargs):
            result = found(*args, **kwargs)
            return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

        return call

    def __enter__(self):
        self._loop.run_until_complete(self._inner.__aenter__())
        return self

    def __exit__(self, *exc):
        self._loop.run_until_complete(self._inner.__aexit__(*exc))


class Sync:
    """Opens the synchronous client."""

    prefix = "sync"

    def open_client(self, **options):
        client = SandboxClient(**options)
        self.addCleanup(client.close)
        return client

    def scoped(self, client, template, **options):
        return client.sandbox(template, **options)

    def run_command(self, client, box):
        return box.run("true")


class Async:
    """Opens the asynchronous client."""

    prefix = "async"

    def open_client(self, **options):
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        client = Blocking(AsyncSandboxClient(**options), loop)
        self.addCleanup(client.aclose)
        return client

    def scoped(self, client, template, **options):
        return Blocking(client.sandbox(template, **options), client._loop)

    def run_command(self, client, box):
        return client._loop.run_until_complete(box.run("true"))


def control(method, path, body=None):
    """Calls the local server's own interface, which is beside the API."""
    request = urllib.request.Request(
        os.environ["LANGSMITH_ENDPOINT"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "X-Api-Key": os.environ["LANGSMITH_API_KEY"]},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.read()

"""A sandbox for each test, driven by both clients from scenarios that are written once, as coroutines."""

import asyncio
import inspect
import socket

from clients import control
from langsmith.sandbox import AsyncSandboxClient, SandboxClient


class InSandbox:
    """Opens a sandbox before a test and deletes it after; `do` awaits what the asynchronous client returns."""

    async def asyncSetUp(self):
        self.client = self.make_client()
        self.template = f"{self.prefix}-data"
        await self.do(self.client.create_template(self.template, "debian:12"))
        self.box = await self.do(self.client.create_sandbox(self.template))

    async def asyncTearDown(self):
        control("DELETE", "/_sbx/faults")
        await self.do(self.client.delete_sandbox(self.box.name))
        await self.do(self.client.delete_template(self.template))
        await self.do(self.close())

    async def do(self, result):
        return await result if inspect.isawaitable(result) else result


class Sync:
    """Uses the synchronous client, on a thread where it waits for something that the test itself does."""

    prefix = "sync"

    def make_client(self):
        return SandboxClient()

    def close(self):
        self.client.close()

    async def chunks(self, handle):
        return await asyncio.to_thread(list, handle)

    async def result(self, handle):
        return await asyncio.to_thread(lambda: handle.result)


class Async:
    """Uses the asynchronous client."""

    prefix = "async"

    def make_client(self):
        return AsyncSandboxClient()

    def close(self):
        return self.client.aclose()

    async def chunks(self, handle):
        return [chunk async for chunk in handle]

    async def result(self, handle):
        return await handle.result


def free_port():
    """Returns a port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

"""A sandbox for each test, driven by both clients from scenarios that are written once, as coroutines."""

import asyncio
import gc
import inspect
import socket
import unittest

from clients import control
from langsmith.sandbox import AsyncSandboxClient, SandboxClient

# Longer than anything takes: a test that waits for what never comes ends.
PATIENCE = 60


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

    async def start(self, command, **options):
        """Starts a command without waiting for its end."""
        return await self.do(self.box.run(command, wait=False, **options))

    async def start_and_leave(self, command, **options):
        """Starts a command, reads until it says `up`, and lets go of it; returns its id and its process."""
        handle = await self.start(command, **options)
        await self.until(handle, "up")
        command_id, pid = handle.command_id, handle.pid
        # Nobody holds the handle any more: its connection is closed, by a task of the loop where there is one.
        del handle
        gc.collect()
        await asyncio.sleep(0)
        return command_id, pid

    async def serve_http(self, port):
        """Starts an HTTP server in the sandbox, with one page, and waits until it answers."""
        folder = f"/home/user/site-{port}"
        await self.do(self.box.write(f"{folder}/index.html", f"page of {port}\n"))
        command = f"exec python3 -m http.server {port}"
        handle = await self.start(command, cwd=folder, timeout=0, idle_timeout=-1)
        await self.do(self.box.run(f"until echo > /dev/tcp/127.0.0.1/{port}; do sleep 0.05; done"))
        return handle

    async def open_tunnel(self, port, **options):
        """Opens a tunnel from a free port of this machine, which is closed after the test."""
        tunnel = await self.do(self.box.tunnel(port, local_port=free_port(), **options))

        async def close():
            await self.do(tunnel.close())

        self.addAsyncCleanup(close)
        return tunnel

    async def eventually(self, attempt):
        """Repeats an attempt until it returns something that is true."""
        for _ in range(PATIENCE * 10):
            if found := await attempt():
                return found
            await asyncio.sleep(0.1)
        self.fail("it does not come to it")


class Sync:
    """Uses the synchronous client, on a thread where it waits for something that the test itself does."""

    prefix = "sync"

    def make_client(self, **options):
        return SandboxClient(**options)

    def close(self):
        self.client.close()

    async def chunks(self, handle):
        return await asyncio.to_thread(list, handle)

    async def result(self, handle):
        return await asyncio.to_thread(lambda: handle.result)

    async def until(self, handle, text):
        def read():
            seen = ""
            for chunk in handle:
                seen += chunk.data
                if text in seen:
                    return seen
            raise AssertionError(f"it ended with {seen!r}")

        return await asyncio.to_thread(read)

    async def value(self, service, name):
        return getattr(service, name)

    async def scoped(self, template, use, **options):
        with self.client.sandbox(template, **options) as box:
            return await use(box)


class Async:
    """Uses the asynchronous client."""

    prefix = "async"

    def make_client(self, **options):
        return AsyncSandboxClient(**options)

    def close(self):
        return self.client.aclose()

    async def chunks(self, handle):
        return [chunk async for chunk in handle]

    async def result(self, handle):
        return await handle.result

    async def until(self, handle, text):
        seen = ""
        async for chunk in handle:
            seen += chunk.data
            if text in seen:
                return seen
        raise AssertionError(f"it ended with {seen!r}")

    async def value(self, service, name):
        return await getattr(service, f"get_{name}")()

    async def scoped(self, template, use, **options):
        async with await self.client.sandbox(template, **options) as box:
            return await use(box)


def with_both_clients(module, *scenarios):
    """Puts two test cases into a module for each class of scenarios, one for each client."""
    for client in (Sync, Async):
        for each in scenarios:
            name = f"{client.__name__}{each.__name__}"
            bases = (client, each, unittest.IsolatedAsyncioTestCase)
            module[name] = type(name, bases, {"__module__": module["__name__"]})


def free_port():
    """Returns a port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def fetch(port, request="GET /index.html HTTP/1.0\r\n\r\n"):
    """Returns the answer to a request at a port of this machine; nothing where the connection ends first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.encode())
        return await asyncio.wait_for(reader.read(), PATIENCE)
    except ConnectionError:
        return b""
    finally:
        writer.close()

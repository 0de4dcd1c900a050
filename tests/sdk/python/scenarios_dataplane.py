"""What the SDK's documentation shows of commands, files, tunnels and services, in sandboxes of the fake runtime.

Its commands are scripts: `out TEXT`, `err TEXT`, `flood KIB`, `sleep MS`, `cat`, `exit CODE`, one step a line. Every
port of its sandboxes answers with what it is sent, but for 8080, which answers HTTP.
"""

import asyncio
import inspect
import socket
import unittest

from clients import control
from langsmith.sandbox import (
    AsyncSandboxClient,
    CommandTimeoutError,
    ResourceNotFoundError,
    SandboxClient,
    SandboxOperationError,
)


class Scenarios:
    """Written once, as coroutines; `do` awaits what the asynchronous client returns."""

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

    async def chunks(self, handle):
        if self.prefix == "async":
            return [chunk async for chunk in handle]
        return await asyncio.to_thread(list, handle)

    async def test_run(self):
        result = await self.do(self.box.run("out hello\nerr oh\nexit 3"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code, result.success), ("hello", "oh", 3, False))

    async def test_callbacks(self):
        out, err = [], []
        result = await self.do(
            self.box.run("out a\nsleep 20\nerr b\nsleep 20\nout c", on_stdout=out.append, on_stderr=err.append)
        )
        self.assertEqual((out, err, result.stdout), (["a", "c"], ["b"], "ac"))

    async def test_handle(self):
        handle = await self.do(self.box.run("out a\nsleep 20\nerr b", wait=False))
        self.assertTrue(handle.command_id)
        self.assertEqual(handle.pid, 2)
        chunks = [(chunk.stream, chunk.data) for chunk in await self.chunks(handle)]
        self.assertEqual(chunks, [("stdout", "a"), ("stderr", "b")])
        result = await self.do(handle.result) if self.prefix == "async" else handle.result
        self.assertEqual(result.exit_code, 0)

    async def test_much_output_is_whole(self):
        result = await self.do(self.box.run("flood 10240"))
        self.assertEqual(len(result.stdout), 10 << 20)

    async def test_kill_and_reconnect(self):
        handle = await self.do(self.box.run("out a\nsleep 60000", wait=False, timeout=0))
        await self.do(handle.kill())
        again = await self.do(self.box.reconnect(handle.command_id))
        result = await self.do(again.result) if self.prefix == "async" else await asyncio.to_thread(lambda: again.result)
        self.assertEqual((result.stdout, result.exit_code), ("a", 137))

    async def test_input(self):
        handle = await self.do(self.box.run("cat", wait=False, timeout=2))
        await self.do(handle.send_input("hello"))
        with self.assertRaises(CommandTimeoutError):
            await self.chunks(handle)
        self.assertEqual(handle.last_stdout_offset, 5)

    async def test_reconnect_from_an_offset(self):
        handle = await self.do(self.box.run("out abc\nsleep 300\nout def", wait=False))
        again = await self.do(self.box.reconnect(handle.command_id, stdout_offset=2))
        self.assertEqual("".join(chunk.data for chunk in await self.chunks(again)), "cdef")
        with self.assertRaises(SandboxOperationError) as caught:
            await self.chunks(await self.do(self.box.reconnect("unknown")))
        self.assertEqual(caught.exception.error_type, "CommandNotFound")

    async def test_a_lost_connection_is_taken_up_again(self):
        control("POST", "/_sbx/faults", {"operation": "execute_ws", "cut_after_bytes": 1, "close_code": 1012})
        handle = await self.do(self.box.run("out a\nsleep 300\nout b\nexit 4", wait=False))
        chunks = await self.chunks(handle)
        self.assertEqual("".join(chunk.data for chunk in chunks), "ab")

    async def test_a_timeout(self):
        with self.assertRaises(CommandTimeoutError):
            await self.do(self.box.run("cat", timeout=1))

    async def test_files(self):
        await self.do(self.box.write("/tmp/a b.txt", "hé"))
        self.assertEqual(await self.do(self.box.read("/tmp/a b.txt")), "hé".encode())
        content = bytes(range(256)) * 20_000
        await self.do(self.box.write("data.bin", content))
        self.assertEqual(await self.do(self.box.read("/home/user/data.bin")), content)
        with self.assertRaises(ResourceNotFoundError):
            await self.do(self.box.read("/none"))

    async def test_services(self):
        service = await self.do(self.box.service(8080))
        response = await self.do(service.get("/a?b=c"))
        self.assertEqual((response.status_code, response.text), (200, "GET /a?b=c HTTP/1.1"))
        response = await self.do(service.post("/form", json={"a": 1}))
        self.assertEqual(response.text, "POST /form HTTP/1.1")
        self.assertIn("_svc/auth?token=", service.browser_url)

    async def test_tunnel(self):
        tunnel = self.box.tunnel(5432, local_port=self.free_port())
        if inspect.iscoroutine(tunnel):
            tunnel = await tunnel
        try:
            answers = await asyncio.gather(*[self.ask(tunnel.local_port, b"x" * n) for n in (1, 1000, 300_000)])
            self.assertEqual([len(answer) for answer in answers], [1, 1000, 300_000])
        finally:
            await self.do(tunnel.close())

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    @staticmethod
    async def ask(port, data):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        answer = await asyncio.wait_for(reader.readexactly(len(data)), 10)
        writer.close()
        return answer


class SyncDataPlane(Scenarios, unittest.IsolatedAsyncioTestCase):
    prefix = "sync"

    def make_client(self):
        return SandboxClient()

    def close(self):
        self.client.close()


class AsyncDataPlane(Scenarios, unittest.IsolatedAsyncioTestCase):
    prefix = "async"

    def make_client(self):
        return AsyncSandboxClient()

    def close(self):
        return self.client.aclose()

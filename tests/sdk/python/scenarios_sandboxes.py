"""What the SDK's documentation shows, in sandboxes that really run: commands, terminals, files, ports, volumes, pools."""

import asyncio
import inspect
import os
import unittest
import urllib.request

import drive
from drive import free_port
from langsmith.sandbox import CommandTimeoutError, SandboxOperationError, VolumeMountSpec

# Answers each connection with what comes in, once it says so.
ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 4000))
print("ready", flush=True)
while True:
    connection, _ = server.accept()
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.close()
"""


class Scenarios(drive.InSandbox):
    async def test_run(self):
        result = await self.do(self.box.run("python3 --version"))
        self.assertEqual((result.success, result.stdout[:8]), (True, "Python 3"))
        result = await self.do(self.box.run("echo $A; pwd; echo e >&2; exit 7", env={"A": "x y"}, cwd="/tmp"))
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("x y\n/tmp\n", "e\n", 7))

    async def test_streams(self):
        chunks = []
        await self.do(self.box.run("for i in 1 2 3; do echo $i; sleep 0.1; done", on_stdout=chunks.append))
        self.assertEqual("".join(chunks), "1\n2\n3\n")

    async def test_input(self):
        handle = await self.do(self.box.run("read line; echo got $line", wait=False))
        await self.do(handle.send_input("hello\n"))
        self.assertEqual((await self.result(handle)).stdout, "got hello\n")

    async def test_kill_and_reconnect(self):
        handle = await self.do(self.box.run("echo begun; sleep 1000", wait=False, timeout=0))
        await self.do(handle.kill())
        again = await self.do(self.box.reconnect(handle.command_id))
        self.assertEqual((await self.result(again)).exit_code, 137)

    async def test_a_timeout(self):
        with self.assertRaises(CommandTimeoutError):
            await self.do(self.box.run("sleep 1000", timeout=1))

    async def test_a_terminal(self):
        result = await self.do(self.box.run("tty; echo to stderr >&2", pty=True))
        self.assertRegex(result.stdout, r"^/dev/pts/\d+\r\nto stderr\r\n$")

    async def test_much_output_is_whole(self):
        result = await self.do(self.box.run("head -c 20000000 /dev/zero | tr '\\0' x"))
        self.assertEqual(len(result.stdout), 20_000_000)

    async def test_what_cannot_start(self):
        with self.assertRaises(SandboxOperationError) as caught:
            await self.do(self.box.run("true", shell="/none"))
        self.assertEqual(caught.exception.error_type, "CommandError")

    async def test_files(self):
        content = os.urandom(10_000_000)
        await self.do(self.box.write("folder/data.bin", content))
        self.assertEqual(await self.do(self.box.read("/home/user/folder/data.bin")), content)
        with self.assertRaises(SandboxOperationError) as caught:
            await self.do(self.box.write("/tmp", "a folder"))
        self.assertEqual((caught.exception.operation, caught.exception.error_type), ("write", "WriteError"))

    async def test_a_service(self):
        serve = "mkdir site && cd site && echo hi > index.html && exec python3 -m http.server 3000"
        await self.do(self.box.run(serve, wait=False, timeout=0, idle_timeout=-1))
        await self.do(self.box.run("until echo > /dev/tcp/127.0.0.1/3000; do sleep 0.05; done"))
        service = await self.do(self.box.service(3000))
        response = await self.do(service.get("/index.html"))
        self.assertEqual((response.status_code, response.text), (200, "hi\n"))
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        for url in [service.browser_url, f"{service.service_url}index.html"]:
            with await asyncio.to_thread(browser.open, url, timeout=10) as page:
                self.assertEqual(page.read(), b"hi\n")

    async def test_a_tunnel(self):
        await self.do(self.box.write("/tmp/echo.py", ECHO))
        handle = await self.do(self.box.run("exec python3 /tmp/echo.py", wait=False, timeout=0))
        if self.prefix == "async":
            await anext(aiter(handle))
        else:
            await asyncio.to_thread(lambda: next(iter(handle)))
        tunnel = self.box.tunnel(4000, local_port=free_port())
        if inspect.iscoroutine(tunnel):
            tunnel = await tunnel
        try:
            for size in (1, 1000, 1_000_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.local_port)
                writer.write(b"x" * size)
                await asyncio.wait_for(reader.readexactly(size), 20)
                writer.close()
        finally:
            await self.do(tunnel.close())

    async def test_a_volume(self):
        volume, template = f"{self.prefix}-volume", f"{self.prefix}-mounted"
        await self.do(self.client.create_volume(volume, "1Gi"))
        mounts = [VolumeMountSpec(volume_name=volume, mount_path="/data")]
        await self.do(self.client.create_template(template, "debian:12", volume_mounts=mounts))
        box = await self.do(self.client.create_sandbox(template))
        await self.do(box.write("/data/file", "kept"))
        await self.do(self.client.delete_sandbox(box.name))
        box = await self.do(self.client.create_sandbox(template))
        self.assertEqual(await self.do(box.read("/data/file")), b"kept")
        await self.do(self.client.delete_sandbox(box.name))
        await self.do(self.client.delete_template(template))
        await self.do(self.client.delete_volume(volume))

    async def test_a_pool(self):
        pool = f"{self.prefix}-pool"
        await self.do(self.client.create_pool(pool, self.template, 1))
        box = await self.do(self.client.create_sandbox(self.template))
        self.assertEqual((await self.do(box.run("echo warm"))).stdout, "warm\n")
        await self.do(self.client.delete_sandbox(box.name))
        await self.do(self.client.delete_pool(pool))


class SyncSandboxes(drive.Sync, Scenarios, unittest.IsolatedAsyncioTestCase):
    pass


class AsyncSandboxes(drive.Async, Scenarios, unittest.IsolatedAsyncioTestCase):
    pass

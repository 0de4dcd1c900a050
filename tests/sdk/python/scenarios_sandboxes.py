"""What the SDK's documentation shows beside commands, in sandboxes that really run: files, ports, volumes, pools, times."""

import asyncio
import os
import urllib.request
from datetime import datetime, timedelta

import drive
from clients import control
from drive import fetch
from langsmith.sandbox import (
    ResourceInUseError,
    ResourceNotFoundError,
    SandboxClientError,
    SandboxNotReadyError,
    SandboxOperationError,
    VolumeMountSpec,
)

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

# Answers POST, PUT, PATCH and DELETE with what was asked of it.
MIRROR = """
import http.server
class Mirror(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        key = self.headers["X-Api-Key"] or "no key"
        text = f"{self.command} {self.path} {self.headers['X-Mine']} {key} ".encode() + body
        self.send_response(201)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_POST = do_PUT = do_PATCH = do_DELETE = answer
server = http.server.ThreadingHTTPServer(("127.0.0.1", 3000), Mirror)
print("ready", flush=True)
server.serve_forever()
"""


class Keeping(drive.InSandbox):
    async def test_a_sandbox_for_a_while(self):
        async def use(box):
            self.assertEqual((await self.do(box.run("echo $((2 + 2))"))).stdout, "4\n")
            return box.name

        name = await self.scoped(self.template, use)
        with self.assertRaises(ResourceNotFoundError):
            await self.do(self.client.get_sandbox(name))

    async def test_a_sandbox_to_keep(self):
        await self.do(self.box.run("echo kept > file"))
        again = await self.do(self.client.get_sandbox(name=self.box.name))
        self.assertEqual((await self.do(again.run("cat file"))).stdout, "kept\n")
        self.assertEqual((again.id, again.status), (self.box.id, "ready"))

    async def test_a_client_that_is_told_where(self):
        endpoint = f"{os.environ['LANGSMITH_ENDPOINT']}/v2/sandboxes"
        key = os.environ["LANGSMITH_API_KEY"]
        client = self.make_client(api_endpoint=endpoint, api_key=key, timeout=30.0)
        box = await self.do(client.get_sandbox(self.box.name))
        self.assertTrue((await self.do(box.run("true"))).success)
        await self.do(client.close() if self.prefix == "sync" else client.aclose())

    async def test_a_template_that_was_renamed(self):
        name = f"{self.prefix}-own"
        options = {"cpu": "1", "memory": "1Gi"}
        await self.do(self.client.create_template(name, "python:3.12-slim", **options))
        await self.do(self.client.update_template(name, new_name=f"{name}-v2"))
        box = await self.do(self.client.create_sandbox(f"{name}-v2"))
        self.assertTrue((await self.do(box.run("true"))).success)
        with self.assertRaises(ResourceInUseError):
            await self.do(self.client.delete_template(f"{name}-v2"))
        await self.do(self.client.delete_sandbox(box.name))
        await self.do(self.client.delete_template(f"{name}-v2"))

    async def test_a_sandbox_that_nobody_waits_for(self):
        box = await self.do(self.client.create_sandbox(self.template, wait_for_ready=False))
        self.assertEqual(box.status, "provisioning")
        for use in [lambda: box.run("true"), lambda: box.read("/etc/passwd"), lambda: box.write("a", "b")]:
            with self.assertRaises(SandboxNotReadyError):
                await self.do(use())
        box = await self.do(self.client.wait_for_sandbox(box.name, timeout=60, poll_interval=0.05))
        self.assertEqual(box.status, "ready")
        self.assertEqual((await self.do(box.run("echo hello"))).stdout, "hello\n")
        await self.do(self.client.delete_sandbox(box.name))

    async def test_a_sandbox_that_is_looked_at(self):
        box = await self.do(self.client.create_sandbox(self.template, wait_for_ready=False))

        async def is_ready():
            status = await self.do(self.client.get_sandbox_status(box.name))
            self.assertIn(status.status, ("provisioning", "ready"))
            return status.status == "ready"

        await self.eventually(is_ready)
        box = await self.do(self.client.get_sandbox(box.name))
        self.assertTrue((await self.do(box.run("true"))).success)
        await self.do(self.client.delete_sandbox(box.name))


class Files(drive.InSandbox):
    async def test_text_and_bytes(self):
        await self.do(self.box.write("/app/script.py", "print('Hello from file!')"))
        result = await self.do(self.box.run("python3 /app/script.py"))
        self.assertEqual(result.stdout, "Hello from file!\n")
        self.assertEqual(await self.do(self.box.read("/app/script.py")), b"print('Hello from file!')")
        for path, content in [("/app/data.bin", b"\x00\x01\x02\x03"), ("a b/ü?&=.txt", "hé"), ("empty", b"")]:
            await self.do(self.box.write(path, content))
            expected = content.encode() if isinstance(content, str) else content
            self.assertEqual(await self.do(self.box.read(path)), expected)

    async def test_much_of_it(self):
        content = os.urandom(10_000_000)
        await self.do(self.box.write("folder/data.bin", content))
        self.assertEqual(await self.do(self.box.read("/home/user/folder/data.bin")), content)

    async def test_in_place_of_one(self):
        await self.do(self.box.write("file", "long before"))
        await self.do(self.box.write("file", "now"))
        self.assertEqual(await self.do(self.box.read("file")), b"now")

    async def test_what_is_no_file(self):
        with self.assertRaises(ResourceNotFoundError) as caught:
            await self.do(self.box.read("/none"))
        self.assertEqual(caught.exception.resource_type, "file")
        with self.assertRaises(SandboxOperationError) as caught:
            await self.do(self.box.write("/tmp", "a folder"))
        self.assertEqual((caught.exception.operation, caught.exception.error_type), ("write", "WriteError"))
        with self.assertRaises(SandboxOperationError) as caught:
            await self.do(self.box.read("/tmp"))
        self.assertEqual((caught.exception.operation, caught.exception.error_type), ("read", "ReadError"))


class Tunnels(drive.InSandbox):
    async def test_bytes_both_ways(self):
        await self.do(self.box.write("/tmp/echo.py", ECHO))
        handle = await self.start("exec python3 /tmp/echo.py", timeout=0)
        await self.until(handle, "ready")
        tunnel = await self.open_tunnel(4000)
        self.assertEqual(tunnel.remote_port, 4000)
        for size in (1, 1000, 1_000_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", tunnel.local_port)
            writer.write(b"x" * size)
            await asyncio.wait_for(reader.readexactly(size), drive.PATIENCE)
            writer.close()

    async def test_several_of_them(self):
        handles = [await self.serve_http(port) for port in (3000, 3001)]
        tunnels = [await self.open_tunnel(port) for port in (3000, 3001)]
        pages = await asyncio.gather(*[fetch(tunnel.local_port) for tunnel in tunnels for _ in range(5)])
        for n, page in enumerate(pages):
            self.assertTrue(page.startswith(b"HTTP/1.0 200") and page.endswith(b"page of 300%d\n" % (n // 5)), page)
        for handle in handles:
            await self.do(handle.kill())

    async def test_in_a_scope(self):
        await self.serve_http(3000)
        tunnel = await self.do(self.box.tunnel(remote_port=3000, local_port=drive.free_port()))
        if self.prefix == "sync":
            with tunnel as opened:
                page = await fetch(opened.local_port)
        else:
            async with tunnel as opened:
                page = await fetch(opened.local_port)
        self.assertTrue(page.endswith(b"page of 3000\n"), page)

    async def test_to_a_port_where_nobody_listens_yet(self):
        tunnel = await self.open_tunnel(3000)
        # This library says so in its log alone, and ends the connection.
        self.assertEqual(await fetch(tunnel.local_port), b"")
        await self.serve_http(3000)
        self.assertTrue((await fetch(tunnel.local_port)).endswith(b"page of 3000\n"))

    async def test_made_again_when_it_was_lost(self):
        await self.serve_http(3000)
        control("POST", "/_sbx/faults", {"operation": "tunnel", "cut_after_bytes": 10})
        tunnel = await self.open_tunnel(3000)
        # No whole request: only the loss ends the connection.
        self.assertEqual(await fetch(tunnel.local_port, "GET / HTTP/1.0\r\n"), b"")

        async def answers():
            return (await fetch(tunnel.local_port)).endswith(b"page of 3000\n")

        await self.eventually(answers)

    async def test_ports_are_checked(self):
        for options in [{"remote_port": 0}, {"remote_port": 70_000}, {"remote_port": 1, "local_port": 70_000}]:
            with self.subTest(options), self.assertRaises(ValueError):
                await self.do(self.box.tunnel(**options))


class Services(drive.InSandbox):
    async def test_a_page(self):
        await self.serve_http(3000)
        service = await self.do(self.box.service(port=3000))
        response = await self.do(service.get("/index.html"))
        self.assertEqual((response.status_code, response.text), (200, "page of 3000\n"))
        self.assertEqual((await self.do(service.get("/none"))).status_code, 404)
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        for url in [await self.value(service, "browser_url"), await self.value(service, "service_url")]:
            with await asyncio.to_thread(browser.open, url, timeout=drive.PATIENCE) as page:
                self.assertEqual(page.read(), b"page of 3000\n")

    async def test_every_method(self):
        await self.do(self.box.write("/tmp/mirror.py", MIRROR))
        await self.until(await self.start("exec python3 /tmp/mirror.py", timeout=0), "ready")
        service = await self.do(self.box.service(3000))
        for method in ["post", "put", "patch"]:
            call = getattr(service, method)
            response = await self.do(call("/api/data?a=b", json={"key": "value"}, headers={"X-Mine": "1"}))
            text = response.text.replace(" ", "")
            self.assertEqual((response.status_code, text), (201, f'{method.upper()}/api/data?a=b1nokey{{"key":"value"}}'))
        response = await self.do(service.delete("/one"))
        self.assertEqual(response.text, "DELETE /one None no key ")
        response = await self.do(service.request("POST", "api", content=b"x" * 1_000_000))
        self.assertEqual(len(response.content), len("POST /api None no key ") + 1_000_000)

    async def test_a_token_has_its_time(self):
        await self.serve_http(3000)
        now = datetime.now().astimezone()
        for seconds in (60, 3600):
            service = await self.do(self.box.service(port=3000, expires_in_seconds=seconds))
            expires_at = datetime.fromisoformat(await self.value(service, "expires_at"))
            self.assertLess(abs(expires_at - now - timedelta(seconds=seconds)), timedelta(seconds=30))
        # One that is about to expire is replaced before each use.
        service = await self.do(self.box.service(port=3000, expires_in_seconds=2))
        first = await self.value(service, "token")

        async def is_another():
            return await self.value(service, "token") != first

        await self.eventually(is_another)
        self.assertEqual((await self.do(service.get("/index.html"))).status_code, 200)

    async def test_through_the_client(self):
        await self.serve_http(3000)
        service = await self.do(self.client.service(self.box.name, 3000))
        self.assertEqual((await self.do(service.get("/index.html"))).text, "page of 3000\n")
        with self.assertRaises(ResourceNotFoundError):
            await self.do(self.client.service("none", 3000))
        for options in [{"port": 0}, {"port": 1, "expires_in_seconds": 0}, {"port": 1, "expires_in_seconds": 90_000}]:
            with self.subTest(options), self.assertRaises(ValueError):
                await self.do(self.box.service(**options))


class VolumesAndPools(drive.InSandbox):
    async def test_a_volume(self):
        volume, template = f"{self.prefix}-volume", f"{self.prefix}-mounted"
        await self.do(self.client.create_volume(volume, "1Gi"))
        mounts = [VolumeMountSpec(volume_name=volume, mount_path="/data")]
        await self.do(self.client.create_template(template, "debian:12", volume_mounts=mounts))

        async def write(box):
            await self.do(box.write("/data/state.txt", "persistent data"))

        async def read(box):
            return await self.do(box.read("/data/state.txt"))

        await self.scoped(template, write)
        self.assertEqual(await self.scoped(template, read), b"persistent data")
        with self.assertRaises(SandboxClientError):
            await self.do(self.client.create_pool(f"{self.prefix}-no-pool", template, 1))
        with self.assertRaises(ResourceInUseError):
            await self.do(self.client.delete_volume(volume))
        await self.do(self.client.delete_template(template))
        await self.do(self.client.delete_volume(volume))

    async def test_a_pool(self):
        pool = f"{self.prefix}-pool"
        await self.do(self.client.create_pool(name=pool, template_name=self.template, replicas=2))

        async def use(box):
            result = await self.do(box.run("echo warm; ls -A"))
            # Who had it before has left nothing, since there was nobody.
            self.assertEqual(result.stdout, "warm\n")
            await self.do(box.write("mine", "x"))

        for _ in range(3):
            await self.scoped(self.template, use)
        self.assertEqual((await self.do(self.client.update_pool(pool, replicas=3))).replicas, 3)
        self.assertEqual((await self.do(self.client.update_pool(pool, replicas=0))).replicas, 0)
        await self.scoped(self.template, use)
        await self.do(self.client.delete_pool(pool))


class TimesToLive(drive.InSandbox):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        # Sets the clock right again, for whoever comes next.
        self.addCleanup(control, "POST", "/_sbx/reset")

    async def make(self, **options):
        return await self.do(self.client.create_sandbox(self.template, **options))

    async def is_gone(self, name):
        try:
            await self.do(self.client.get_sandbox(name))
        except ResourceNotFoundError:
            return True

    async def test_from_its_creation(self):
        box = await self.make(ttl_seconds=3600)
        self.assertEqual((box.ttl_seconds, box.idle_ttl_seconds), (3600, None))
        lives = datetime.fromisoformat(box.expires_at) - datetime.fromisoformat(box.created_at)
        self.assertLess(abs(lives - timedelta(hours=1)), timedelta(seconds=2))
        box = await self.do(self.client.update_sandbox(box.name, ttl_seconds=7200))
        pass_time(3700)
        self.assertTrue((await self.do(box.run("true"))).success)
        pass_time(3700)
        await self.eventually(lambda: self.is_gone(box.name))
        with self.assertRaises(SandboxClientError):
            await self.do(box.read("/etc/passwd"))

    async def test_from_its_last_use(self):
        box = await self.make(ttl_seconds=7200, idle_ttl_seconds=600)
        for use in [lambda: box.run("true"), lambda: box.write("a", "b"), lambda: box.read("a")]:
            pass_time(500)
            await self.do(use())
        # Looking at it is no use of it.
        pass_time(500)
        await self.do(self.client.get_sandbox(box.name))
        pass_time(200)
        await self.eventually(lambda: self.is_gone(box.name))

    async def test_none(self):
        box = await self.make(ttl_seconds=60, name=f"{self.prefix}-lives")
        box = await self.do(self.client.update_sandbox(box.name, ttl_seconds=0, new_name=f"{self.prefix}-lives-on"))
        self.assertEqual((box.name, box.ttl_seconds, box.expires_at), (f"{self.prefix}-lives-on", 0, None))
        box = await self.do(self.client.update_sandbox(box.name, idle_ttl_seconds=1800))
        self.assertIsNotNone(box.expires_at)
        pass_time(1000)
        self.assertTrue((await self.do(box.run("true"))).success)
        await self.do(self.client.delete_sandbox(box.name))

    async def test_whole_minutes(self):
        for options in [{"ttl_seconds": 90}, {"idle_ttl_seconds": -60}]:
            with self.subTest(options), self.assertRaises(ValueError):
                await self.make(**options)


def pass_time(seconds):
    control("POST", "/_sbx/clock", {"advance_seconds": seconds})


drive.with_both_clients(globals(), Keeping, Files, Tunnels, Services, VolumesAndPools, TimesToLive)

"""What clients see of a server that is stopped, killed and started again, and of sandboxes that cannot start.

Each test has a server of its own: the program that the environment names, in a folder of its own.
"""

import asyncio
import os
import signal
import subprocess
import tempfile

import drive
from drive import fetch, free_port
from langsmith.sandbox import (
    ResourceCreationError,
    SandboxNotReadyError,
    SandboxOperationError,
)


class OwnServer:
    """A server that a test may do anything to."""

    options = ("--image-fallback", "host")

    async def asyncSetUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.address = f"127.0.0.1:{free_port()}"
        self.addCleanup(lambda: self.stop(signal.SIGTERM))
        await self.serve()
        key = os.environ["LANGSMITH_API_KEY"]
        self.client = self.make_client(api_endpoint=f"http://{self.address}/v2/sandboxes", api_key=key)
        await self.do(self.client.create_template("python", "python:3.12-slim"))

    async def asyncTearDown(self):
        await self.do(self.close())

    async def serve(self):
        command = [os.environ["SBX_PROGRAM"], "serve", "--listen", self.address, "--runtime", "namespace", "--quiet"]
        environment = {"HOME": self.folder, "PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            command + list(self.options), cwd=self.folder, env=environment, stdout=subprocess.PIPE
        )
        line = await asyncio.to_thread(self.process.stdout.readline)
        self.assertTrue(line.startswith(b"Serving http://"), line)

    def stop(self, how):
        self.process.send_signal(how)
        self.process.wait(drive.PATIENCE)
        self.process.stdout.close()

    async def restart(self, how=signal.SIGTERM):
        await asyncio.to_thread(self.stop, how)
        await self.serve()


class Restarts(OwnServer, drive.InSandbox):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.box = await self.do(self.client.create_sandbox("python"))

    async def test_commands_end_and_it_is_said(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how):
                handle = await self.start("echo up; exec sleep 1000", timeout=0)
                await self.until(handle, "up")
                await self.restart(how)
                # The handle comes back by itself, and is told.
                with self.assertRaises(SandboxOperationError) as caught:
                    await self.chunks(handle)
                self.assertEqual(caught.exception.error_type, "CommandNotFound")

    async def test_a_handle_waits_for_the_server(self):
        handle = await self.start("echo up; exec sleep 1000", timeout=0)
        await self.until(handle, "up")
        await asyncio.to_thread(self.stop, signal.SIGTERM)
        reading = asyncio.create_task(self.chunks(handle))
        # It is in the middle of trying.
        await asyncio.sleep(0.6)
        await self.serve()
        with self.assertRaises(SandboxOperationError) as caught:
            await reading
        self.assertEqual(caught.exception.error_type, "CommandNotFound")

    async def test_disks_and_sandboxes_stay(self):
        await self.do(self.box.write("file", "kept"))
        for how in (signal.SIGTERM, signal.SIGKILL):
            await self.restart(how)
            box = await self.do(self.client.wait_for_sandbox(self.box.name, timeout=60, poll_interval=0.05))
            self.assertEqual(box.id, self.box.id)
            self.assertEqual(await self.do(box.read("file")), b"kept")
            self.assertEqual((await self.do(box.run("cat file"))).stdout, "kept")

    async def test_a_tunnel_is_made_again(self):
        await self.serve_http(3000)
        tunnel = await self.open_tunnel(3000)
        self.assertTrue((await fetch(tunnel.local_port)).endswith(b"page of 3000\n"))
        await self.restart()
        await self.do(self.client.wait_for_sandbox(self.box.name, timeout=60, poll_interval=0.05))
        await self.serve_http(3000)

        async def answers():
            return (await fetch(tunnel.local_port)).endswith(b"page of 3000\n")

        await self.eventually(answers)


class Failures(OwnServer, drive.InSandbox):
    # Images have to be there, and none is.
    options = ("--image-fallback", "none")

    async def asyncSetUp(self):
        await super().asyncSetUp()
        await self.do(self.client.create_template("missing", "oci:none"))

    async def test_an_image_that_is_not_there(self):
        with self.assertRaises(ResourceCreationError) as caught:
            await self.do(self.client.create_sandbox("missing"))
        self.assertEqual((caught.exception.resource_type, caught.exception.error_type), ("sandbox", "ImagePull"))
        self.assertEqual(await self.do(self.client.list_sandboxes()), [])

    async def test_a_sandbox_that_nobody_waited_for(self):
        box = await self.do(self.client.create_sandbox("missing", name="lost", wait_for_ready=False))
        with self.assertRaises(ResourceCreationError) as caught:
            await self.do(self.client.wait_for_sandbox(box.name, poll_interval=0.05))
        box = await self.do(self.client.get_sandbox("lost"))
        self.assertEqual(box.status, "failed")
        self.assertTrue(box.status_message)
        self.assertIn(box.status_message, str(caught.exception))
        status = await self.do(self.client.get_sandbox_status("lost"))
        self.assertEqual((status.status, status.status_message), ("failed", box.status_message))
        with self.assertRaises(SandboxNotReadyError):
            await self.do(box.run("true"))
        await self.do(self.client.delete_sandbox("lost"))


drive.with_both_clients(globals(), Restarts, Failures)

"""What the documentation of the newest SDK shows: snapshots, sandboxes, their lives, mounts, registries, streams."""

import asyncio
import inspect
import unittest
import urllib.request
import uuid

from drive import Async, Sync, free_port
from langsmith.sandbox import (
    CommandTimeoutError,
    ResourceNotFoundError,
    SandboxClientError,
    aws_auth,
    gcp_auth,
    gcs_mount,
    git_mount,
    context_hub_mount,
    mount_config,
    opaque_secret,
    proxy_config,
    s3_mount,
    workspace_secret,
)

GIB = 1 << 30


class Scenarios:
    async def asyncSetUp(self):
        self.client = self.make_client()
        self.names = []

    async def asyncTearDown(self):
        for name in self.names:
            await self.do(self.client.delete_sandbox(name))
        await self.do(self.close())

    async def do(self, result):
        return await result if inspect.isawaitable(result) else result

    def name(self, word):
        return f"{self.prefix}-{word}-{uuid.uuid4().hex[:6]}"

    async def box(self, **options):
        box = await self.do(self.client.create_sandbox(**options))
        self.names.append(box.name)
        return box

    async def snapshot(self, word, **options):
        name = self.name(word)
        return await self.do(self.client.create_snapshot(name, "python:3.12-slim", 4 * GIB, **options))

    async def capture(self, box, name, **options):
        return await self.do(self.client.capture_snapshot(box.name, name, **options))

    async def test_a_snapshot_and_its_sandbox(self):
        snapshot = await self.snapshot("python")
        self.assertEqual((snapshot.status, snapshot.fs_capacity_bytes), ("ready", 4 * GIB))
        self.assertEqual(snapshot.docker_image, "python:3.12-slim")
        box = await self.box(snapshot_id=snapshot.id)
        result = await self.do(box.run("python3 --version; echo oh >&2; exit 3"))
        self.assertEqual((result.stdout[:8], result.stderr, result.exit_code), ("Python 3", "oh\n", 3))
        by_name = await self.box(snapshot=snapshot.name)
        self.assertEqual(by_name.snapshot_id, snapshot.id)
        with self.assertRaises(SandboxClientError):
            await self.do(self.client.delete_snapshot(snapshot.id))
        found = await self.do(self.client.list_snapshots(name_contains=snapshot.name.upper(), limit=10, offset=0))
        self.assertEqual([each.id for each in found], [snapshot.id])

    async def test_the_default_runtime(self):
        box = await self.box()
        self.assertEqual((await self.do(box.run("echo hi"))).stdout, "hi\n")
        self.assertEqual((box.idle_ttl_seconds, box.delete_after_stop_seconds), (600, 14 * 24 * 3600))

    async def test_a_capture(self):
        name = self.name("ready")
        box = await self.box(snapshot=(await self.snapshot("base")).name)
        await self.do(box.run("mkdir /opt/a && echo one > /opt/a/b && ln -s b /opt/a/c && rm /etc/motd; echo t > /tmp/t"))
        await self.do(box.write("/opt/config.yaml", "model: x\n"))
        snapshot = await self.capture(box, name)
        self.assertEqual((snapshot.source_sandbox_id, snapshot.docker_image), (box.id, None))
        await self.do(box.run("echo two > /opt/a/b; rm /opt/config.yaml"))
        second = await self.capture(box, name, tag="v2")
        self.assertEqual(second.tags, ["v2"])
        tags = await self.do(self.client.list_snapshot_tags(name))
        self.assertEqual({tag.tag: tag.snapshot_id for tag in tags}, {"latest": snapshot.id, "v2": second.id})
        old = await self.box(snapshot=name)
        new = await self.box(snapshot=f"{name}:v2")
        self.assertEqual(await self.do(old.read("/opt/config.yaml")), b"model: x\n")
        self.assertEqual((await self.do(old.run("cat /opt/a/c; ls /tmp"))).stdout, "one\n")
        self.assertEqual((await self.do(new.run("cat /opt/a/c"))).stdout, "two\n")
        with self.assertRaises(ResourceNotFoundError):
            await self.do(new.read("/opt/config.yaml"))
        third = await self.capture(new, name)
        self.assertEqual((await self.do(self.client.get_snapshot(name))).id, third.id, "the tag has moved")
        self.assertEqual((await self.do(self.client.get_snapshot(snapshot.id))).tags, [])

    async def test_deleted_snapshots_are_gone(self):
        snapshot = await self.snapshot("brief")
        await self.do(self.client.delete_snapshot(snapshot.id))
        with self.assertRaises(ResourceNotFoundError) as caught:
            await self.do(self.client.get_snapshot(snapshot.id))
        self.assertEqual(caught.exception.resource_type, "snapshot")
        with self.assertRaises(ResourceNotFoundError) as caught:
            await self.do(self.client.capture_snapshot("no-such-box", "x"))
        self.assertEqual(caught.exception.resource_type, "sandbox")

    async def test_stop_and_start(self):
        box = await self.box()
        await self.do(box.run("echo hello > /tmp/state.txt; echo kept > ~/state.txt"))
        await self.do(box.stop())
        stopped = await self.do(self.client.get_sandbox(box.name))
        self.assertEqual((stopped.status, stopped.stopped_at is None), ("stopped", False))
        with self.assertRaises(SandboxClientError):
            await self.do(self.client.stop_sandbox(box.name))
        started = await self.do(self.client.start_sandbox(box.name))
        self.assertEqual((started.status, started.dataplane_url), ("ready", box.dataplane_url))
        self.assertEqual((await self.do(started.run("cat /tmp/state.txt ~/state.txt"))).stdout, "hello\nkept\n")

    async def test_a_command_wakes_it(self):
        box = await self.box()
        await self.do(box.write("/opt/x", "kept"))
        await self.do(box.stop())
        self.assertEqual((await self.do(box.run("cat /opt/x"))).stdout, "kept")
        await self.do(self.client.stop_sandbox(box.name))
        self.assertEqual(await self.do(box.read("/opt/x")), b"kept")

    async def test_creation_that_is_not_waited_for(self):
        box = await self.box(wait_for_ready=False)
        self.assertEqual(box.status, "provisioning")
        ready = await self.do(self.client.wait_for_sandbox(box.name, poll_interval=0.1))
        self.assertEqual((await self.do(ready.run("echo up"))).stdout, "up\n")

    async def test_settings_that_change(self):
        box = await self.box(vcpus=1, idle_ttl_seconds=300, labels={"team": "a"})
        self.assertEqual((box.vcpus, box.mem_bytes, box.idle_ttl_seconds), (1, 4 * GIB, 300))
        self.assertEqual(box.labels, {"team": "a"})
        name = self.name("renamed")
        changed = await self.do(
            self.client.update_sandbox(box.name, new_name=name, idle_ttl_seconds=0, delete_after_stop_seconds=3600)
        )
        self.names[self.names.index(box.name)] = name
        self.assertEqual((changed.id, changed.idle_ttl_seconds, changed.delete_after_stop_seconds), (box.id, 0, 3600))
        self.assertIn(name, [each.name for each in await self.do(self.client.list_sandboxes())])

    async def test_searches(self):
        box = await self.box()
        await self.do(box.run("mkdir -p /opt/w/src && cd /opt/w && printf 'a\\nneedle (1)\\n' > src/x.py && echo needle > y.md"))
        found = await self.do(box.glob("**/*.py", "/opt/w"))
        self.assertEqual([(each.path, each.is_dir, each.size_bytes) for each in found], [("/opt/w/src/x.py", False, 13)])
        self.assertFalse(found.truncated)
        listed = await self.do(box.ls("/opt/w"))
        self.assertEqual([(each.path, each.is_dir) for each in listed], [("/opt/w/src", True), ("/opt/w/y.md", False)])
        self.assertTrue((await self.do(box.ls("/opt/w", limit=1))).truncated)
        lines = await self.do(box.grep("needle (", "/opt/w"))
        self.assertEqual([(each.path, each.line, each.text) for each in lines.matches], [("/opt/w/src/x.py", 2, "needle (1)")])
        self.assertEqual(len((await self.do(box.grep("needle", "/opt/w", glob="*.md"))).matches), 1)
        with self.assertRaises(ResourceNotFoundError):
            await self.do(box.glob("*", "/opt/none"))
        stat = await self.do(box.stat("/opt/w/src/x.py"))
        self.assertEqual(stat.size_bytes, 13)
        chunk = await self.do(box.read_range("/opt/w/src/x.py", start=2, end=7))
        self.assertEqual(chunk.content, b"needle")

    async def test_streams(self):
        box = await self.box()
        chunks = []
        await self.do(box.run("for i in 1 2 3; do echo $i; sleep 0.1; done", on_stdout=chunks.append))
        self.assertEqual("".join(chunks), "1\n2\n3\n")
        handle = await self.do(box.run("echo out; echo err >&2", wait=False))
        heard = {chunk.stream: chunk.data for chunk in await self.chunks(handle)}
        self.assertEqual(heard, {"stdout": "out\n", "stderr": "err\n"})
        again = await self.do(box.reconnect(handle.command_id))
        self.assertEqual((await self.result(again)).stdout, "out\n")

    async def test_input_and_its_end(self):
        box = await self.box()
        self.assertEqual((await self.do(box.run("cat; echo done", timeout=30))).stdout, "done\n")
        handle = await self.do(box.run("read line; echo got $line", wait=False, close_input=False))
        await self.do(handle.send_input("hello\n"))
        self.assertEqual((await self.result(handle)).stdout, "got hello\n")

    async def test_kill_and_timeout(self):
        box = await self.box()
        handle = await self.do(box.run("echo begun; sleep 1000", wait=False, timeout=0))
        await self.do(handle.kill())
        again = await self.do(box.reconnect(handle.command_id))
        self.assertEqual((await self.result(again)).exit_code, 137)
        with self.assertRaises(CommandTimeoutError):
            await self.do(box.run("sleep 1000", timeout=1))

    async def test_a_service_and_a_tunnel(self):
        box = await self.box()
        serve = "mkdir site && cd site && echo hi > index.html && exec python3 -m http.server 3000"
        await self.do(box.run(serve, wait=False, timeout=0, idle_timeout=-1))
        await self.do(box.run("until echo > /dev/tcp/127.0.0.1/3000; do sleep 0.05; done"))
        service = await self.do(box.service(3000))
        response = await self.do(service.get("/index.html"))
        self.assertEqual((response.status_code, response.text), (200, "hi\n"))
        tunnel = await self.do(box.tunnel(3000, local_port=free_port()))
        get = lambda: urllib.request.urlopen(f"http://127.0.0.1:{tunnel.local_port}/index.html").read()
        self.assertEqual(await asyncio.to_thread(get), b"hi\n")
        await self.do(tunnel.close())

    async def test_mounts_are_accepted_and_their_secrets_kept(self):
        config = mount_config(
            auth=[
                aws_auth(
                    access_key_id=workspace_secret("SANDBOX_AWS_ACCESS_KEY_ID"),
                    secret_access_key=opaque_secret("planted-5ecret"),
                ),
                gcp_auth(service_account_json=workspace_secret("SANDBOX_GCP_SERVICE_ACCOUNT_JSON")),
            ],
            mounts=[
                s3_mount(
                    id="s3_data",
                    mount_path="/mnt/mounts/s3-data",
                    bucket="example-s3-bucket",
                    region="us-east-1",
                    endpoint_url="https://s3.amazonaws.com",
                ),
                gcs_mount(id="gcs_data", mount_path="/mnt/mounts/gcs-data", bucket="example-gcs-bucket"),
                git_mount(
                    id="repo",
                    mount_path="/mnt/repo",
                    remote_url="https://github.com/langchain-ai/langsmith-sdk.git",
                    ref={"type": "branch", "name": "main"},
                    refresh_interval_seconds=60,
                ),
                context_hub_mount(id="memories", mount_path="/memories", repo="-/my-agent"),
            ],
        )
        box = await self.box(mount_config=config)
        again = await self.do(self.client.get_sandbox(box.name))
        self.assertNotIn("planted-5ecret", repr(vars(again)))
        self.assertIn("not enforced", again.status_message)

    async def test_a_proxy_is_accepted_and_changed(self):
        rule = lambda key: proxy_config(
            rules=[aws_auth(access_key_id=workspace_secret("AWS_ID"), secret_access_key=opaque_secret(key))]
        )
        box = await self.box(proxy_config=rule("planted-5ecret"))
        changed = await self.do(self.client.update_sandbox(box.name, proxy_config=rule("planted-too")))
        self.assertNotIn("planted", repr(vars(changed)))

    async def test_registries(self):
        registries = self.client.registries
        name = self.name("registry")
        made = await self.do(
            registries.create(name=name, url="registry.example.com", username="u", password="planted-5ecret")
        )
        self.assertEqual((made.name, made.auth_type), (name, "DOCKER_CONFIG"))
        self.assertNotIn("planted", repr(made))
        self.assertEqual((await self.do(registries.retrieve(name))).id, made.id)
        changed = await self.do(registries.update(name, url="ghcr.io", username="v", password="w"))
        self.assertEqual((changed.id, changed.provider), (made.id, "GHCR"))
        page = await self.do(registries.list(name_contains=name, page_size=1))
        self.assertEqual([each.id for each in page.items], [made.id])
        self.assertIsNone(page.next_cursor)
        await self.do(registries.delete(name))
        with self.assertRaises(Exception) as caught:
            await self.do(registries.retrieve(name))
        self.assertEqual(caught.exception.status_code, 404)

    async def test_refusals(self):
        with self.assertRaises(SandboxClientError):
            await self.do(self.client.create_sandbox(snapshot="no-such-snapshot"))
        with self.assertRaises(ResourceNotFoundError):
            await self.do(self.client.get_sandbox("no-such-box"))
        box = await self.box()
        with self.assertRaises(SandboxClientError):
            await self.do(self.client.create_sandbox(name=box.name))


class SyncSandboxes(Sync, Scenarios, unittest.IsolatedAsyncioTestCase):
    pass


class AsyncSandboxes(Async, Scenarios, unittest.IsolatedAsyncioTestCase):
    pass

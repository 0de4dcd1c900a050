"""Every kind is created, read, changed, renamed and deleted; each scenario leaves nothing behind."""

import unittest

from clients import Async, Sync
from langsmith.sandbox import ResourceNotFoundError, VolumeMountSpec


class Scenarios:
    def setUp(self):
        self.client = self.open_client()

    def name(self, word):
        return f"{self.prefix}-{word}"

    def template(self, word="base", **options):
        name = self.name(word)
        self.client.create_template(name, "debian:12", **options)
        self.addCleanup(self.client.delete_template, name)
        return name

    def check_gone(self, get, name):
        with self.assertRaises(ResourceNotFoundError):
            get(name)

    def test_volume(self):
        old, new = self.name("volume"), self.name("volume-renamed")
        made = self.client.create_volume(old, "1Gi", timeout=30)
        self.assertEqual((made.name, made.size, made.storage_class), (old, "1Gi", "standard"))
        self.assertEqual(self.client.get_volume(old), made)
        self.assertIn(made, self.client.list_volumes())

        self.assertEqual(self.client.update_volume(old), made)
        self.assertEqual(self.client.update_volume(old, size="1024Mi").size, "1024Mi")
        renamed = self.client.update_volume(old, new_name=new, size="2Gi")
        self.assertEqual((renamed.id, renamed.name, renamed.size), (made.id, new, "2Gi"))
        self.assertEqual(renamed.created_at, made.created_at)
        self.check_gone(self.client.get_volume, old)

        self.client.delete_volume(new)
        self.check_gone(self.client.get_volume, new)

    def test_template(self):
        volume = self.name("template-volume")
        self.client.create_volume(volume, "1Gi")
        old, new = self.name("template"), self.name("template-renamed")
        mounts = [VolumeMountSpec(volume_name=volume, mount_path="/data")]
        made = self.client.create_template(
            old, "python:3.12", cpu="250m", memory="256Mi", storage="1Gi", volume_mounts=mounts
        )
        resources = made.resources
        self.assertEqual((made.name, made.image, made.volume_mounts), (old, "python:3.12", mounts))
        self.assertEqual((resources.cpu, resources.memory, resources.storage), ("250m", "256Mi", "1Gi"))
        self.assertEqual(self.client.get_template(old), made)

        renamed = self.client.update_template(old, new_name=new)
        self.assertEqual((renamed.id, renamed.name, renamed.image), (made.id, new, made.image))
        self.check_gone(self.client.get_template, old)
        self.assertEqual(self.client.update_template(new, new_name=new).name, new)

        # A reference is to the volume and not to its name.
        self.client.update_volume(volume, new_name=volume + "-2")
        self.assertEqual(self.client.get_template(new).volume_mounts[0].volume_name, volume + "-2")

        self.client.delete_template(new)
        self.check_gone(self.client.get_template, new)
        self.client.delete_volume(volume + "-2")

    def test_pool(self):
        template = self.template("pool-template")
        old, new = self.name("pool"), self.name("pool-renamed")
        made = self.client.create_pool(old, template, 1, timeout=30)
        self.assertEqual((made.name, made.template_name, made.replicas), (old, template, 1))
        self.assertEqual(self.client.get_pool(old), made)

        self.assertEqual(self.client.update_pool(old), made)
        self.assertEqual(self.client.update_pool(old, replicas=0).replicas, 0)
        renamed = self.client.update_pool(old, new_name=new, replicas=2)
        self.assertEqual((renamed.id, renamed.name, renamed.replicas), (made.id, new, 2))
        self.check_gone(self.client.get_pool, old)

        # A pool follows its template's rename.
        self.client.update_template(template, new_name=template + "-2")
        self.assertEqual(self.client.get_pool(new).template_name, template + "-2")
        self.client.update_template(template + "-2", new_name=template)

        self.client.delete_pool(new)
        self.check_gone(self.client.get_pool, new)

    def test_sandbox(self):
        template = self.template("box-template")
        old, new = self.name("box"), self.name("box-renamed")
        made = self.client.create_sandbox(template, name=old, ttl_seconds=3600)
        self.assertEqual((made.name, made.template_name, made.status), (old, template, "ready"))
        self.assertEqual((made.ttl_seconds, made.idle_ttl_seconds), (3600, None))
        self.assertIsNotNone(made.expires_at)

        changed = self.client.update_sandbox(old, ttl_seconds=0, idle_ttl_seconds=120)
        self.assertEqual((changed.id, changed.ttl_seconds, changed.idle_ttl_seconds), (made.id, 0, 120))
        self.assertEqual(self.client.update_sandbox(old).idle_ttl_seconds, 120)
        unlimited = self.client.update_sandbox(old, idle_ttl_seconds=0)
        self.assertIsNone(unlimited.expires_at)
        renamed = self.client.update_sandbox(old, new_name=new)
        self.assertEqual((renamed.id, renamed.name), (made.id, new))
        self.assertIn(new, [box.name for box in self.client.list_sandboxes()])
        self.check_gone(self.client.get_sandbox, old)

        self.client.delete_sandbox(new)
        self.check_gone(self.client.get_sandbox, new)

    def test_sandbox_that_is_not_waited_for(self):
        template = self.template("wait-template")
        made = self.client.create_sandbox(template, wait_for_ready=False)
        self.assertRegex(made.name, "^sandbox-[0-9a-f]{8}$")
        ready = self.client.wait_for_sandbox(made.name, timeout=30, poll_interval=0.05)
        self.assertEqual((ready.id, ready.status), (made.id, "ready"))
        self.client.delete_sandbox(made.name)

    def test_sandbox_of_a_pool(self):
        template = self.template("warm-template")
        pool = self.name("warm")
        self.client.create_pool(pool, template, 1)
        before = {box.name for box in self.client.list_sandboxes()}
        made = self.client.create_sandbox(template, name=self.name("claimed"))
        self.assertEqual((made.status, made.template_name), ("ready", template))
        after = {box.name for box in self.client.list_sandboxes()}
        self.assertEqual(after - before, {made.name})
        self.client.delete_pool(pool)
        self.assertEqual(self.client.get_sandbox(made.name).id, made.id)
        self.client.delete_sandbox(made.name)

    def test_scope_deletes_its_sandbox(self):
        template = self.template("scope-template")
        with self.scoped(self.client, template, name=self.name("scoped")) as box:
            self.assertEqual(self.client.get_sandbox(box.name).status, "ready")
        self.check_gone(self.client.get_sandbox, self.name("scoped"))


class SyncClient(Scenarios, Sync, unittest.TestCase):
    pass


class AsyncClient(Scenarios, Async, unittest.TestCase):
    pass

"""Each typed error of the SDK, from the situation that the contract names for it."""

import unittest

from clients import Async, Sync, control
from langsmith.sandbox import (
    QuotaExceededError,
    ResourceAlreadyExistsError,
    ResourceCreationError,
    ResourceInUseError,
    ResourceNameConflictError,
    ResourceNotFoundError,
    ResourceTimeoutError,
    SandboxAPIError,
    SandboxAuthenticationError,
    SandboxClientError,
    SandboxNotReadyError,
    ValidationError,
    VolumeMountSpec,
)


class Scenarios:
    def setUp(self):
        # Statuses that the SDK would send again are asked for once, so that no test waits for its back-off.
        self.client = self.open_client(max_retries=0)

    def name(self, word):
        return f"{self.prefix}-{word}"

    def volume(self, word, size="1Gi"):
        name = self.name(word)
        self.client.create_volume(name, size)
        self.addCleanup(self.client.delete_volume, name)
        return name

    def template(self, word, **options):
        name = self.name(word)
        self.client.create_template(name, "debian:12", **options)
        self.addCleanup(self.client.delete_template, name)
        return name

    def pool(self, word, template):
        name = self.name(word)
        self.client.create_pool(name, template, 1)
        self.addCleanup(self.client.delete_pool, name)
        return name

    def box(self, word, template, **options):
        name = self.name(word)
        box = self.client.create_sandbox(template, name=name, **options)
        self.addCleanup(self.client.delete_sandbox, name)
        return box

    def fault(self, **rule):
        control("POST", "/_sbx/faults", rule)
        self.addCleanup(control, "DELETE", "/_sbx/faults")

    def check(self, kind, call, *args, _text=None, _exact=False, _fields=None, **kwargs):
        """Asserts the error's type, its fields, and a part of its text."""
        with self.assertRaises(kind) as caught:
            call(*args, **kwargs)
        if _exact:
            self.assertIs(type(caught.exception), kind)
        for field, value in (_fields or {}).items():
            self.assertEqual(getattr(caught.exception, field), value, f"{field} of {caught.exception!r}")
        if _text:
            self.assertIn(_text, str(caught.exception))
        return caught.exception

    def test_not_found(self):
        c = self.client
        calls = {
            "volume": [(c.get_volume, {}), (c.update_volume, {"size": "2Gi"}), (c.delete_volume, {})],
            "template": [(c.get_template, {}), (c.update_template, {"new_name": "x"}), (c.delete_template, {})],
            "pool": [(c.get_pool, {}), (c.update_pool, {"replicas": 1}), (c.delete_pool, {})],
            "sandbox": [
                (c.get_sandbox, {}),
                (c.update_sandbox, {"ttl_seconds": 60}),
                (c.delete_sandbox, {}),
                (c.get_sandbox_status, {}),
                (c.wait_for_sandbox, {}),
                (c.service, {"port": 80}),
            ],
        }
        for kind, methods in calls.items():
            for method, arguments in methods:
                with self.subTest(kind=kind, arguments=arguments):
                    self.check(ResourceNotFoundError, method, "absent", **arguments, _fields={"resource_type": kind})

    def test_name_conflict(self):
        template = self.template("conflict-a")
        self.template("conflict-b")
        for word in "ab":
            self.volume(f"conflict-{word}")
            self.pool(f"conflict-{word}", template)
            self.box(f"conflict-{word}", template)
        for kind in ["volume", "template", "pool", "sandbox"]:
            with self.subTest(kind=kind):
                update = getattr(self.client, f"update_{kind}")
                self.check(
                    ResourceNameConflictError,
                    update,
                    self.name("conflict-a"),
                    new_name=self.name("conflict-b"),
                    _fields={"resource_type": kind},
                    _text=self.name("conflict-b"),
                )

    def test_in_use(self):
        volume = self.volume("used-volume")
        mounts = [VolumeMountSpec(volume_name=volume, mount_path="/data")]
        mounted = self.template("used-mounted", volume_mounts=mounts)
        self.check(
            ResourceInUseError, self.client.delete_volume, volume, _fields={"resource_type": "volume"}, _text=mounted
        )
        template = self.template("used-template")
        pool = self.pool("used-pool", template)
        box = self.box("used-box", template)
        error = self.check(
            ResourceInUseError, self.client.delete_template, template, _fields={"resource_type": "template"}
        )
        self.assertIn(pool, str(error))
        self.assertIn(box.name, str(error))

    def test_already_exists(self):
        template = self.template("twice-template")
        pool = self.pool("twice-pool", template)
        volume = self.volume("twice-volume")
        box = self.box("twice-box", template)
        c = self.client
        self.check(
            ResourceAlreadyExistsError, c.create_pool, pool, template, 1, _fields={"resource_type": "pool"}, _text=pool
        )
        # This generation of the SDK has no typed error for the other kinds.
        for call, arguments in [
            (c.create_volume, (volume, "1Gi")),
            (c.create_template, (template, "debian:12")),
        ]:
            self.check(SandboxClientError, call, *arguments, _exact=True, _text="already exists")
        self.check(SandboxClientError, c.create_sandbox, template, name=box.name, _exact=True, _text="already exists")

    def test_validation_names_the_field(self):
        c = self.client
        template = self.template("valid-template")
        volume = self.volume("valid-volume")
        mount = VolumeMountSpec(volume_name=volume, mount_path="data")
        cases = [
            ("name", c.create_volume, ("Bad_Name", "1Gi"), {}),
            ("size", c.create_volume, ("good", "1 Gigabyte"), {}),
            ("size", c.create_volume, ("good", "0"), {}),
            ("timeout", c.create_volume, ("good", "1Gi"), {"timeout": 4}),
            ("name", c.create_template, ("-bad", "debian:12"), {}),
            ("image", c.create_template, ("good", ""), {}),
            ("cpu", c.create_template, ("good", "debian:12"), {"cpu": "many"}),
            ("memory", c.create_template, ("good", "debian:12"), {"memory": "-1Gi"}),
            ("storage", c.create_template, ("good", "debian:12"), {"storage": "1GB"}),
            ("mount_path", c.create_template, ("good", "debian:12"), {"volume_mounts": [mount]}),
            ("replicas", c.create_pool, ("good", template, 0), {}),
            ("replicas", c.create_pool, ("good", template, 101), {}),
            ("timeout", c.create_pool, ("good", template, 1), {"timeout": 9}),
            ("name", c.create_sandbox, (template,), {"name": "1-bad"}),
            ("name", c.update_template, (template,), {"new_name": "Bad"}),
        ]
        for field, call, arguments, options in cases:
            with self.subTest(field=field, arguments=arguments, options=options):
                error = self.check(ValidationError, call, *arguments, **options, _fields={"field": field})
                self.assertEqual(error.details[0]["type"], "value_error")
                self.assertEqual(error.details[0]["loc"][0], "body")

    def test_times_to_live_are_checked_before_the_call(self):
        for value in (-60, 61):
            with self.assertRaises(ValueError):
                self.client.create_sandbox("absent", ttl_seconds=value)

    def test_missing_references(self):
        c = self.client
        self.check(
            ResourceNotFoundError, c.create_pool, "orphan", "absent", 1, _fields={"resource_type": "template"}
        )
        mounts = [VolumeMountSpec(volume_name="absent", mount_path="/data")]
        self.check(SandboxClientError, c.create_template, "orphan", "debian:12", volume_mounts=mounts, _exact=True)
        self.check(SandboxClientError, c.create_sandbox, "absent", _exact=True, _text="absent")

    def test_volume_does_not_shrink(self):
        volume = self.volume("shrink", "10Gi")
        self.check(
            ValidationError,
            self.client.update_volume,
            volume,
            size="5Gi",
            _fields={"error_type": "VolumeResize", "field": None},
            _text="decrease",
        )
        self.assertEqual(self.client.get_volume(volume).size, "10Gi")

    def test_template_with_mounts_in_a_pool(self):
        volume = self.volume("mounted-volume")
        template = self.template("mounted", volume_mounts=[VolumeMountSpec(volume_name=volume, mount_path="/data")])
        self.check(
            ValidationError,
            self.client.create_pool,
            self.name("stateful"),
            template,
            1,
            _fields={"error_type": "ValidationError", "field": None},
            _text=template,
        )

    def test_quota(self):
        template = self.template("quota-template")
        c = self.client
        # The server of these suites allows 40 sandboxes, 20 volumes, 100 cores, 100Gi of memory and 1Ti of storage.
        self.check(
            QuotaExceededError, c.create_pool, self.name("quota"), template, 100, _fields={"quota_type": "sandbox_count"}
        )
        self.check(
            QuotaExceededError, c.create_volume, self.name("quota"), "2Ti", _fields={"quota_type": "storage"}
        )
        pool = self.pool("quota-pool", template)
        self.check(QuotaExceededError, c.update_pool, pool, replicas=100, _fields={"quota_type": "sandbox_count"})
        for word, resources in {"cpu": {"cpu": "101"}, "memory": {"memory": "101Gi"}}.items():
            large = self.template(f"quota-{word}", **resources)
            self.check(QuotaExceededError, c.create_sandbox, large, _fields={"quota_type": word})

    def test_quota_of_volumes(self):
        made = []
        error = None
        for number in range(21):
            name = self.name(f"many-{number}")
            try:
                self.client.create_volume(name, "1Mi")
            except QuotaExceededError as caught:
                error = caught
                break
            made.append(name)
        for name in made:
            self.client.delete_volume(name)
        self.assertIsNotNone(error, "21 volumes fit into a quota of 20")
        self.assertEqual(error.quota_type, "volume_count")

    def test_timeouts(self):
        template = self.template("slow-template")
        c = self.client
        self.fault(operation="create_sandbox", stuck_provisioning=True, count=None)
        name = self.name("slow")
        self.check(
            ResourceTimeoutError, c.create_sandbox, template, name=name, timeout=1, _fields={"resource_type": "sandbox"}
        )
        self.check(ResourceNotFoundError, c.get_sandbox, name)
        box = self.box("slow-box", template, wait_for_ready=False)
        self.assertEqual(box.status, "provisioning")
        self.check(SandboxNotReadyError, self.run_command, c, box)
        self.check(
            ResourceTimeoutError,
            c.wait_for_sandbox,
            box.name,
            timeout=0,
            _fields={"resource_type": "sandbox", "last_status": "provisioning"},
        )

    def test_errors_of_the_machinery(self):
        template = self.template("broken-template")
        c = self.client

        def standard(kind):
            return {"detail": {"error": kind, "message": f"made to fail: {kind}"}}

        cases = [
            ("POST /volumes", 503, standard("VolumeProvisioning"), ResourceCreationError,
             {"resource_type": "volume", "error_type": "VolumeProvisioning"}, lambda: c.create_volume("good", "1Gi")),
            ("POST /volumes", 504, standard("Timeout"), ResourceTimeoutError,
             {"resource_type": "volume"}, lambda: c.create_volume("good", "1Gi")),
            ("POST /pools", 504, standard("Timeout"), ResourceTimeoutError,
             {"resource_type": "pool"}, lambda: c.create_pool("good", template, 1)),
            ("POST /boxes", 422, standard("ImagePull"), ResourceCreationError,
             {"resource_type": "sandbox", "error_type": "ImagePull"}, lambda: c.create_sandbox(template)),
            ("POST /boxes", 503, standard("Unschedulable"), ResourceCreationError,
             {"resource_type": "sandbox", "error_type": "Unschedulable"}, lambda: c.create_sandbox(template)),
            ("GET /volumes", 500, standard("Internal"), SandboxAPIError, {}, c.list_volumes),
            ("GET /volumes", 404, standard("NotFound"), SandboxAPIError, {}, c.list_volumes),
        ]
        for operation, status, body, kind, fields, call in cases:
            with self.subTest(operation=operation, status=status):
                rule = {"operation": operation, "status": status, "body": body, "count": None}
                control("POST", "/_sbx/faults", rule)
                try:
                    self.check(kind, call, _fields=fields)
                finally:
                    control("DELETE", "/_sbx/faults")

    def test_commands_need_a_runtime(self):
        template = self.template("idle-template")
        box = self.box("idle-box", template)
        self.check(SandboxClientError, self.run_command, self.client, box, _text="execute")

    def test_authentication(self):
        stranger = self.open_client(api_key="not-the-key", max_retries=0)
        self.check(SandboxAuthenticationError, stranger.list_volumes)
        self.check(SandboxAuthenticationError, stranger.create_volume, "good", "1Gi")


class SyncClient(Scenarios, Sync, unittest.TestCase):
    pass


class AsyncClient(Scenarios, Async, unittest.TestCase):
    pass

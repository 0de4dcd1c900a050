"""The SDK sees what `sbx apply` made: exactly those objects, field by field."""

import dataclasses
import json
import os
import unittest
import uuid
from datetime import datetime

from clients import Async, Sync

# What the server makes up; each is checked by its form.
MADE_UP = {"id", "created_at", "updated_at", "expires_at", "dataplane_url"}

SANDBOX_FIELDS = ["name", "template_name", "status", "status_message", "ttl_seconds", "idle_ttl_seconds"]


def declared(item):
    """Returns the fields of a listed object that somebody asked for."""
    if dataclasses.is_dataclass(item) and hasattr(item, "from_dict") and not hasattr(item, "run"):
        return {key: value for key, value in dataclasses.asdict(item).items() if key not in MADE_UP}
    return {key: getattr(item, key) for key in SANDBOX_FIELDS}


class Scenarios:
    def setUp(self):
        self.client = self.open_client()
        with open(os.environ["SBX_EXPECTED"], encoding="utf-8") as file:
            self.expected = json.load(file)

    def check_list(self, kind):
        live = sorted(getattr(self.client, f"list_{kind}")(), key=lambda item: item.name)
        self.assertEqual([declared(item) for item in live], self.expected[kind])
        get = getattr(self.client, "get_" + {"sandboxes": "sandbox"}.get(kind, kind.removesuffix("s")))
        for item in live:
            uuid.UUID(item.id)
            created = datetime.fromisoformat(item.created_at.replace("Z", "+00:00"))
            updated = datetime.fromisoformat(item.updated_at.replace("Z", "+00:00"))
            self.assertLessEqual(created, updated)
            self.assertEqual(declared(get(item.name)), declared(item))
        return live

    def test_volumes(self):
        self.check_list("volumes")

    def test_templates(self):
        self.check_list("templates")

    def test_pools(self):
        self.check_list("pools")

    def test_sandboxes(self):
        box = self.check_list("sandboxes")[0]
        created = datetime.fromisoformat(box.created_at.replace("Z", "+00:00"))
        expires = datetime.fromisoformat(box.expires_at.replace("Z", "+00:00"))
        self.assertEqual((expires - created).total_seconds(), 86400)
        self.assertFalse(box.dataplane_url.endswith("/"))
        status = self.client.get_sandbox_status("box-1")
        self.assertEqual((status.status, status.status_message), ("ready", None))


class SyncClient(Scenarios, Sync, unittest.TestCase):
    pass


class AsyncClient(Scenarios, Async, unittest.TestCase):
    pass

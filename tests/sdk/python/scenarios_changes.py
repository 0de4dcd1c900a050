"""Changes what `sbx apply` made, behind its back. The plan that follows has to report exactly this, and no more."""

import unittest

from clients import Sync


class Changes(Sync, unittest.TestCase):
    def test_one_change_of_each_sort(self):
        client = self.open_client()
        client.create_volume("not-declared", "1Gi")
        client.delete_volume("scratch")
        client.update_volume("archive", size="30Gi")
        client.update_template("plain", new_name="plain-moved")
        client.update_pool("worker-warm", replicas=3)
        client.update_sandbox("box-1", ttl_seconds=7200)

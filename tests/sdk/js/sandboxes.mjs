// What the SDK's documentation shows beside commands, in sandboxes that really run. It has neither tunnels nor services.

import assert from "node:assert/strict";
import { control, sandbox } from "./boxes.mjs";

export const scenarios = {
  async files(cx) {
    const box = await sandbox(cx, "js-files");
    await box.write("folder/a b?&.txt", "hé");
    assert.equal(new TextDecoder().decode(await box.read("/home/user/folder/a b?&.txt")), "hé");
    const content = new Uint8Array(5_000_000).map((_, n) => n * 31);
    await box.write("/app/data.bin", content);
    assert.deepEqual(Buffer.from(await box.read("/app/data.bin")), Buffer.from(content));
    await assert.rejects(box.read("/none"), cx.sdk.LangSmithResourceNotFoundError);
    await assert.rejects(box.write("/tmp", "a folder"), cx.sdk.LangSmithSandboxOperationError);
  },

  async a_sandbox_that_nobody_waits_for({ client, cleanup, sdk }) {
    await client.createTemplate("js-async", { image: "debian:12" });
    cleanup(() => client.deleteTemplate("js-async"));
    const box = await client.createSandbox("js-async", { waitForReady: false });
    cleanup(() => client.deleteSandbox(box.name));
    assert.equal(box.status, "provisioning");
    await assert.rejects(box.run("true"), sdk.LangSmithSandboxNotReadyError);
    const ready = await client.waitForSandbox(box.name, { timeout: 60, pollInterval: 0.05 });
    assert.equal((await ready.run("echo hello")).stdout, "hello\n");
  },

  async a_sandbox_to_keep(cx) {
    const box = await sandbox(cx, "js-keep");
    await box.run("echo kept > file");
    const again = await cx.client.getSandbox(box.name);
    assert.equal((await again.run("cat file")).stdout, "kept\n");
    await again.delete();
    await assert.rejects(cx.client.getSandbox(box.name), cx.sdk.LangSmithResourceNotFoundError);
    // For the clean-up, which deletes one of this name.
    await cx.client.createSandbox("js-keep", { name: box.name });
  },

  async a_volume({ client, cleanup }) {
    await client.createVolume("js-volume", { size: "1Gi" });
    cleanup(() => client.deleteVolume("js-volume"));
    const mounts = [{ volume_name: "js-volume", mount_path: "/data" }];
    await client.createTemplate("js-mounted", { image: "debian:12", volumeMounts: mounts });
    cleanup(() => client.deleteTemplate("js-mounted"));
    for (const n of [1, 2]) {
      const box = await client.createSandbox("js-mounted");
      const result = await box.run(`echo ${n} >> /data/file; cat /data/file`);
      assert.equal(result.stdout, n === 1 ? "1\n" : "1\n2\n");
      await box.delete();
    }
  },

  async a_pool({ client, cleanup }) {
    await client.createTemplate("js-pooled", { image: "debian:12" });
    cleanup(() => client.deleteTemplate("js-pooled"));
    await client.createPool("js-pool", { templateName: "js-pooled", replicas: 1 });
    cleanup(() => client.deletePool("js-pool"));
    const box = await client.createSandbox("js-pooled");
    assert.equal((await box.run("echo warm")).stdout, "warm\n");
    await box.delete();
  },

  async times_to_live({ client, cleanup, sdk }) {
    await client.createTemplate("js-ttl", { image: "debian:12" });
    cleanup(() => control("POST", "/_sbx/reset"));
    const box = await client.createSandbox("js-ttl", { ttlSeconds: 7200, idleTtlSeconds: 600 });
    assert.deepEqual([box.ttl_seconds, box.idle_ttl_seconds], [7200, 600]);
    for (const _ of [1, 2]) {
      await control("POST", "/_sbx/clock", { advance_seconds: 500 });
      assert.equal((await box.run("true")).exit_code, 0);
    }
    const changed = await client.updateSandbox(box.name, { idleTtlSeconds: 0 });
    assert.equal(changed.idle_ttl_seconds, 0);
    await control("POST", "/_sbx/clock", { advance_seconds: 7200 });
    for (let n = 0; n < 600; n++) {
      try {
        await client.getSandbox(box.name);
      } catch (error) {
        assert.ok(error instanceof sdk.LangSmithResourceNotFoundError);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail("it lives on");
  },
};

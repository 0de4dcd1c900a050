// Every kind is created, read, changed, renamed and deleted; each scenario leaves nothing behind.

import assert from "node:assert/strict";

async function template(client, cleanup, name) {
  await client.createTemplate(name, { image: "debian:12" });
  cleanup(() => client.deleteTemplate(name));
  return name;
}

export const scenarios = {
  async volume({ client, sdk }) {
    const made = await client.createVolume("js-volume", { size: "1Gi", timeout: 30 });
    assert.equal(made.size, "1Gi");
    assert.deepEqual(await client.getVolume("js-volume"), made);
    assert.deepEqual(await client.updateVolume("js-volume", {}), made);
    const renamed = await client.updateVolume("js-volume", { newName: "js-volume-2", size: "2Gi" });
    assert.deepEqual([renamed.id, renamed.name, renamed.size], [made.id, "js-volume-2", "2Gi"]);
    await client.deleteVolume("js-volume-2");
    await assert.rejects(client.getVolume("js-volume-2"), sdk.LangSmithResourceNotFoundError);
  },

  async template({ client, cleanup, sdk }) {
    await client.createVolume("js-mounted", { size: "1Gi" });
    cleanup(() => client.deleteVolume("js-mounted"));
    const mounts = [{ volume_name: "js-mounted", mount_path: "/data" }];
    const made = await client.createTemplate("js-template", { image: "python:3.12", cpu: "1", volumeMounts: mounts });
    assert.deepEqual(made.resources, { cpu: "1", memory: "512Mi", storage: null });
    assert.deepEqual(made.volume_mounts, mounts);
    assert.deepEqual(await client.updateTemplate("js-template", {}), made);
    const renamed = await client.updateTemplate("js-template", { newName: "js-template-2" });
    assert.deepEqual([renamed.id, renamed.name, renamed.image], [made.id, "js-template-2", "python:3.12"]);
    await client.deleteTemplate("js-template-2");
    await assert.rejects(client.getTemplate("js-template"), sdk.LangSmithResourceNotFoundError);
  },

  async pool({ client, cleanup, sdk }) {
    const templateName = await template(client, cleanup, "js-pool-template");
    const made = await client.createPool("js-pool", { templateName, replicas: 1 });
    assert.deepEqual([made.template_name, made.replicas], [templateName, 1]);
    assert.equal((await client.updatePool("js-pool", { replicas: 0 })).replicas, 0);
    const renamed = await client.updatePool("js-pool", { newName: "js-pool-2", replicas: 2 });
    assert.deepEqual([renamed.id, renamed.name, renamed.replicas], [made.id, "js-pool-2", 2]);
    await client.deletePool("js-pool-2");
    await assert.rejects(client.getPool("js-pool-2"), sdk.LangSmithResourceNotFoundError);
  },

  async sandbox({ client, cleanup, sdk }) {
    const templateName = await template(client, cleanup, "js-box-template");
    const made = await client.createSandbox(templateName, { name: "js-box", ttlSeconds: 3600 });
    assert.deepEqual([made.name, made.status, made.ttl_seconds], ["js-box", "ready", 3600]);
    const changed = await client.updateSandbox("js-box", { ttlSeconds: 0, idleTtlSeconds: 120 });
    assert.deepEqual([changed.id, changed.ttl_seconds, changed.idle_ttl_seconds], [made.id, 0, 120]);
    const renamed = await client.updateSandbox("js-box", "js-box-2");
    assert.deepEqual([renamed.id, renamed.name], [made.id, "js-box-2"]);
    assert.equal((await client.getSandboxStatus("js-box-2")).status, "ready");
    await client.deleteSandbox("js-box-2");
    await assert.rejects(client.getSandbox("js-box-2"), sdk.LangSmithResourceNotFoundError);
  },

  async sandbox_that_is_not_waited_for({ client, cleanup }) {
    const templateName = await template(client, cleanup, "js-wait-template");
    const made = await client.createSandbox(templateName, { waitForReady: false });
    const ready = await client.waitForSandbox(made.name, { timeout: 30, pollInterval: 0.05 });
    assert.deepEqual([ready.id, ready.status], [made.id, "ready"]);
    await client.deleteSandbox(made.name);
  },
};

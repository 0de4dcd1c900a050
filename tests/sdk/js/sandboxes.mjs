// What the SDK's documentation shows, in sandboxes that really run.

import assert from "node:assert/strict";

async function sandbox(client, cleanup, name) {
  await client.createTemplate(name, { image: "debian:12" });
  cleanup(() => client.deleteTemplate(name));
  const box = await client.createSandbox(name);
  cleanup(() => client.deleteSandbox(box.name));
  return box;
}

export const scenarios = {
  async run({ client, cleanup }) {
    const box = await sandbox(client, cleanup, "js-run");
    const result = await box.run("python3 --version; echo oh >&2; exit 3");
    assert.match(result.stdout, /^Python 3/);
    assert.deepEqual([result.stderr, result.exit_code], ["oh\n", 3]);
  },

  async files({ client, cleanup, sdk }) {
    const box = await sandbox(client, cleanup, "js-files");
    await box.write("folder/a b.txt", "hé");
    assert.equal(new TextDecoder().decode(await box.read("/home/user/folder/a b.txt")), "hé");
    await assert.rejects(box.read("/none"), sdk.LangSmithResourceNotFoundError);
  },
};

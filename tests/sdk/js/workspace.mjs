// The SDK sees what `sbx apply` made: exactly those objects, field by field.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const expected = JSON.parse(readFileSync(process.env.SBX_EXPECTED, "utf8"));
const byName = (left, right) => (left.name < right.name ? -1 : 1);

// Takes what was declared from an object; what the server makes up beside it is checked by its form.
function declared(item, like) {
  assert.match(item.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(Date.parse(item.created_at) <= Date.parse(item.updated_at));
  return Object.fromEntries(Object.keys(like).map((key) => [key, item[key] ?? null]));
}

function check(live, kind) {
  live.sort(byName);
  assert.deepEqual(live.map((item) => item.name), expected[kind].map((item) => item.name));
  assert.deepEqual(live.map((item, at) => declared(item, expected[kind][at])), expected[kind]);
}

export const scenarios = {
  volumes: async ({ client }) => check(await client.listVolumes(), "volumes"),
  templates: async ({ client }) => check(await client.listTemplates(), "templates"),
  pools: async ({ client }) => check(await client.listPools(), "pools"),
  sandboxes: async ({ client }) => check(await client.listSandboxes(), "sandboxes"),
};

// Changes what `sbx apply` made, behind its back. The plan that follows has to report exactly this, and no more.

export const scenarios = {
  async one_change_of_each_sort({ client }) {
    await client.createVolume("not-declared", { size: "1Gi" });
    await client.deleteVolume("scratch");
    await client.updateVolume("archive", { size: "30Gi" });
    await client.updateTemplate("plain", { newName: "plain-moved" });
    await client.updatePool("worker-warm", { replicas: 3 });
    await client.updateSandbox("box-1", { ttlSeconds: 7200 });
  },
};

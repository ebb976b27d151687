import { beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import { findEngine } from "../ground/engines.ts";
import { followGuide, readGuide } from "../ground/guide.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";
import {
  type Container,
  delegateConf,
  type Manifest,
  readManifest,
  selectionsOf,
} from "../ground/manifests.ts";

/**
 * The guide for Kubernetes, as far as it goes without one: its objects are read by the names and types of their fields, the commands of its
 * containers are run on a private host with the folders that they mount, and its definitions are handed to the plugins as Multus does.
 */

const GUIDE = "docs/guide/kubernetes.md";
const blocks = readGuide(readFileSync(join(import.meta.dir, "../..", GUIDE), "utf8"));
const files = blocks.flatMap((block) => (block.kind === "file" ? [block] : []));
const FOLDER = "/tmp/guide";
const BIN_DIR = "/opt/cni/bin";

function manifest(name: string): Manifest {
  const found = files.find((file) => file.name === name);
  if (!found) throw new Error(`${GUIDE} has no ${name}`);
  return readManifest(found.text);
}

test.each(files.filter(({ name }) => name.endsWith(".yaml")).map(({ name }) => name))(
  "%s has fields that exist",
  (name) => expect(manifest(name).metadata.name).toBe(name.replace(/\.yaml$/, "")),
);

describe("a manifest that is wrong is not taken", () => {
  const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" } };
  test.each([
    ["a misspelt field", { ...pod, spec: { container: [], containers: [{ name: "a", image: "b" }] } }],
    ["a type that is none", { ...pod, spec: { containers: [{ name: "a", image: 1 }] } }],
    ["a kind of nobody", { ...pod, kind: "Podd", spec: {} }],
  ])("%s", (_, object) => expect(() => readManifest(JSON.stringify(object))).toThrow());
});

describe("on a node", () => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  const inPod = (...argv: string[]) => host.must(["ip", "netns", "exec", "pod", ...argv]);

  beforeAll(async () => {
    host = things.use(await startHost({ engine: await findEngine("oldest") }));
    await host.unplug();
    await host.must(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan1", "netns", "router"]);
    await host.must(["ip", "link", "set", "eth0", "up"]);
    await host.must(["ip", "-n", "router", "link", "set", "lan1", "up"]);
    await host.must(["ip", "-n", "router", "address", "add", "192.168.1.1/24", "dev", "lan1"]);
    await host.must(["ip", "netns", "add", "pod"]);
    for (const folder of [BIN_DIR, FOLDER]) mkdirSync(host.outside(folder), { recursive: true });
    for (const { name, text } of files) writeFileSync(host.outside(`${FOLDER}/${name}`), text);
    writeFileSync(host.outside(`${BIN_DIR}/macvlan`), "somebody's");
  }, 600_000);

  /** The command of a container, with the folders of the host where it has them. */
  async function runContainer({ command = [], volumeMounts = [] }: Container, of: Manifest): Promise<string> {
    const volumes = of.kind === "DaemonSet" ? (of.spec.template.spec.volumes ?? []) : [];
    for (const { name, mountPath } of volumeMounts) {
      const path = volumes.find((volume) => volume.name === name)?.hostPath.path ?? "";
      await host.must(["sh", "-euc", 'mkdir -p "$1"; busybox mount --bind "$0" "$1"', path, mountPath]);
    }
    try {
      return await host.must(["env", `PATH=/opt/underlay:${host.engine.path}`, ...command]);
    } finally {
      for (const { mountPath } of volumeMounts) await host.must(["busybox", "umount", mountPath]);
    }
  }

  const initOf = (of: Manifest) =>
    of.kind === "DaemonSet" ? (of.spec.template.spec.initContainers ?? []) : [];
  const plugins = () => readdirSync(host.outside(BIN_DIR)).filter((name) => !name.startsWith("."));

  test("the DaemonSet puts the plugins in place, twice as once", async () => {
    const install = manifest("underlay-cni.yaml");
    for (const container of [...initOf(install), ...initOf(install)]) await runContainer(container, install);
    expect(plugins().sort()).toEqual(["host-local", "ipvlan", "macvlan", "static", "underlay"]);
  });

  /** As Multus calls a plugin of its own. */
  async function cni(verb: string, ifname: string, conf: object): Promise<unknown> {
    const out = await host.must(
      [
        "env",
        `CNI_COMMAND=${verb}`,
        "CNI_CONTAINERID=0123456789abcdef",
        "CNI_NETNS=/run/netns/pod",
        `CNI_IFNAME=${ifname}`,
        `CNI_PATH=${BIN_DIR}`,
        "CNI_ARGS=IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=camera;K8S_POD_INFRA_CONTAINER_ID=0123456789abcdef;K8S_POD_UID=1",
        `${BIN_DIR}/macvlan`,
      ],
      { input: JSON.stringify(conf) },
    );
    return out === "" ? undefined : JSON.parse(out);
  }

  test("a pod of Multus has the link, the address and the MAC that it asks for", async () => {
    const [selection] = selectionsOf(manifest("camera.yaml"));
    const definition = manifest("lan.yaml");
    if (definition.kind !== "NetworkAttachmentDefinition" || !selection) throw new Error("no definition");
    expect(selection.name).toBe(definition.metadata.name);
    const conf = delegateConf(definition.spec.config, selection);
    const ifname = selection.interface ?? "net1";
    expect(await cni("ADD", ifname, conf)).toMatchObject({
      cniVersion: "1.0.0",
      interfaces: [{ name: "lan0", mac: "02:5e:00:00:00:46" }],
      ips: [{ address: "192.168.1.70/24" }],
    });
    expect(await inPod("ip", "-4", "-o", "address", "show", "lan0")).toContain("192.168.1.70/24");
    expect(await inPod("ip", "route")).not.toContain("default");
    await inPod("busybox", "ping", "-c", "1", "-W", "2", "192.168.1.1");
    await cni("DEL", ifname, conf);
    expect(await inPod("ip", "-br", "link")).not.toContain("lan0");
  });

  test("a pod of a node's own definition has an address of its range", async () => {
    const definition = manifest("lan-of-node-a.yaml");
    if (definition.kind !== "NetworkAttachmentDefinition") throw new Error("no definition");
    const conf = delegateConf(definition.spec.config, { name: definition.metadata.name });
    expect(await cni("ADD", "net1", conf)).toMatchObject({ ips: [{ address: "192.168.1.64/24" }] });
    await cni("DEL", "net1", conf);
    expect(
      readdirSync(host.outside("/var/lib/cni/networks/lan-of-node-a")).filter((name) => /^\d+\./.test(name)),
    ).toEqual([]);
  });

  for (const block of blocks.filter((one) => one.kind === "commands"))
    test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text}`, () =>
      followGuide(GUIDE, block, (command) =>
        host.run(["sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=/opt/underlay:$PATH\n${command}`]),
      ));

  test("the other DaemonSet puts back what was there", async () => {
    const remove = manifest("underlay-cni-remove.yaml");
    for (const container of initOf(remove)) await runContainer(container, remove);
    expect(plugins()).toEqual(["macvlan"]);
    expect(readFileSync(host.outside(`${BIN_DIR}/macvlan`), "utf8")).toBe("somebody's");
  });
});

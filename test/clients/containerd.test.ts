import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { disposedAfterAll } from "../ground/cleanup.ts";
import {
  BIN_DIR,
  type Containerd,
  copyPlugins,
  IMAGE,
  NET_D,
  startContainerd,
} from "../ground/containerd.ts";
import { AGES, findEngine } from "../ground/engines.ts";
import { followGuide, readGuide } from "../ground/guide.ts";
import { type PrivateHost, startHost } from "../ground/host.ts";
import { referencePlugins } from "../ground/reference-cni.ts";
import { must } from "../ground/run.ts";
import { until } from "../ground/until.ts";

/**
 * containerd 1.6 and 2.x, whose client `ctr` starts the plugins: pods on macvlan, alone and before the reference's plugins, and the
 * guide as it is written.
 */

const ROOT = join(import.meta.dir, "../..");
const GUIDE = "docs/guide/containerd.md";
const FOLDER = "/tmp/guide";
const REFERENCE = ["portmap", "tuning", "firewall", "bandwidth"];
const PROGRAM = "/opt/underlay/underlay";

const HOST_LOCAL = {
  type: "host-local",
  subnet: "192.168.1.0/24",
  rangeStart: "192.168.1.64",
  gateway: "192.168.1.1",
  routes: [{ dst: "0.0.0.0/0" }],
};

describe.each([...AGES])("the %s containerd", (age) => {
  const things = disposedAfterAll();
  let host: PrivateHost;
  let containerd: Containerd;
  let reference: string;

  beforeAll(async () => {
    host = things.use(await startHost({ engine: await findEngine(age) }));
    await host.unplug();
    await host.must(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "lan1", "netns", "router"]);
    await host.must(["ip", "link", "set", "eth0", "up"]);
    await host.must(["ip", "-n", "router", "link", "set", "lan1", "up"]);
    for (const address of ["192.168.1.1/24", "20.1.1.1/24"])
      await host.must(["ip", "-n", "router", "address", "add", address, "dev", "lan1"]);
    containerd = await startContainerd(host);
    reference = await referencePlugins();
    copyPlugins(host, reference, REFERENCE);
    mkdirSync(host.outside(NET_D), { recursive: true });
    mkdirSync(host.outside(FOLDER), { recursive: true });
  }, 600_000);

  const outside = (path: string) => host.outside(path);
  const clear = () => {
    for (const name of readdirSync(outside(NET_D))) rmSync(outside(join(NET_D, name)));
    rmSync(outside("/var/lib/cni"), { recursive: true, force: true });
  };
  const network = (plugins: readonly object[], more: object = {}) =>
    Bun.write(
      outside(join(NET_D, "10-lan.conflist")),
      JSON.stringify({ cniVersion: "1.0.0", name: "lan", plugins, ...more }),
    );
  const macvlan = () => ({ type: "macvlan", master: "eth0", ipam: HOST_LOCAL });
  const run = (id: string, ...argv: string[]) => containerd.ctr("run", "--rm", "--cni", IMAGE, id, ...argv);
  /** Of a newer Debian: the host's own has no program to list it. */
  const masquerade = () =>
    must([
      ...["nsenter", `--net=/proc/${host.pid}/ns/net`, "chroot", reference.replace(/\/usr\/lib\/cni$/, "")],
      ...["/usr/sbin/nft", "list", "ruleset"],
    ]);
  const links = async () =>
    (await host.must(["ip", "-br", "link"])).split("\n").map((row) => row.split(/[@ ]/)[0]);
  const reservations = (name = "lan") =>
    readdirSync(outside(`/var/lib/cni/networks/${name}`)).filter((file) => /^\d+\./.test(file));

  describe("with Underlay's plugins", () => {
    beforeAll(() => void host.must([PROGRAM, "cni", "install"]), 60_000);
    beforeAll(async () => {
      await until("the plugins are there", () => readdirSync(outside(BIN_DIR)).includes("loopback"));
    });
    afterEach(async () => {
      expect(await links()).toEqual(["lo", "eth0"]);
      clear();
    });

    test("pods of the configuration that all began with ping each other", async () => {
      const seed = readFileSync(join(ROOT, "test/live/net.d/20-lannet.conf"));
      await Bun.write(outside(join(NET_D, "20-lannet.conf")), seed);
      await containerd.runDetached("one");
      const address = await containerd.exec("one", "ip", "-4", "address", "show", "eth0");
      expect(address).toContain("inet 20.1.1.2/24");
      expect(await containerd.exec("one", "ip", "route")).not.toContain("default");
      expect(await run("two", "ping", "-c", "1", "-W", "2", "20.1.1.2")).toContain("1 packets received");
      expect(reservations("lannet")).toEqual(["20.1.1.2"]);
      await containerd.remove("one");
    });

    test("a pod reaches the LAN, and its address is free when it has ended, without its netns", async () => {
      await Bun.write(outside(join(BIN_DIR, "noted-macvlan")), NOTED);
      await host.must(["chmod", "755", join(BIN_DIR, "noted-macvlan")]);
      await network([{ ...macvlan(), type: "noted-macvlan" }]);
      expect(await run("one", "ping", "-c", "1", "-W", "2", "192.168.1.1")).toContain("1 packets received");
      expect(reservations()).toEqual([]);
      const calls = readFileSync(outside("/tmp/calls"), "utf8").trim().split("\n");
      expect(calls).toEqual([expect.stringMatching(/^ADD \/proc\/\d+\/ns\/net$/), "DEL"]);
      rmSync(outside("/tmp/calls"));
    });

    test("version 1.1.0 alone is for containerd 2, with an older one beside it for both", async () => {
      await network([macvlan()], { cniVersions: ["1.0.0", "1.1.0"] });
      expect(await run("one", "ping", "-c", "1", "-W", "2", "192.168.1.1")).toContain("1 packets received");
      await network([macvlan()], { cniVersion: "1.1.0" });
      const { code, stderr } = await containerd.tryCtr(["run", "--cni", IMAGE, "two", "true"]);
      if (age === "newest") expect(code).toBe(0);
      else expect([code, stderr]).toEqual([1, expect.stringContaining("unsupported CNI result version")]);
      await containerd.remove("two");
    });

    test("before tuning, portmap and firewall of the reference, and nothing of theirs is left", async () => {
      const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }] };
      const before = await rules(host);
      await network([
        macvlan(),
        { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } },
        { type: "portmap", runtimeConfig },
        { type: "firewall" },
      ]);
      await containerd.runDetached("one");
      expect(await containerd.exec("one", "cat", "/proc/sys/net/ipv4/conf/eth0/arp_filter")).toBe("1");
      const during = await rules(host);
      expect(during.filter((rule) => /192\.168\.1\.64/.test(rule)).length).toBeGreaterThan(2);
      expect(during.some((rule) => /dport 8080|CNI-DN-/.test(rule))).toBe(true);
      expect(await run("two", "ping", "-c", "1", "-W", "2", "192.168.1.64")).toContain("1 packets received");
      // Of what runs in the background nobody is told when it ends; of what runs in the foreground they are.
      expect((await rules(host)).filter((rule) => rule.includes("192.168.1.65"))).toEqual([]);
      await containerd.remove("one");
      expect(before.filter((rule) => rule.includes("192.168.1."))).toEqual([]);
    });

    test("bandwidth refuses a macvlan, and names why", async () => {
      const rates = { ingressRate: 1_000_000, ingressBurst: 1_000_000 };
      await network([macvlan(), { type: "bandwidth", ...rates }]);
      const { code, stderr } = await containerd.tryCtr(["run", "--cni", IMAGE, "one", "true"]);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining("container interface eth0 has no veth peer"),
      ]);
      await containerd.remove("one");
    });

    test("on our bridge before all four of the reference, a port of the host leads to it, and all goes with it", async () => {
      await host.must(["ip", "address", "add", "192.168.1.2/24", "dev", "eth0"]);
      const subnet = { type: "host-local", subnet: "10.88.0.0/24", routes: [{ dst: "0.0.0.0/0" }] };
      // ctr 1.6 has left the rules of another port to nobody.
      const runtimeConfig = { portMappings: [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }] };
      const rates = { ingressRate: 1e6, ingressBurst: 1e6, egressRate: 1e6, egressBurst: 1e6 };
      await network([
        { type: "bridge", bridge: "cni0", isGateway: true, ipMasq: true, hairpinMode: true, ipam: subnet },
        { type: "portmap", runtimeConfig },
        { type: "firewall" },
        { type: "bandwidth", ...rates },
        { type: "tuning", sysctl: { "net.ipv4.conf.IFNAME.arp_filter": "1" } },
      ]);
      const serving = await host.start(
        ["ctr", "run", "--rm", "--cni", IMAGE, "web", "busybox", "httpd", "-f", "-p", "80"],
        {},
      );
      await until("the port of the host leads to it", async () => {
        const { stdout } = await host.run(["ip", "netns", "exec", "router", "bash", "-c", ASK_8081]);
        return stdout.startsWith("HTTP/1.");
      });
      expect(await containerd.exec("web", "ping", "-c", "1", "-W", "2", "192.168.1.1")).toContain(
        "1 packets received",
      );
      expect(await host.must(["tc", "qdisc"])).toContain("qdisc tbf ");
      expect((await rules(host)).filter((rule) => rule.includes("10.88.0.2")).length).toBeGreaterThan(2);
      expect(await masquerade()).toContain("10.88.0.2");

      await containerd.ctr("task", "kill", "-s", "9", "web");
      await serving.exited;
      expect(await links()).toEqual(["lo", "eth0", "cni0"]);
      expect((await rules(host)).filter((rule) => /10\.88\.|dport 8081/.test(rule))).toEqual([]);
      expect(await masquerade()).not.toContain("10.88.0.2");
      expect(await host.must(["tc", "qdisc"])).not.toContain("tbf");
      expect(reservations()).toEqual([]);
      await host.must(["ip", "link", "delete", "cni0"]);
      await host.must(["ip", "address", "flush", "dev", "eth0"]);
    });

    test("of a container that was started in the background, ctr 1.6 gives nothing back, and 2.x does", async () => {
      await network([macvlan()]);
      await containerd.runDetached("one");
      await containerd.remove("one");
      expect(reservations()).toEqual(age === "oldest" ? ["192.168.1.64"] : []);
    });

    test("what the plugin has to say is what ctr says", async () => {
      await network([{ ...macvlan(), mode: "brigde" }]);
      const { code, stderr } = await containerd.tryCtr(["run", "--cni", IMAGE, "one", "true"]);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('failed (add): unknown macvlan mode: "brigde"'),
      ]);
      await containerd.remove("one");
    });
  });

  describe(`${GUIDE}, as it is written`, () => {
    let first: unknown;
    beforeAll(async () => {
      await host.must([PROGRAM, "cni", "uninstall"]);
      rmSync(outside(join(BIN_DIR, "noted-macvlan")));
      clear();
    });

    for (const block of readGuide(readFileSync(join(ROOT, GUIDE), "utf8"))) {
      if (block.kind === "file")
        test(`line ${block.line}: ${block.name}`, async () => {
          await Bun.write(outside(`${FOLDER}/${block.name}`), block.text);
        });
      else
        test(`line ${block.line}, ${block.section}: ${block.commands[0]?.text}`, async () => {
          if (first !== undefined)
            throw new Error(`${GUIDE}:${block.line}: not typed, a block before it failed`);
          try {
            await followGuide(GUIDE, block, (command) =>
              host.run(["sh", "-c", `cd ${FOLDER}; exec 2>&1\nPATH=/opt/underlay:$PATH\n${command}`], {
                timeoutMs: 60_000,
              }),
            );
          } catch (failure) {
            first = failure;
            throw failure;
          }
        });
    }

    test("the guide clears away what it makes", async () => {
      expect(await links()).toEqual(["lo", "eth0"]);
      expect(readdirSync(outside(BIN_DIR)).sort()).toEqual([...REFERENCE].sort());
      expect(readdirSync(outside(NET_D))).toEqual([]);
      expect(await containerd.ctr("container", "ls", "-q")).toBe("");
    });
  });
});

/** One request, by bash: its answer begins with the version of HTTP, whatever the server has. */
const ASK_8081 = 'exec 3<>/dev/tcp/192.168.1.2/8081; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; head -n 1 <&3';

/** A plugin that notes verb and netns of each call, and is ours. */
const NOTED = `#!/bin/bash
echo "$CNI_COMMAND $CNI_NETNS" | sed 's/ $//' >>/tmp/calls
exec -a macvlan ${PROGRAM}
`;

async function rules(host: PrivateHost): Promise<string[]> {
  return (await host.must(["iptables-save"])).split("\n");
}

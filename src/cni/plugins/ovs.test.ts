import { describe, expect, test } from "bun:test";
import type { PairRequest } from "../../lib/pair.ts";
import type { SwitchWish } from "../../lib/switch-port.ts";
import { callOf } from "../ipam/calls.fixture.ts";
import type { Call, Conf, Delegate } from "../plugin.ts";
import { parseResult } from "../result.ts";
import { ovs } from "./ovs.ts";

/** What the keys of ovs-cni become, without a process and without a switch. */

const refuse = () => Promise.reject(new Error("no plugin was to be asked"));
const NO_DELEGATE: Delegate = { add: refuse, del: refuse, check: refuse, gc: refuse, status: refuse };

/** The plugin, and what it asked for. */
function scene(files: Readonly<Record<string, string>> = {}, delegate: Delegate = NO_DELEGATE) {
  const wishes: SwitchWish[] = [];
  const requests: PairRequest[] = [];
  const notes: string[] = [];
  const asked: string[] = [];
  const noted = (what: string) => async () => void asked.push(what);
  const plugin = ovs({
    delegate,
    readText: (path) => files[path],
    note: (text) => notes.push(text),
    pairs(wish) {
      wishes.push(wish);
      return {
        async attach(request) {
          requests.push(request);
          const { key } = request;
          const assigned = (await request.addresses?.()) ?? { addresses: [], routes: [] };
          const [host, inside] = [
            { name: "veth0", ifindex: 2, mtu: 1500 },
            { name: key.ifname, ifindex: 3, mtu: 1500 },
          ];
          return { key, host, inside, others: [], assigned };
        },
        detach: noted("detach"),
        verify: noted("verify"),
        collect: noted("collect"),
        requireReady: noted("requireReady"),
      };
    },
  });
  return { plugin, wishes, requests, notes, asked };
}

async function wishOf(keys: Conf, more: { files?: Record<string, string>; args?: string } = {}) {
  const { plugin, wishes, requests } = scene(more.files);
  await plugin.add(callOf({ name: "n", ...keys }, { args: more.args ?? "" }));
  const [wish, request] = [wishes[0], requests[0]];
  if (!wish || !request) throw new Error("nothing was asked for");
  return { ...wish, request };
}

async function refusalOf(keys: Conf, files: Readonly<Record<string, string>> = {}, args = "") {
  const { plugin, wishes } = scene(files);
  const refused: unknown = await plugin
    .add(callOf({ name: "n", ...keys }, { args }))
    .catch((thrown) => thrown);
  expect(wishes).toEqual([]);
  return refused;
}

test("defaults: a trunk of all VLANs, any number, the packages' socket, three seconds", async () => {
  const { request, ...wish } = await wishOf({ bridge: "br0" });
  expect(wish).toEqual({
    bridge: "br0",
    vlans: { mode: "trunk", vlans: [] },
    marks: { owner: "underlay-cni", network: "n" },
    portIds: { contNetns: "/some/where", contIface: "eth0", attachment: "cni:n/dummy/eth0" },
    interfaceIds: {},
    othersMarks: [{ owner: "ovs-cni.network.kubevirt.io", contNetns: "/some/where", contIface: "eth0" }],
    linkStatePatience: 3000,
  });
  expect(request).toMatchObject({
    key: { network: "n", container: "dummy", ifname: "eth0" },
    owner: "cni:n/dummy/eth0",
    masquerade: false,
  });
  expect([request.mtu, request.mac, request.addresses]).toEqual([undefined, undefined, undefined]);
  expect(request.hostMac).toStartWith("fe:");
});

describe("VLANs", () => {
  test.each([
    [{ vlan: 100 }, { mode: "access", vlan: 100 }],
    [{ vlan: 0 }, { mode: "access", vlan: 0 }],
    [{ trunk: [] }, { mode: "trunk", vlans: [] }],
    [
      { vlan: 7, trunk: [] },
      { mode: "access", vlan: 7 },
    ],
    [
      { trunk: [{ id: 42 }, { minID: 1000, maxID: 1002 }, { id: 42 }] },
      { mode: "trunk", vlans: [42, 1000, 1001, 1002] },
    ],
    [{ trunk: [{ id: 0 }, { id: 5 }] }, { mode: "trunk", vlans: [0, 5] }],
    [
      { vlan: 9, trunk: [{ id: 10, minID: 20, maxID: 20 }] },
      { mode: "trunk", vlans: [10, 20], native: 9 },
    ],
  ])("%j are %j", async (keys, vlans) => {
    expect((await wishOf({ bridge: "br0", ...keys })).vlans).toMatchObject({ ...vlans });
  });
});

describe("what is wrong is told by its name", () => {
  test.each([
    [{}, 7, "missing bridge"],
    [{ bridge: "a b" }, 7, 'bridge: link name "a b" has a slash'],
    [{ bridge: "a".repeat(16) }, 7, "is longer than 15 bytes"],
    [{ bridge: 7 }, 7, "failed to load netconf: bridge must be a string"],
    [{ bridge: "b", vlan: 4095 }, 7, "invalid VLAN ID 4095 (must be between 0 and 4094)"],
    [{ bridge: "b", vlan: -1 }, 7, "invalid VLAN ID -1"],
    [{ bridge: "b", vlan: "7" }, 7, "vlan must be a whole number"],
    [{ bridge: "b", trunk: [{}] }, 7, "trunk parameter is misconfigured"],
    [{ bridge: "b", trunk: [{ id: 4095 }] }, 7, "incorrect trunk id parameter"],
    [{ bridge: "b", trunk: [{ minID: 0, maxID: 5 }] }, 7, "incorrect trunk minID parameter"],
    [{ bridge: "b", trunk: [{ minID: 6, maxID: 5 }] }, 7, "minID is greater than maxID"],
    [{ bridge: "b", trunk: [{ minID: 6 }] }, 7, "maxID is missing"],
    [{ bridge: "b", trunk: [{ id: 4094 }, { minID: 1, maxID: 9999 }] }, 7, "incorrect trunk maxID parameter"],
    [{ bridge: "b", mtu: 40 }, 7, "invalid MTU 40"],
    [{ bridge: "b", ofport_request: 65280 }, 7, "ofport_request must be from 1 to 65279, not 65280"],
    [{ bridge: "b", ofport_request: -1 }, 7, "ofport_request must be from 1 to 65279, not -1"],
    [{ bridge: "b", link_state_check_retries: -1 }, 7, "link_state_check_retries must be 0 or more"],
    [{ bridge: "b", link_state_check_interval: 1e6 }, 7, "5000000 ms, which is more than 600000"],
    [{ bridge: "b", deviceID: "0000:03:02.3" }, 2, "unsupported field deviceID 0000:03:02.3: hardware"],
    [{ bridge: "b", runtimeConfig: { mac: "01:00:5e:00:00:01" } }, 7, "invalid MAC address"],
  ])("%j: code %d, %s", async (keys, code, text) => {
    const refused = await refusalOf(keys);
    expect(refused).toMatchObject({ code });
    expect(String(refused)).toContain(text);
  });
});

describe("a file has what the configuration leaves open", () => {
  const KUBERNETES = "/etc/kubernetes/cni/net.d/ovs.d/ovs.conf";
  const USUAL = "/etc/cni/net.d/ovs.d/ovs.conf";
  const file = (keys: Conf) => JSON.stringify(keys);

  test("the first that is there, that of configuration_path before all", async () => {
    const files = {
      "/x": file({ bridge: "x0" }),
      [KUBERNETES]: file({ bridge: "k0" }),
      [USUAL]: file({ bridge: "u0" }),
    };
    expect((await wishOf({ configuration_path: "/x" }, { files })).bridge).toBe("x0");
    expect((await wishOf({ configuration_path: "/not/there" }, { files })).bridge).toBe("k0");
    expect((await wishOf({}, { files: { [USUAL]: files[USUAL] } })).bridge).toBe("u0");
  });

  test("the configuration goes before it, but for what is zero there", async () => {
    const files = {
      [USUAL]: file({
        bridge: "u0",
        vlan: 5,
        mtu: 1400,
        ofport_request: 9,
        socket_file: "tcp:127.0.0.1:6640",
        link_state_check_retries: 2,
        link_state_check_interval: 50,
        strange: true,
      }),
    };
    const wish = await wishOf({ bridge: "own0", mtu: 0, vlan: 6 }, { files });
    expect(wish).toMatchObject({
      bridge: "own0",
      vlans: { mode: "access", vlan: 6 },
      ofport: 9,
      ovsdb: "tcp:127.0.0.1:6640",
      linkStatePatience: 100,
      request: { mtu: 1400 },
    });
  });

  test("one that is wrong is refused with its path, and not read for what has to be taken away", async () => {
    for (const [content, text] of [
      ["{", "JSON"],
      ["[]", "it must be an object"],
      [file({ vlan: "x" }), "vlan must be a whole number"],
    ] as const) {
      const refused = String(await refusalOf({ bridge: "b" }, { [USUAL]: content }));
      expect(refused).toContain(`${USUAL}: `);
      expect(refused).toContain(text);
      const { plugin, asked, wishes } = scene({ [USUAL]: content });
      await plugin.del(callOf({ name: "n", vlan: "also wrong" }));
      expect([asked, wishes[0]?.ovsdb]).toEqual([["detach"], undefined]);
    }
  });

  test("what has to be taken away is looked for where it was put", async () => {
    const { plugin, wishes } = scene({ [USUAL]: file({ socket_file: "unix:/run/a.sock" }) });
    await plugin.del(callOf({ name: "n" }));
    await plugin.gc(callOf({ name: "n", socket_file: "/run/b.sock" }), []);
    expect(wishes.map(({ ovsdb }) => ovsdb)).toEqual(["unix:/run/a.sock", "unix:/run/b.sock"]);
  });
});

test("a socket is unix:, tcp:, or a path alone", async () => {
  const told = ["unix:/a", "/a/b", "tcp:10.0.0.1:6640", ""];
  const wishes = await Promise.all(told.map((socket_file) => wishOf({ bridge: "b", socket_file })));
  expect(wishes.map(({ ovsdb }) => ovsdb)).toEqual(["unix:/a", "unix:/a/b", "tcp:10.0.0.1:6640", undefined]);
});

test("interface_type is not used, which is said", async () => {
  for (const [interface_type, said] of [
    ["internal", ["interface_type internal is not used: the port is one end of a veth pair"]],
    ["system", []],
    ["", []],
  ] as const) {
    const { plugin, notes } = scene();
    await plugin.add(callOf({ name: "n", bridge: "b", interface_type }));
    expect(notes).toEqual([...said]);
  }
});

test("what is said of a container: the runtime, args.cni, CNI_ARGS", async () => {
  const mac = (n: number) => `02:00:00:00:00:0${n}`;
  const args = `IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_UID=u-1;MAC=${mac(3)};OvnPort=lp3`;
  const [runtimeConfig, cni] = [{ mac: mac(1) }, { mac: mac(2), ovnPort: "lp2" }];
  const all = await wishOf({ bridge: "b", runtimeConfig, args: { cni } }, { args });
  expect<unknown>([all.request.mac, all.interfaceIds]).toEqual([mac(1), { "iface-id": "lp2" }]);
  expect(all.portIds).toMatchObject({ contPodUid: "u-1" });
  const less = await wishOf({ args: { cni: { MAC: mac(2) } } }, { args });
  expect<unknown>([less.request.mac, less.interfaceIds, less.bridge]).toEqual([
    mac(2),
    { "iface-id": "lp3" },
    "br-int",
  ]);
  expect<unknown>((await wishOf({ bridge: "b" }, { args })).request.mac).toBe(mac(3));
  expect(await refusalOf({ bridge: "b" }, {}, "STRANGE=1")).toMatchObject({ code: 4 });
});

test("addresses are the IPAM plugin's, of the container's end, and given back when the rest fails", async () => {
  const asked: string[] = [];
  const delegate: Delegate = {
    ...NO_DELEGATE,
    add: async (type) => {
      asked.push(`add ${type}`);
      return parseResult({ ips: [{ address: "10.0.0.5/24" }], routes: [{ dst: "0.0.0.0/0" }] }, "1.0.0");
    },
    del: async (type) => void asked.push(`del ${type}`),
  };
  const { plugin, requests } = scene({}, delegate);
  const result = await plugin.add(
    callOf({ name: "n", bridge: "b", mtu: 1400, ipam: { type: "host-local" } }),
  );
  expect(result).toMatchObject({
    interfaces: [{ name: "veth0" }, { name: "eth0", sandbox: "/some/where" }],
    ips: [{ interface: 1 }],
    routes: [{}],
  });
  expect(requests[0]?.mtu).toBe(1400);
  await requests[0]?.giveBack?.();
  expect(asked).toEqual(["add host-local", "del host-local"]);
});

test("each verb asks for its own; without a netns nobody else's port is named", async () => {
  const { plugin, asked, wishes } = scene();
  const call = callOf({ name: "n", bridge: "b" });
  const prevResult = parseResult({ interfaces: [{ name: "eth0", sandbox: "/some/where" }] }, "1.0.0");
  await plugin.check({ ...call, prevResult });
  await plugin.gc(call, [{ containerId: "c", ifname: "eth0" }]);
  await plugin.status(call);
  const gone: Call = { ...call, env: { ...call.env, netns: "" } };
  await plugin.del(gone);
  expect(asked).toEqual(["verify", "collect", "requireReady", "detach"]);
  expect(wishes.at(-1)?.othersMarks).toEqual([]);
});

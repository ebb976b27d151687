import { describe, expect, test } from "bun:test";
import { readNetworkList, requestOf, typeOf, versionsTaken } from "./list.ts";

const read = (content: unknown, isSingle = false) =>
  readNetworkList(
    new TextEncoder().encode(typeof content === "string" ? content : JSON.stringify(content)),
    isSingle,
  );
const plugins = [{ type: "macvlan" }];

describe("a list", () => {
  test("with all that it may have, in any case", () => {
    const list = read({
      CNIVersion: "1.0.0",
      cniVersions: ["1.1.0"],
      name: "lan",
      disableCheck: true,
      disableGC: "True",
      loadOnlyInlinedPlugins: null,
      labels: {},
      plugins: [{ Type: "macvlan", master: "eth0" }],
    });
    expect(list).toEqual({
      ...{ name: "lan", cniVersion: "1.0.0", cniVersions: ["1.1.0"] },
      ...{ disableCheck: true, disableGC: true, loadOnlyInlinedPlugins: false },
      plugins: [{ Type: "macvlan", master: "eth0" }],
    });
    expect(list.plugins.map(typeOf)).toEqual(["macvlan"]);
  });

  test("of one plugin", () => {
    const conf = { name: "lan", type: "macvlan", disableCheck: "not ours to judge" };
    expect(read(conf, true)).toMatchObject({ name: "lan", cniVersion: "0.1.0", plugins: [conf] });
  });

  test("hands its name and version to each plugin", () => {
    const list = read({ name: "lan", cniVersion: "0.4.0", plugins: [{ type: "macvlan", name: "other" }] });
    expect(list.plugins.map((conf) => requestOf(list, conf, "1.1.0"))).toEqual([
      { type: "macvlan", name: "lan", cniVersion: "1.1.0" },
    ]);
  });

  test.each([
    ["{", false, "error unmarshall network config: "],
    ["[]", false, "error unmarshall network config: it must be an object, not a list"],
    [{ plugins }, false, "missing network name"],
    [{ name: "a b", plugins }, false, "invalid characters found in network name"],
    [{ name: "a", plugins: [] }, false, "error parsing configuration list: no plugins in list"],
    [{ name: "a", plugins: {} }, false, "failed to load netconf: plugins must be a list, not an object"],
    [{ name: "a", plugins: ["x"] }, false, "failed to load netconf: plugins[0] must be an object"],
    [{ name: "a", plugins: [{}] }, false, "error parsing configuration: missing 'type' in plugins[0]"],
    [
      { name: "a", plugins, disableGC: "yes" },
      false,
      "failed to load netconf: disableGC must be true or false",
    ],
    [
      { name: "a", loadOnlyInlinedPlugins: true },
      false,
      "error parsing configuration list: no plugins in list",
    ],
    [{ name: "a" }, true, "error parsing configuration: missing 'type' in plugins[0]"],
  ])("%j is none", (content, isSingle, message) => {
    expect(() => read(content, isSingle)).toThrow(message);
  });
});

describe("versions, as libcni 1.3 takes them", () => {
  test.each([
    ["1.0.0", undefined, "1.0.0"],
    ["0.4.0", ["1.0.0", "1.1.0"], "1.1.0"],
    ["1.0.0", ["0.4.0", "1.2.0", "2.0.0"], "1.0.0"],
    ["9.0.0", ["8.0.0"], "9.0.0"],
    ["9.0.0", undefined, "9.0.0"],
    [undefined, ["0.3.1"], "0.3.1"],
  ])("%p and %p: %p", (cniVersion, cniVersions, newest) => {
    const taken = versionsTaken(read({ name: "a", cniVersion, cniVersions, plugins }));
    expect(taken).toEqual({ older: cniVersion ?? "0.1.0", newest });
  });
});

import { word } from "../../lib/quote.ts";
import { integer, optional, type Shape, struct, text } from "../../lib/shape.ts";
import type { SwitchVlans } from "../../lib/switch-port.ts";
import { loadConf } from "../conf.ts";
import { CNI_CODE, CniError } from "../errors.ts";
import type { Conf } from "../plugin.ts";
import { dnsShape } from "../result.ts";
import { checkVlan, trunkShape } from "./bridge-vlans.ts";
import { ipamShape } from "./ipam.ts";
import { checkMtu } from "./pair.ts";

/** Keys of k8snetworkplumbingwg/ovs-cni: of the configuration, and of a file that has what it leaves open. */

const OWN = {
  bridge: text,
  vlan: optional(integer),
  trunk: trunkShape,
  mtu: integer,
  interface_type: text,
  ofport_request: integer,
  socket_file: text,
  link_state_check_retries: integer,
  link_state_check_interval: integer,
  deviceID: text,
} as const;

const perContainer = struct({ cni: struct({ mac: text, ovnPort: text }) });

const ownShape = struct(OWN);
const shape = struct({
  ...OWN,
  configuration_path: text,
  ipam: ipamShape,
  dns: dnsShape,
  args: perContainer,
  runtimeConfig: struct({ mac: text }),
});

export type OvsKeys = ReturnType<typeof shape>;
type OwnKeys = ReturnType<typeof ownShape>;

/** Undefined when there is no such file. */
export type ReadText = (path: string) => string | undefined;

/** Where the file is looked for, in this order, after `configuration_path`. */
const FILES = ["/etc/kubernetes/cni/net.d/ovs.d/ovs.conf", "/etc/cni/net.d/ovs.d/ovs.conf"];

/** All keys; what the configuration leaves open, or at zero, is the file's. Throws code 7. */
export function loadOvs(conf: Conf, readText: ReadText): OvsKeys {
  const keys = loadConf(conf, shape);
  const file = loadFile(keys.configuration_path, readText);
  return file ? { ...keys, ...merged(keys, file) } : keys;
}

function merged(own: OwnKeys, file: OwnKeys): OwnKeys {
  const vlan = own.vlan ?? file.vlan;
  return {
    bridge: own.bridge || file.bridge,
    vlan,
    trunk: own.trunk.length > 0 ? own.trunk : file.trunk,
    mtu: own.mtu || file.mtu,
    interface_type: own.interface_type || file.interface_type,
    ofport_request: own.ofport_request || file.ofport_request,
    socket_file: own.socket_file || file.socket_file,
    link_state_check_retries: own.link_state_check_retries || file.link_state_check_retries,
    link_state_check_interval: own.link_state_check_interval || file.link_state_check_interval,
    deviceID: own.deviceID || file.deviceID,
  };
}

function loadFile(named: string, readText: ReadText): OwnKeys | undefined {
  for (const path of [...(named === "" ? [] : [named]), ...FILES]) {
    const content = readText(path);
    if (content !== undefined) return parseFile(path, content);
  }
  return undefined;
}

function parseFile(path: string, content: string): OwnKeys {
  const conf = jsonOf(path, content);
  try {
    return loadConf(conf, ownShape);
  } catch (thrown) {
    if (!(thrown instanceof CniError)) throw thrown;
    throw new CniError(thrown.code, `${path}: ${thrown.message}`, thrown.details, thrown);
  }
}

function jsonOf(path: string, content: string): Conf {
  try {
    const value: unknown = JSON.parse(content);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (thrown) {
    throw new CniError(CNI_CODE.config, `${path}: ${String(thrown)}`, "", thrown);
  }
  throw wrong(`${path}: it must be an object`);
}

const leavingShape = struct({ socket_file: lenient, configuration_path: lenient });

/** Of a configuration only where the database is, however wrong the rest has become. */
export function socketOf(conf: Conf, readText: ReadText): string {
  const { socket_file, configuration_path } = loadConf(conf, leavingShape);
  return socket_file || socketOfFile(configuration_path, readText);
}

/** A file that has become wrong is as good as none: what is to be taken away may be where everybody has it. */
function socketOfFile(named: string, readText: ReadText): string {
  try {
    return loadFile(named, readText)?.socket_file ?? "";
  } catch (thrown) {
    if (thrown instanceof CniError) return "";
    throw thrown;
  }
}

function lenient(...[value]: Parameters<Shape<string>>): string {
  return typeof value === "string" ? value : "";
}

/** `unix:`, `tcp:`, or a path alone. Undefined when nothing is said. */
export function targetOf(socketFile: string): string | undefined {
  if (socketFile === "") return undefined;
  return socketFile.startsWith("/") ? `unix:${socketFile}` : socketFile;
}

const LAST_VID = 4094;

/**
 * A port in one VLAN, or a trunk: of these VLANs, or of all when nothing is said. With both, `vlan` is that of frames
 * without a tag, which the reference would drop. Throws code 7.
 */
export function vlansOf({ vlan, trunk }: Pick<OvsKeys, "vlan" | "trunk">): SwitchVlans {
  if (vlan !== undefined) checkVlan(vlan);
  if (trunk.length === 0) return vlan === undefined ? { mode: "trunk", vlans: [] } : { mode: "access", vlan };
  const vlans = [...new Set(trunk.flatMap(idsOf))].sort((a, b) => a - b);
  if (vlans.length === 0) throw wrong("trunk parameter is misconfigured");
  return { mode: "trunk", vlans, ...(vlan !== undefined && { native: vlan }) };
}

/** Id 0 is for frames without a tag. */
function idsOf({ minID, maxID, id }: OvsKeys["trunk"][number]): readonly number[] {
  const one = id === undefined ? [] : [inRange(id, 0, "id")];
  if (minID === undefined && maxID === undefined) return one;
  if (minID === undefined || maxID === undefined) {
    const missing = minID === undefined ? "minID" : "maxID";
    throw wrong(`minID and maxID should be configured simultaneously, ${missing} is missing`);
  }
  const [first, last] = [inRange(minID, 1, "minID"), inRange(maxID, 1, "maxID")];
  if (last < first) throw wrong("minID is greater than maxID in trunk parameter");
  return [...one, ...Array.from({ length: last - first + 1 }, (_, i) => first + i)];
}

function inRange(vid: number, least: number, key: string): number {
  if (vid >= least && vid <= LAST_VID) return vid;
  throw wrong(`incorrect trunk ${key} parameter`);
}

/** OFPP_MAX of OpenFlow 1.0 is 0xff00, the first that is no port's. */
const LAST_OFPORT = 0xff00 - 1;

/** What else can be wrong with single keys. Throws code 2 or 7. */
export function checkOvs({ mtu, ofport_request, deviceID }: OvsKeys): void {
  if (deviceID !== "") {
    const why = "hardware offload is not done here: leave it out, and a veth pair is made";
    throw new CniError(CNI_CODE.unsupportedField, `unsupported field deviceID ${word(deviceID)}: ${why}`);
  }
  checkMtu(mtu);
  if (ofport_request >= 0 && ofport_request <= LAST_OFPORT) return;
  throw wrong(`ofport_request must be from 1 to ${LAST_OFPORT}, not ${ofport_request}`);
}

/** How often, and milliseconds between. */
const CHECKS = { retries: 5, interval: 600 } as const;
/** No runtime waits as long. */
const LONGEST = 600_000;

/** Milliseconds until the port has to be up. Throws code 7. */
export function linkStatePatience(keys: OvsKeys): number {
  const rows = ["link_state_check_retries", "link_state_check_interval"] as const;
  for (const key of rows) if (keys[key] < 0) throw wrong(`${key} must be 0 or more, not ${keys[key]}`);
  const retries = keys.link_state_check_retries || CHECKS.retries;
  const patience = retries * (keys.link_state_check_interval || CHECKS.interval);
  if (patience <= LONGEST) return patience;
  throw wrong(`${rows.join(" times ")} are ${patience} ms, which is more than ${LONGEST}`);
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}

import { formatCidr } from "../../lib/ip.ts";
import { list, mapOf, optional, type Shape, struct, text } from "../../lib/shape.ts";
import { loadConf } from "../conf.ts";
import { asStatusError, CNI_CODE, CniError } from "../errors.ts";
import type { AttachmentId, Call, Conf, Delegate, Plugin } from "../plugin.ts";
import { parseSubnetEnv, type SubnetEnv } from "./flannel-env.ts";

/**
 * Turns what flannel's daemon knows into the configuration of another plugin, usually bridge, and hands over to it: as
 * flannel-io/cni-plugin 1.9.1, whose files it shares. Unlike that one it forwards CHECK, GC and STATUS, and a DEL whose
 * file is gone asks the daemon's knowledge anew: a second attachment of a container has overwritten the file of the first.
 */

/** Files as the plugin needs them. Paths are absolute. */
export interface FlannelFiles {
  /** Undefined when there is none. */
  read(path: string): string | undefined;
  /** Whole or not at all, 0600; makes folders above it, 0700. */
  write(path: string, text: string): void;
  /** One that is gone is success. */
  remove(path: string): void;
  /** None for a folder that is not there. */
  namesIn(folder: string): readonly string[];
}

const raw: Shape<unknown> = (value) => value;

const shape = struct({
  subnetFile: text,
  dataDir: text,
  delegate: optional(mapOf(raw)),
  ipam: optional(mapOf(raw)),
  runtimeConfig: optional(mapOf(raw)),
});

export type FlannelConf = ReturnType<typeof shape>;

const DEFAULTS = {
  subnetFile: "/run/flannel/subnet.env",
  dataDir: "/var/lib/cni/flannel",
  type: "bridge",
  ipam: "host-local",
} as const;

/** What the delegate gets that is of one call. */
const PASSED_ON = ["prevResult", "cni.dev/valid-attachments", "cni.dev/attachments"];

export function flannel(delegate: Delegate, files: FlannelFiles): Plugin {
  const fileOf = (call: Call, { dataDir }: FlannelConf) =>
    `${dataDir || DEFAULTS.dataDir}/${call.env.containerId}`;

  /** As saved by the ADD; else as it would be now; undefined when the daemon is gone too. */
  function remembered(call: Call, conf: FlannelConf): Conf | undefined {
    const saved = savedConf(files.read(fileOf(call, conf)));
    if (saved) return saved;
    const env = subnetEnvOf(conf, files);
    return "problem" in env ? undefined : render(call, conf, env);
  }

  function rendered(call: Call): { readonly conf: FlannelConf; readonly target: Conf } {
    const conf = loadConf(call.conf, shape);
    const env = subnetEnvOf(conf, files);
    if ("problem" in env) {
      const message = `failed to load flannel 'subnet.env' file: ${env.problem}. Check the flannel pod log for this node.`;
      throw new CniError(CNI_CODE.tryAgain, message);
    }
    return { conf, target: render(call, conf, env) };
  }

  return {
    async add(call) {
      const { conf, target } = rendered(call);
      const file = fileOf(call, conf);
      files.write(file, JSON.stringify(target));
      const { prevResult: _, ...first } = call;
      try {
        return await delegate.add(typeOf(target), withConf(first, target));
      } catch (thrown) {
        files.remove(file);
        throw thrown;
      }
    },
    async del(call) {
      const conf = loadConf(call.conf, shape);
      const target = remembered(call, conf);
      if (target) await delegate.del(typeOf(target), callFor(call, target));
      files.remove(fileOf(call, conf));
    },
    async check(call) {
      const target = remembered(call, loadConf(call.conf, shape));
      if (target) await delegate.check(typeOf(target), callFor(call, target));
    },
    async gc(call, valid) {
      const { conf, target } = rendered(call);
      await delegate.gc(typeOf(target), callFor(call, target));
      if (valid) forgetOthers(call, conf, valid);
    },
    async status(call) {
      try {
        const { target } = rendered(call);
        await delegate.status(typeOf(target), callFor(call, target));
      } catch (thrown) {
        throw asStatusError(thrown);
      }
    },
  };

  /** Other networks may keep their files in the same folder. */
  function forgetOthers(call: Call, conf: FlannelConf, valid: readonly AttachmentId[]): void {
    const folder = conf.dataDir || DEFAULTS.dataDir;
    const alive = valid.map(({ containerId }) => containerId);
    for (const name of files.namesIn(folder).filter((containerId) => !alive.includes(containerId))) {
      const file = `${folder}/${name}`;
      if (savedConf(files.read(file))?.["name"] === call.name) files.remove(file);
    }
  }
}

function subnetEnvOf(
  { subnetFile }: FlannelConf,
  files: FlannelFiles,
): SubnetEnv | { readonly problem: string } {
  const path = subnetFile || DEFAULTS.subnetFile;
  const content = files.read(path);
  if (content === undefined) return { problem: `open ${path}: no such file or directory` };
  const env = parseSubnetEnv(content);
  return "problem" in env ? { problem: `${path}: ${env.problem}` } : env;
}

/** The delegate's configuration. What the operator wrote in `delegate` stays; `ipam` gets this host's ranges. */
function render(call: Call, conf: FlannelConf, env: SubnetEnv): Conf {
  const given: Conf = Object.fromEntries(conf.delegate ?? []);
  const type = given["type"] ?? DEFAULTS.type;
  if (typeof type !== "string") {
    throw wrong("'delegate' dictionary, if present, must have (string) 'type' field");
  }
  for (const key of ["name", "ipam"]) {
    if (Object.hasOwn(given, key)) {
      throw wrong(`'delegate' dictionary must not have '${key}' field, it'll be set by flannel`);
    }
  }
  return {
    // If flannel does not masquerade, its delegate should.
    ipMasq: !env.ipMasq,
    mtu: env.mtu,
    ...(type === DEFAULTS.type && { isGateway: true }),
    ...given,
    type,
    name: call.name,
    cniVersion: call.version,
    ...(conf.runtimeConfig && { runtimeConfig: Object.fromEntries(conf.runtimeConfig) }),
    ipam: ipamOf(conf, env),
  };
}

function ipamOf({ ipam }: FlannelConf, { networks, subnets }: SubnetEnv): Conf {
  const given: Conf = Object.fromEntries(ipam ?? []);
  const { routes } = loadConf(given, struct({ routes: list(raw) }));
  return {
    type: DEFAULTS.ipam,
    ...given,
    ranges: subnets.map((subnet) => [{ subnet: formatCidr(subnet) }]),
    routes: [...routes, ...networks.map((network) => ({ dst: formatCidr(network) }))],
  };
}

/** A file that a power cut left empty is as good as none. */
function savedConf(content: string | undefined): Conf | undefined {
  try {
    const saved: unknown = JSON.parse(content ?? "");
    return isObject(saved) && typeof saved["type"] === "string" ? saved : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Conf {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(target: Conf): string {
  return String(target["type"]);
}

function callFor(call: Call, target: Conf): Call {
  const passed = PASSED_ON.filter((key) => call.conf[key] !== undefined).map((key) => [key, call.conf[key]]);
  return withConf(call, { ...target, ...Object.fromEntries(passed) });
}

function withConf<C extends Omit<Call, "prevResult">>(call: C, conf: Conf): C {
  return { ...call, conf, raw: JSON.stringify(conf) };
}

function wrong(message: string): CniError {
  return new CniError(CNI_CODE.config, message);
}

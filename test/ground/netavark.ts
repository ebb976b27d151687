import { linkPlugins } from "./cni.ts";
import { type Output, run } from "./run.ts";

/** The drivers that the built program is, by the names that podman finds them by. */
export const NETAVARK_DRIVERS = ["underlay-macvlan", "underlay-ipvlan", "underlay-bridge"] as const;

export interface StatusBlock {
  readonly dns_server_ips: readonly string[];
  readonly interfaces: Readonly<
    Record<
      string,
      {
        readonly mac_address?: string;
        readonly subnets: readonly { readonly ipnet: string; readonly gateway?: string }[];
      }
    >
  >;
}

/** A netavark plugin as netavark meets it. What the protocol forbids throws here; so does what the plugin refuses. */
export interface NetavarkHost {
  create(driver: string, network: object): Promise<Record<string, unknown>>;
  setup(driver: string, netns: string, exec: object, env?: Env): Promise<StatusBlock>;
  teardown(driver: string, netns: string, exec: object, env?: Env): Promise<void>;
  raw(driver: string, args: readonly string[], stdin: string | Blob, env?: Env): Promise<Output>;
}

type Env = Readonly<Record<string, string>>;

/** `folder` is made here and removed by the caller; `netns`: the path of the one that plays the host. */
export function netavarkHost(folder: string, netns: string): NetavarkHost {
  linkPlugins(folder, NETAVARK_DRIVERS);
  const raw = (driver: string, args: readonly string[], input: string | Blob, env: Env = {}) =>
    run(["nsenter", `--net=${netns}`, `${folder}/${driver}`, ...args], {
      input,
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });

  async function call(driver: string, args: readonly string[], message: object, env?: Env) {
    const { code, stdout, stderr } = await raw(driver, args, JSON.stringify(message), env);
    const broken = (why: string) =>
      new Error(`${driver} ${args[0]}: ${why}\nexit ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`);
    if (code === 0 && args[0] === "teardown") {
      if (stdout !== "") throw broken("a teardown that is not silent");
      return {};
    }
    const document: unknown = JSON.parse(stdout);
    if (typeof document !== "object" || document === null) throw broken("stdout is not one JSON object");
    const isRefusal = "error" in document;
    if (isRefusal !== (code !== 0)) throw broken("the exit status contradicts what was said");
    if (isRefusal) throw new Error(String(document.error));
    return { ...document };
  }

  return {
    raw,
    create: (driver, network) => call(driver, ["create"], network),
    async setup(driver, path, exec, env) {
      const said = await call(driver, ["setup", path], exec, env);
      if (isStatus(said)) return said;
      throw new Error(`no status: ${JSON.stringify(said)}`);
    },
    async teardown(driver, path, exec, env) {
      await call(driver, ["teardown", path], exec, env);
    },
  };
}

/** Its keys say what it is; what is in them is the tests' matter. */
function isStatus(document: object): document is StatusBlock {
  return "interfaces" in document && "dns_server_ips" in document;
}

import type { Pairs } from "../../engine/pairs.ts";
import { settleAll } from "../../lib/settle.ts";
import { flag, struct, text } from "../../lib/shape.ts";
import { loadConf, requirePrevResult, toldInterface } from "../conf.ts";
import { asStatusError, CNI_CODE, CniError } from "../errors.ts";
import { isStrayOf } from "../owner.ts";
import type { AttachmentId, Call, Delegate } from "../plugin.ts";
import type { Dns, ResultInterface } from "../result.ts";
import { assigned, ipamShape } from "./ipam.ts";

/** What bridge and ptp have in common: a pair of links, masquerade, and DNS of their own. */

/** `ipMasqBackend` says how; here it is nftables in any case, which does the same as iptables. */
const BACKENDS = ["iptables", "nftables"];

export const MASQ_KEYS = { ipMasq: flag, ipMasqBackend: text } as const;

export interface MasqKeys {
  readonly ipMasq: boolean | undefined;
  readonly ipMasqBackend: string;
}

/** Whether to masquerade. Throws code 7 for a backend that nobody has heard of. */
export function masqueradeOf({ ipMasq, ipMasqBackend }: MasqKeys): boolean {
  if (ipMasq !== true) return false;
  if (ipMasqBackend === "" || BACKENDS.includes(ipMasqBackend)) return true;
  throw new CniError(CNI_CODE.config, `unknown ipmasq backend ${JSON.stringify(ipMasqBackend)}`);
}

/** Of veth: `ETH_MIN_MTU` of `<linux/if_ether.h>` and `ETH_MAX_MTU`; 0 is the kernel's choice. */
const [LEAST_MTU, MOST_MTU] = [68, 65535];

/** Throws code 7. */
export function checkMtu(mtu: number): void {
  if (mtu === 0 || (mtu >= LEAST_MTU && mtu <= MOST_MTU)) return;
  throw new CniError(CNI_CODE.config, `invalid MTU ${mtu}, must be 0 or ${LEAST_MTU} to ${MOST_MTU}`);
}

export function keyOf({ name }: Call, { containerId, ifname }: AttachmentId) {
  return { network: name, container: containerId, ifname };
}

/** Of a configuration only what a DEL needs, however wrong the rest has become. */
const delShape = struct({ ipam: ipamShape, ipMasq: flag });

export async function detachPair(engine: Pairs, delegate: Delegate, call: Call): Promise<void> {
  const { ipam, ipMasq } = loadConf(call.conf, delShape);
  await engine.detach({
    key: keyOf(call, call.env),
    netns: call.env.netns,
    masquerade: ipMasq === true,
    ...(ipam.type !== "" && { giveBack: () => delegate.del(ipam.type, call) }),
  });
}

export async function checkPair(
  engine: Pairs,
  delegate: Delegate,
  call: Call,
  { ipamType, mtu }: { readonly ipamType: string; readonly mtu: number },
): Promise<void> {
  if (ipamType !== "") await delegate.check(ipamType, call);
  const prevResult = requirePrevResult(call.prevResult);
  const { ifname, netns } = call.env;
  const told = toldInterface(prevResult, ifname);
  await engine.verify({
    key: keyOf(call, call.env),
    netns,
    mtu,
    toldNetns: told.sandbox,
    ...(told.mac !== undefined && { toldMac: told.mac }),
    toldLinks: prevResult.interfaces.filter(({ sandbox }) => sandbox === undefined),
    assigned: assigned(prevResult),
  });
}

/** Links first: an address may be given anew only when nobody has it. */
export async function collectPairs(
  engine: Pairs,
  delegate: Delegate,
  call: Call,
  valid: readonly AttachmentId[] | undefined,
): Promise<void> {
  const { ipam } = loadConf(call.conf, delShape);
  await settleAll([
    () =>
      valid &&
      engine.collect({
        network: call.name,
        alive: valid.map((one) => keyOf(call, one)),
        isStray: isStrayOf(call.name, valid),
      }),
    () => (ipam.type === "" ? undefined : delegate.gc(ipam.type, call)),
  ]);
}

export async function requirePairs(
  engine: Pairs,
  delegate: Delegate,
  call: Call,
  { ipamType, masquerade }: { readonly ipamType: string; readonly masquerade: boolean },
): Promise<void> {
  await settleAll([
    () => engine.requireReady({ masquerade }),
    () => (ipamType === "" ? undefined : delegate.status(ipamType, call)),
  ]).catch((thrown: unknown) => {
    throw asStatusError(thrown);
  });
}

interface End {
  readonly name: string;
  readonly mac?: string;
  readonly mtu: number;
}

export function interfaceOf({ name, mac, mtu }: End, sandbox?: string): ResultInterface {
  return { name, mtu, ...(mac && { mac }), ...(sandbox !== undefined && { sandbox }) };
}

/**
 * The configuration's DNS if it says anything at all, be it an empty list; else the IPAM plugin's. Keys are Go's: any
 * case, and null says nothing.
 */
export function dnsOf({ conf }: Call, own: Dns, given: Dns | undefined): Dns {
  const block = Object.entries(conf).findLast(([key]) => key.toLowerCase() === "dns")?.[1];
  const says = Object.entries(typeof block === "object" && block !== null ? block : {}).some(
    ([, value]) => value !== null && value !== "",
  );
  return says ? own : (given ?? {});
}

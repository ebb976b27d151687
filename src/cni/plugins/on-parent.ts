import type { Attachments } from "../../engine/attach.ts";
import type { ChildWish, ParentWish } from "../../lib/attach.ts";
import { settleAll } from "../../lib/settle.ts";
import { flag, integer, type Shape, struct, text } from "../../lib/shape.ts";
import { loadConf, requirePrevResult, toldInterface } from "../conf.ts";
import { asStatusError, CNI_CODE, CniError } from "../errors.ts";
import { isStrayOf, ownerOf } from "../owner.ts";
import type { Call, Delegate, Plugin } from "../plugin.ts";
import { dnsFrom, dnsShape, type Result } from "../result.ts";
import { addressesFrom, assigned, ipamShape } from "./ipam.ts";

/** Plugins whose link lives in the container, all but dummy on a parent: macvlan, ipvlan, vlan, dummy. */

/** The keys that all of them know. `parse` reads those of one kind and answers what link is wanted. */
export interface OnParentKind<Own> {
  readonly shape: Shape<Own>;
  /** Throws code 7 for what is none. */
  readonly wish: (own: Own, call: Call) => ChildWish;
  /** What a configuration without IPAM means. */
  readonly withoutIpam: "no addresses" | "those of prevResult" | "an error";
  /** The parent when none is named; throws when it must be. */
  readonly parent?: (call: Call) => string | undefined;
  /** It hangs on none, and `master` is a key like those that nobody knows. */
  readonly isParentless?: true;
  /** VLANs that the name of the parent says are made when they are missing. */
  readonly makesVlans?: true;
}

const commonShape = struct({
  master: text,
  mtu: integer,
  linkInContainer: flag,
  vlan_protocol: text,
  ipam: ipamShape,
  dns: dnsShape,
});

export type CommonKeys = ReturnType<typeof commonShape>;

export function onParent<Own>(
  kind: OnParentKind<Own>,
  delegate: Delegate,
  attachments: () => Attachments,
): Plugin {
  const load = (call: Call) => {
    const { master, linkInContainer, vlan_protocol, ...common } = loadConf(call.conf, commonShape);
    const own = loadConf(call.conf, kind.shape);
    const link = () => kind.wish(own, call);
    if (kind.isParentless) return { ...common, on: {}, link };
    const name = master || kind.parent?.(call);
    const parent: ParentWish = {
      inside: linkInContainer === true,
      ...(name !== undefined && { name }),
      ...(kind.makesVlans && { makesVlans: true, ...protocolOf(vlan_protocol) }),
    };
    return { ...common, on: { parent }, link };
  };

  return {
    async add(call) {
      const { ipam, dns, mtu, on, link } = load(call);
      const { netns, ifname } = call.env;
      let given: Result | undefined;
      const source = async () => {
        given = await addressesOf(kind, delegate, ipam.type, call);
        return given ? assigned(given) : { addresses: [], routes: [] };
      };
      const engine = attachments();
      const made = await engine.attach({
        owner: ownerOf(call.name, call.env),
        netns,
        ifname,
        ...on,
        link: link(),
        ...(mtu !== 0 && { mtu }),
        addresses: source,
        ...(ipam.type !== "" && { giveBack: () => delegate.del(ipam.type, call) }),
      });
      const { mac, mtu: bytes } = made;
      return {
        interfaces: [{ name: ifname, ...(mac && { mac }), mtu: bytes, sandbox: netns }],
        ips: (given?.ips ?? []).map((each) => ({ ...each, interface: 0 })),
        routes: given?.routes ?? [],
        dns: dnsFrom(dns),
      };
    },

    async del(call) {
      const { type, parent } = leftOf(call);
      const { netns, ifname } = call.env;
      const giveBack = () => (type === "" ? Promise.resolve() : delegate.del(type, call));
      const engine = attachments();
      const user = kind.makesVlans && {
        owner: ownerOf(call.name, call.env),
        parent,
      };
      await engine.detach({ netns, ifname, ...(user && { user }), giveBack });
    },

    async check(call) {
      const { ipam, mtu, on, link } = load(call);
      if (ipam.type !== "") await delegate.check(ipam.type, call);
      const prevResult = requirePrevResult(call.prevResult);
      const { netns, ifname } = call.env;
      const told = toldInterface(prevResult, ifname);
      const engine = attachments();
      await engine.verify({
        netns,
        ifname,
        ...on,
        link: link(),
        ...(mtu !== 0 && { mtu }),
        toldNetns: told.sandbox,
        ...(told.mac !== undefined && { toldMac: told.mac }),
        assigned: assigned(prevResult),
      });
    },

    /** Links first: an address may be given anew only when nobody has it. */
    async gc(call, valid) {
      const { type } = leftOf(call);
      await settleAll([
        () => valid && attachments().collect(isStrayOf(call.name, valid)),
        () => (type === "" ? undefined : delegate.gc(type, call)),
      ]);
    },

    async status(call) {
      const { ipam, on, mtu, link } = load(call);
      const ready = { ...on, link: link(), ...(mtu !== 0 && { mtu }) };
      const engine = attachments();
      await settleAll([
        async () => void (await engine.requireReady(ready)),
        () => (ipam.type === "" ? undefined : delegate.status(ipam.type, call)),
      ]).catch((thrown: unknown) => {
        throw asStatusError(thrown);
      });
    },
  };
}

/** A DEL needs nothing but this of a configuration, however wrong the rest has become. */
function leftOf({ conf }: Call): { readonly type: string; readonly parent: ParentWish } {
  const { ipam, master, linkInContainer, vlan_protocol } = loadConf(conf, leftShape);
  const vlanProtocol = PROTOCOLS.find((known) => known === vlan_protocol);
  const parent = {
    inside: linkInContainer === true,
    ...(typeof master === "string" && master !== "" && { name: master }),
    makesVlans: true as const,
    ...(vlanProtocol && { vlanProtocol }),
  };
  return { type: ipam.type, parent };
}

const anything: Shape<unknown> = (value) => value;
const leftShape = struct({
  ipam: ipamShape,
  master: anything,
  linkInContainer: anything,
  vlan_protocol: anything,
});

const PROTOCOLS = ["802.1q", "802.1ad"] as const;

function protocolOf(given: string): Pick<ParentWish, "vlanProtocol"> {
  if (given === "") return {};
  const vlanProtocol = PROTOCOLS.find((known) => known === given);
  if (vlanProtocol) return { vlanProtocol };
  throw new CniError(
    CNI_CODE.config,
    `unknown vlan_protocol ${JSON.stringify(given)}: it is ${PROTOCOLS.join(" or ")}`,
  );
}

async function addressesOf(
  { withoutIpam }: Pick<OnParentKind<never>, "withoutIpam">,
  delegate: Delegate,
  type: string,
  call: Call,
): Promise<Result | undefined> {
  if (type !== "") return addressesFrom(delegate, type, call);
  if (withoutIpam === "no addresses") return undefined;
  const given = call.prevResult?.ips ?? [];
  if (withoutIpam === "those of prevResult" && call.prevResult && given.length > 0) return call.prevResult;
  throw new CniError(CNI_CODE.config, "no plugin name provided");
}

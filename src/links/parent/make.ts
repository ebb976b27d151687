import { UnderlayError } from "../../lib/errors.ts";
import { isHostLinkName, isOurLinkName, OUR_PARENT_GROUP } from "../../lib/ifname.ts";
import { contains, formatCidr, LINK_LOCAL } from "../../lib/ip.ts";
import { type ListedAddress, listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { GONE, isErrno } from "../../netlink/failure.ts";
import { VLAN_PROTOCOL, vlanProtocolName } from "../../netlink/kinds/vlan.ts";
import {
  addAltNameRequest,
  deleteLinkRequest,
  getLink,
  isUp,
  type Link,
  listLinks,
  newLinkRequest,
  setLinkRequest,
} from "../../netlink/link.ts";
import type { LinkInfo } from "../../netlink/link-info.ts";
import { inWords } from "../refusal.ts";
import { askedName, type KernelLayer, type ParentLayer, type VlanLayer } from "./plan.ts";

/** The links that are made for parents, as the kernel has them. Whose they are is decided by records, not here. */
export interface ParentLinks<Layer extends ParentLayer = ParentLayer> {
  /** The link of the layer's name or altname. */
  look(layer: Layer): Promise<FoundLayer | undefined>;
  /** Those of the names or altnames that links have. */
  names(asked: readonly string[]): Promise<ReadonlySet<string>>;
  /**
   * Makes the link and brings it up, and the one below it where that is down. Its index; no link is left when it fails.
   * Throws `kernel`, `permission`, `not_found` without the link below, `conflict` when the VLAN exists under another name.
   */
  make(layer: Layer): Promise<number>;
  /** The same on a link that was left half made. */
  finish(layer: Layer, ifindex: number): Promise<void>;
  /**
   * For what others use it: names of links that hang on it and are neither endpoints of ours nor among `except`, by
   * index; and addresses that it was given, which the kernel's own of IPv6 are not.
   */
  users(layer: Layer, ifindex: number, except: ReadonlySet<number>): Promise<string[]>;
  /** Deletes it; one that is gone already is success. Returns when the kernel has let it go. Throws `kernel`. */
  remove(layer: Layer, ifindex: number): Promise<void>;
}

export interface FoundLayer {
  readonly ifindex: number;
  readonly name: string;
  /** It bears the birth mark of parents of ours. */
  readonly marked: boolean;
  /** `802.1q`, when it is a VLAN. */
  readonly protocol?: string;
}

/** So many links are asked for one by one; for more all are listed, and there may be thousands. */
const FEW = 8;

/** The alias that tells a person what the link is for; it proves nothing. */
const ALIAS = "underlay parent";

/** `deletes`: a conversation that may wait for the kernel's grace periods. */
export function parentLinks(requests: Conversation, deletes: Conversation): ParentLinks<KernelLayer> {
  async function make(layer: KernelLayer): Promise<number> {
    const parent = layer.kind === "vlan" ? await lowerOf(layer) : undefined;
    const [born, ...others] = await requests.settle([
      newLinkRequest({
        name: layer.name,
        ...(parent !== undefined && { parent }),
        group: OUR_PARENT_GROUP,
        info: infoOf(layer),
      }),
      ...rest(layer, { name: layer.name }),
    ]);
    if (born && !born.ok) throw await explained(layer, parent, born.error);
    const failed = others.find((outcome) => !outcome.ok);
    const link = await getLink(requests, { name: layer.name });
    if (link && !failed) return link.header.index;
    if (link) await remove(layer, link.header.index);
    throw failed && !failed.ok ? failed.error : vanished(layer.name);
  }

  /** A VLAN comes up only on a link that is up. */
  async function lowerOf({ name, lower }: VlanLayer): Promise<number> {
    const link = await getLink(requests, { name: lower });
    if (!link) throw new UnderlayError("not_found", `no link is called ${lower}, below ${name}`);
    const ifindex = link.header.index;
    if (!isUp(link)) await requests.request(setLinkRequest({ ifindex }, { up: true }));
    return ifindex;
  }

  /** EEXIST: by this name since we looked, or the same VLAN by another name. */
  async function explained(
    layer: KernelLayer,
    parent: number | undefined,
    error: UnderlayError,
  ): Promise<UnderlayError> {
    if (!isErrno(error, "EEXIST") || layer.kind !== "vlan") return inWords(error, { kind: layer.kind });
    const links = await listLinks(requests, { kind: "vlan", only: ["name", "link", "linkNetnsid", "info"] });
    const twin = links.find(
      ({ attrs }) =>
        attrs.link === parent && attrs.linkNetnsid === undefined && isVlan(attrs.info, layer.vid, layer),
    );
    const name = twin?.attrs.name;
    if (name === undefined) return error;
    const words = `VLAN ${layer.vid} (${layer.protocol}) on ${layer.lower} exists already and is called ${name}`;
    return new UnderlayError("conflict", `${words}; use it by that name: -o parent=${name}`, {
      cause: error,
      inputs: { parent: askedName(layer) },
    });
  }

  async function remove(_: KernelLayer, ifindex: number): Promise<void> {
    const [outcome] = await deletes.settle([deleteLinkRequest({ ifindex })]);
    if (outcome && !outcome.ok && !isErrno(outcome.error, ...GONE)) throw outcome.error;
  }

  return {
    make,
    remove,
    async look(layer) {
      const link = await getLink(requests, { name: askedName(layer) });
      return link && foundLayer(link);
    },
    async names(asked) {
      const wanted = [...new Set(asked)];
      if (wanted.length <= FEW) {
        const found = await Promise.all(wanted.map((name) => getLink(requests, { name })));
        return new Set(wanted.filter((_, i) => found[i] !== undefined));
      }
      const links = await listLinks(requests, { only: ["name", "altNames"] });
      return new Set(links.flatMap(({ attrs }) => [attrs.name ?? "", ...(attrs.altNames ?? [])]));
    },
    async finish(layer, ifindex) {
      if (layer.kind === "vlan") await lowerOf(layer);
      const outcomes = await requests.settle(rest(layer, { ifindex }));
      const failed = outcomes.find((outcome) => !outcome.ok && !isErrno(outcome.error, "EEXIST"));
      if (failed && !failed.ok) throw failed.error;
    },
    async users(_, ifindex, except) {
      const links = await listLinks(requests, { only: ["name", "link", "linkNetnsid", "master"] });
      const hanging = links.filter(({ header, attrs: { name = "", link, linkNetnsid, master } }) => {
        const hangs = (link === ifindex && linkNetnsid === undefined) || master === ifindex;
        return hangs && !isOurLinkName(name) && !isHostLinkName(name) && !except.has(header.index);
      });
      const addresses = (await listAddresses(requests, ifindex)).filter(isGiven);
      return [
        ...hanging.map(({ attrs }) => attrs.name ?? ""),
        ...addresses.map(({ cidr }) => formatCidr(cidr)),
      ];
    },
  };
}

function infoOf(layer: KernelLayer): LinkInfo {
  if (layer.kind === "dummy") return { kind: "dummy" };
  return { kind: "vlan", data: { protocol: VLAN_PROTOCOL[layer.protocol], id: layer.vid } };
}

/** What the kernel does not take at birth: IFLA_IFALIAS is ignored there, and a VLAN is never born up. */
function rest(layer: KernelLayer, ref: { readonly name: string } | { readonly ifindex: number }) {
  const altName = layer.kind === "vlan" ? layer.altName : undefined;
  return [
    setLinkRequest(ref, { alias: `${ALIAS} ${askedName(layer)}` }),
    ...(altName === undefined ? [] : [addAltNameRequest(ref, altName)]),
    setLinkRequest(ref, { up: true }),
  ];
}

function foundLayer({ header, attrs }: Link): FoundLayer {
  const { name = "", group, info } = attrs;
  const protocol = info && "data" in info && info.kind === "vlan" ? info.data?.protocol : undefined;
  return {
    ifindex: header.index,
    name,
    marked: group === OUR_PARENT_GROUP,
    ...(protocol !== undefined && { protocol: vlanProtocolName(protocol) }),
  };
}

/** IPv4 has no addresses that nobody gave; of a lease it is a client's. */
function isGiven({ cidr: { ip }, permanent }: ListedAddress): boolean {
  return ip.family === 4 || (permanent && !contains(LINK_LOCAL, ip));
}

function isVlan(info: LinkInfo | undefined, vid: number, { protocol }: VlanLayer): boolean {
  const data = info && "data" in info && info.kind === "vlan" ? info.data : undefined;
  return data?.id === vid && data.protocol === VLAN_PROTOCOL[protocol];
}

function vanished(name: string): UnderlayError {
  return new UnderlayError("kernel", `${name} vanished while it was made`, { errno: "ENODEV" });
}

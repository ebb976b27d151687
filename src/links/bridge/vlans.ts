import { sha256, toHex } from "../../lib/bytes.ts";
import { UnderlayError } from "../../lib/errors.ts";
import type { LinkEnd, PortVlans, SetOnHost } from "../../lib/pair.ts";
import { addVlanRequest, deleteVlanRequest, listVlans, type PortVlan } from "../../netlink/bridge.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { getLink, newLinkRequest, setLinkRequest } from "../../netlink/link.ts";
import { vethInfo } from "../../netlink/veth.ts";
import { endOf, settled } from "./bridge.ts";

/** VLANs of a bridge's ports. The bridge has to filter, else they are noted and nothing comes of it. */

/** What frames without a tag are in when nobody says. */
const NATIVE = 1;

export function vlansOf({ untagged, tagged }: PortVlans): readonly PortVlan[] {
  const native = untagged ?? (tagged.length > 0 ? NATIVE : undefined);
  return [
    ...(native === undefined ? [] : [{ vid: native, pvid: true, untagged: true }]),
    ...tagged.filter((vid) => vid !== native).map((vid) => ({ vid })),
  ];
}

/** The port in these VLANs, and but for the default one in no other. Throws `unsupported` or `kernel`. */
export async function plugVlans(home: Conversation, ifindex: number, wish: PortVlans): Promise<void> {
  const wanted = vlansOf(wish);
  if (wanted.length === 0) return;
  const has = wish.keepDefault ? [] : await listVlans(home, ifindex);
  await settled(home, [
    ...has.map(({ vid }) => deleteVlanRequest(ifindex, vid)),
    ...wanted.map((vlan) => addVlanRequest(ifindex, vlan)),
  ]);
}

/**
 * A link of the host in one VLAN of the bridge: `BRIDGE.VID`, whose other end is a port. Finished when an earlier try
 * left half of it. Throws `conflict` when another link has the name.
 */
export async function ensureVlanLink(
  home: Conversation,
  bridge: LinkEnd,
  vid: number,
  { keepDefault }: Pick<PortVlans, "keepDefault">,
  setOnHost: SetOnHost,
): Promise<LinkEnd> {
  const name = vlanLinkName(bridge, vid);
  const port = `veth${toHex(sha256("vlan port", bridge.name, `${vid}`)).slice(0, 8)}`;
  try {
    const peer = { name: port, mtu: bridge.mtu, master: bridge.ifindex };
    await home.request(newLinkRequest({ name, mtu: bridge.mtu, info: vethInfo(peer) }));
  } catch (thrown) {
    if (!isErrno(thrown, "EEXIST")) throw thrown;
  }
  const [link, portLink] = [await getLink(home, { name }), await getLink(home, { name: port })];
  if (!link || !portLink || link.attrs.link !== portLink.header.index) {
    throw new UnderlayError(
      "conflict",
      `${name} is there already, and is no link in VLAN ${vid} of ${bridge.name}`,
      {
        inputs: { link: name },
      },
    );
  }
  setOnHost([{ path: `ipv6/conf/${port}/accept_ra`, value: "0", optional: true }]);
  const { index: portIndex } = portLink.header;
  await settled(home, [
    ...(portLink.attrs.master === bridge.ifindex
      ? []
      : [setLinkRequest({ ifindex: portIndex }, { master: bridge.ifindex })]),
    setLinkRequest({ ifindex: portIndex }, { up: true }),
    setLinkRequest({ ifindex: link.header.index }, { up: true }),
  ]);
  const has = await listVlans(home, portIndex);
  if (!has.some((vlan) => vlan.vid === vid && vlan.pvid)) {
    await plugVlans(home, portIndex, { untagged: vid, tagged: [], keepDefault });
  }
  return endOf(link);
}

export function vlanLinkName(bridge: Pick<LinkEnd, "name">, vid: number): string {
  return `${bridge.name}.${vid}`;
}

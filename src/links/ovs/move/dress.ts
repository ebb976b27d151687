import { UnderlayError } from "../../../lib/errors.ts";
import type { Mac } from "../../../lib/mac.ts";
import { parseMac } from "../../../lib/mac.ts";
import type { Conversation } from "../../../netlink/conversation.ts";
import { getLink, setLinkRequest } from "../../../netlink/link.ts";
import { mutate, overwrite, select, update } from "../../../ovsdb/operation.ts";
import type { SwitchDatabase } from "../ports.ts";
import type { Dress } from "./record.ts";

/** A bridge's own link in the place of a NIC: with its MAC, for the LAN and its DHCP server, and its MTU. */

/** What it is told to be now. */
export async function dressOf(database: SwitchDatabase, bridge: string): Promise<Dress> {
  const [[row], [local]] = await database.transact([
    select("Bridge", [["name", "==", bridge]], ["other_config"]),
    select("Interface", [["name", "==", bridge]], ["mtu_request"]),
  ]);
  const mac = parseMac(row?.other_config.get("hwaddr") ?? "");
  const mtu = local?.mtu_request;
  return { ...(mac !== undefined && { mac }), ...(mtu !== undefined && { mtu }) };
}

/**
 * Resolves when it has them and is up. A frame that is longer than the MTU of the bridge's own link is dropped before the
 * host sees it.
 */
export async function dress(
  { home, database }: { readonly home: Conversation; readonly database: SwitchDatabase },
  bridge: string,
  wish: { readonly mac: Mac; readonly mtu: number },
): Promise<void> {
  await database.applied(changesOf(bridge, wish), []);
  await home.request(setLinkRequest({ name: bridge }, { up: true }));
  const link = await getLink(home, { name: bridge });
  const { address, mtu = 0 } = link?.attrs ?? {};
  if (address === wish.mac && mtu >= wish.mtu) return;
  throw new UnderlayError(
    "kernel",
    `the link of bridge ${bridge} has MAC ${String(address)} and MTU ${mtu}, and does not take ${wish.mac} and ${wish.mtu}`,
    { inputs: { bridge } },
  );
}

/** As it was before. A bridge that is gone needs nothing. */
export async function undress(database: SwitchDatabase, bridge: string, before: Dress): Promise<void> {
  await database.transact(changesOf(bridge, before));
}

function changesOf(bridge: string, { mac, mtu }: Dress) {
  return [
    ...(mac === undefined
      ? []
      : [
          mutate(
            "Bridge",
            [["name", "==", bridge]],
            overwrite("Bridge", "other_config", { hwaddr: mac }),
            "any",
          ),
        ]),
    update("Interface", [["name", "==", bridge]], { mtu_request: mtu }, "any"),
  ];
}

import { UnderlayError } from "../../../lib/errors.ts";
import { settleAll } from "../../../lib/settle.ts";
import type { Conversation } from "../../../netlink/conversation.ts";
import { GONE, isErrno, type Request } from "../../../netlink/failure.ts";
import { getLink } from "../../../netlink/link.ts";
import type { MoveStep } from "../../move-steps.ts";
import type { SwitchDatabase, SwitchPorts } from "../ports.ts";
import { belongingsOf, type LinkName, readHeld, sharedWith } from "./belongings.ts";
import { type Carrying, carrying } from "./carry.ts";
import { undress } from "./dress.ts";
import type { MoveRecord } from "./record.ts";

/** What is needed to bring it back: the daemon has it, and the guard that outlives the daemon. */
export interface ReturnParts {
  /** A conversation in the netns of both links. */
  readonly home: Conversation;
  readonly database: SwitchDatabase;
  readonly ports: Pick<SwitchPorts, "find" | "remove">;
  readonly bootId: string;
  readonly step: (step: MoveStep) => void;
}

/**
 * Brings back to the NIC what is on the bridge now of what the record says, and takes the NIC off the bridge; from
 * wherever the way there was left, and again as often as one likes. What somebody has taken off the bridge meanwhile
 * stays away. While the switch's database does not answer, both links have all of it, which works as before; then this
 * throws `unreachable` or `timeout`, and has to be done again. Before the NIC is off the bridge the host hears by the
 * one and speaks by the other, which have one MAC: Linux hears its addresses on every link.
 */
export async function bringBack(parts: ReturnParts, record: MoveRecord): Promise<void> {
  const { home, ports, database, step } = parts;
  const [nic, bridge] = await Promise.all([linkOf(home, record.uplink), linkOf(home, record.bridge)]);
  // A NIC that was pulled, or another boot's: its addresses are given by whoever gives them to a NIC.
  const isThere = record.bootId === parts.bootId && nic?.ifindex === record.ifindex;
  const way = isThere ? await wayBack(home, record, nic, bridge) : NO_WAY;
  await settleAll([
    async () => {
      const given = await settle(home, way.give, ["EEXIST"]);
      step("return.after-give");
      const found = await ports.find(record.uplink);
      // What the NIC did not take stays where it is.
      const taken = await settle(
        home,
        way.take.filter((_, i) => given.at(-1 - i)?.isDone),
        TAKEN,
      );
      step("return.after-take");
      if (found?.bridge === record.bridge) await ports.remove(record.uplink);
      step("return.after-port");
      requireDone([...given, ...taken]);
    },
    async () => {
      await undress(database, record.bridge, record.before);
      step("return.after-undress");
    },
  ]);
}

const NO_WAY: Carrying = { give: [], take: [] };
const TAKEN = [...GONE, "EADDRNOTAVAIL"];

/** What is not on a link of the bridge that was made anew was taken away by nobody. */
async function wayBack(
  home: Conversation,
  { belongings, bridgeIfindex, ifindex }: MoveRecord,
  nic: LinkName,
  bridge: LinkName | undefined,
): Promise<Carrying> {
  if (!bridge) return { ...carrying(belongings, { from: nic, to: nic, readOf: ifindex }), take: [] };
  const isSame = bridge.ifindex === bridgeIfindex;
  const returning = isSame
    ? sharedWith(belongings, belongingsOf(await readHeld(home, bridge.ifindex)))
    : belongings;
  return carrying(returning, { from: bridge, to: nic, readOf: ifindex });
}

/** Throws what the kernel says against one of them; the others are given all the same. */
export async function give(home: Conversation, requests: readonly Request[]): Promise<void> {
  requireDone(await settle(home, requests, ["EEXIST"]));
}

/** The same for what is taken. */
export async function take(home: Conversation, requests: readonly Request[]): Promise<void> {
  requireDone(await settle(home, requests, TAKEN));
}

type Settled = { readonly isDone: true } | { readonly isDone: false; readonly error: UnderlayError };

async function settle(
  home: Conversation,
  requests: readonly Request[],
  harmless: readonly string[],
): Promise<Settled[]> {
  const outcomes = await home.settle(requests);
  return outcomes.map((outcome) =>
    outcome.ok || isErrno(outcome.error, ...harmless)
      ? { isDone: true }
      : { isDone: false, error: outcome.error },
  );
}

function requireDone(settled: readonly Settled[]): void {
  const failed = settled.find((each) => !each.isDone);
  if (failed && !failed.isDone) throw failed.error;
}

/** Undefined when there is none of that name. */
export async function linkOf(home: Conversation, name: string): Promise<LinkName | undefined> {
  const link = await getLink(home, { name });
  return link && { name: link.attrs.name ?? name, ifindex: link.header.index };
}

/** The same for one that has to be there. */
export async function requireLink(home: Conversation, name: string): Promise<LinkName> {
  const link = await linkOf(home, name);
  if (!link) throw new UnderlayError("not_found", `there is no link ${name}`, { inputs: { link: name } });
  return link;
}

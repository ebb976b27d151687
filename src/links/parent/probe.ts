import { arpRequest, decodeArp } from "../../lib/arp.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { ETHERTYPE } from "../../lib/ethernet.ts";
import type { LinkFacts, ProbeFacts, ProbeSide, TrialFacts } from "../../lib/facts.ts";
import { contains, type Ip, LINK_LOCAL, sameIp } from "../../lib/ip.ts";
import type { Mac } from "../../lib/mac.ts";
import { decodeAdvertisement, linkLocalOf, neighbourSolicitation } from "../../lib/ndp.ts";
import { isErrno } from "../../netlink/failure.ts";
import { MACVLAN_MODE } from "../../netlink/kinds/macvlan.ts";
import {
  ADDR_GEN_MODE,
  deleteLinkRequest,
  getLink,
  newLinkRequest,
  setLinkRequest,
} from "../../netlink/link.ts";
import type { Libc } from "../../sys/libc.ts";
import type { Netns } from "../../sys/netns.ts";
import { openPacketSocket, type PacketSocket } from "../../sys/packet.ts";
import type { Scratch } from "./trial.ts";

/**
 * The two-MAC probe: whether frames of a foreign MAC address pass what is behind a parent. One neighbour is asked the
 * same question twice, by the parent's own MAC address and by that of a macvlan which exists only meanwhile, in the
 * scratch netns, and goes with it whatever happens to this process.
 */

export interface ProbeGround {
  readonly libc: Libc;
  readonly scratch: Scratch;
  /** Of the parent; absent = this thread's. */
  readonly home?: Netns;
}

export interface Probe {
  readonly parent: Pick<LinkFacts, "name" | "ifindex" | "mac" | "addresses">;
  readonly target: Ip;
  /** A MAC address that no switch has seen. */
  readonly foreign: Mac;
  /** Called when nothing stands against it any more, before the first frame. */
  readonly onSend?: () => void;
  /** Questions to one who is silent, and how long an answer is waited for. */
  readonly tries?: number;
  readonly milliseconds?: number;
}

const PROBE_NAME = "ul-probe";
const TRIES = 3;
const MILLISECONDS = 1000;

/**
 * What answered; or, when no macvlan can be made on the parent, what the kernel said, and nothing was sent. The parent
 * must be up. Blocks this thread while it waits. Throws `permission` without CAP_NET_RAW or CAP_NET_ADMIN, `kernel`
 * when the parent goes down meanwhile.
 */
export async function probeParent(
  ground: ProbeGround,
  probe: Probe,
): Promise<{ readonly probe: ProbeFacts } | { readonly trial: TrialFacts }> {
  const { scratch, libc, home } = ground;
  const { parent, target, foreign } = probe;
  const { mac: own } = parent;
  if (own === undefined) throw new UnderlayError("internal", `${parent.name} has no MAC address to ask with`);
  const etherType = target.family === 4 ? ETHERTYPE.arp : ETHERTYPE.ipv6;

  const refusal = await makeForeign(scratch, parent.ifindex, foreign);
  if (refusal !== undefined) return { trial: refusal };
  try {
    using atParent = openPacketSocket(libc, { ifindex: parent.ifindex, etherType, netns: home });
    using atForeign = openPacketSocket(libc, {
      ifindex: await bringUp(scratch),
      etherType,
      netns: scratch.netns,
    });
    probe.onSend?.();
    // A switch that shuts its port because of the foreign address must not do so before the parent was heard.
    const ownSide = ask(atParent, own, questionOf(own, target, ownSender(probe)), probe);
    const foreignSide = ask(atForeign, foreign, questionOf(foreign, target), probe);
    const isSilent = ownSide.answeredBy === undefined && foreignSide.answeredBy === undefined;
    const address = isSilent ? addressBeside(probe) : undefined;
    const addressed = address && ask(atParent, own, questionOf(own, target, address), probe);
    return { probe: { target, own: ownSide, foreign: foreignSide, ...(addressed && { addressed }) } };
  } finally {
    await scratch.inside.request(deleteLinkRequest({ name: PROBE_NAME }));
  }
}

/**
 * Undefined when it is made, and down. Mode private: it hears what comes from outside and speaks to no container of
 * this host, so that an answer comes from the wire.
 */
async function makeForeign(
  { home, netns }: Scratch,
  parent: number,
  mac: Mac,
): Promise<TrialFacts | undefined> {
  const info = { kind: "macvlan", data: { mode: MACVLAN_MODE.private } } as const;
  const request = newLinkRequest({ name: PROBE_NAME, parent, mac, netnsFd: netns.fd, info });
  const [outcome] = await home.settle([request]);
  if (outcome === undefined) throw new UnderlayError("internal", "a macvlan had no answer");
  if (outcome.ok) return undefined;
  const { code, errno = "", kernelText = "" } = outcome.error;
  if (code === "permission") throw outcome.error;
  return { outcome: "failed", errno, text: kernelText };
}

/** Without an address, so that the kernel itself sends nothing by it. Its index in the scratch netns. */
async function bringUp({ inside }: Scratch): Promise<number> {
  const [quiet] = await inside.settle([
    setLinkRequest({ name: PROBE_NAME }, { addrGenMode: ADDR_GEN_MODE.none }),
  ]);
  const hasNoIpv6 = quiet?.ok === false && isErrno(quiet.error, "EAFNOSUPPORT");
  if (quiet?.ok === false && !hasNoIpv6) throw quiet.error;
  await inside.request(setLinkRequest({ name: PROBE_NAME }, { up: true }));
  const link = await getLink(inside, { name: PROBE_NAME });
  if (link === undefined) throw new UnderlayError("internal", "the macvlan of the probe is gone");
  return link.header.index;
}

interface Question {
  readonly frame: Uint8Array;
  /** Whose answer to it a frame is. */
  readonly answeredBy: (frame: Uint8Array) => Mac | undefined;
}

/**
 * IPv4: an RFC 5227 probe unless there is a sender, so that no address is claimed and nobody's table learns one. IPv6:
 * a solicitation by a link-local address, which every MAC address has by right (RFC 4862 section 5.3). By nobody (::)
 * it would be answered to all nodes, and an answer to the one could be taken for an answer to the other.
 */
function questionOf(from: Mac, target: Ip, sender?: Ip): Question {
  if (target.family === 4) {
    return {
      frame: arpRequest(from, target, sender),
      answeredBy(frame) {
        const packet = decodeArp(frame);
        const isAnswer = packet?.operation === "reply" && packet.targetMac === from;
        return isAnswer && sameIp(packet.senderIp, target) ? packet.senderMac : undefined;
      },
    };
  }
  return {
    frame: neighbourSolicitation(from, target, sender ?? linkLocalOf(from)),
    answeredBy(frame) {
      const advertisement = decodeAdvertisement(frame);
      const isAnswer = advertisement?.solicited === true && advertisement.to === from;
      return isAnswer && sameIp(advertisement.target, target) ? advertisement.at : undefined;
    },
  };
}

/** The link-local address that the parent has; its kernel may have made another than that of its MAC address. */
function ownSender({ parent, target }: Probe): Ip | undefined {
  if (target.family === 4) return undefined;
  return parent.addresses.find(({ ip }) => contains(LINK_LOCAL, ip))?.ip;
}

/** The parent's own IPv4 address in the target's subnet: some neighbours answer only to one. */
function addressBeside({ parent, target }: Probe): Ip | undefined {
  return target.family === 4 ? parent.addresses.find((cidr) => contains(cidr, target))?.ip : undefined;
}

function ask(
  socket: PacketSocket,
  mac: Mac,
  { frame, answeredBy }: Question,
  { tries = TRIES, milliseconds = MILLISECONDS }: Probe,
): ProbeSide {
  for (let tried = 0; tried < tries; tried++) {
    socket.send(frame);
    const deadline = performance.now() + milliseconds;
    for (;;) {
      const heard = socket.receive(deadline - performance.now());
      if (heard === undefined) break;
      const by = answeredBy(heard);
      if (by !== undefined) return { mac, answeredBy: by };
    }
  }
  return { mac };
}

import { expect, test } from "bun:test";
import { linkNameOf, OUR_LINK_NAME_BYTES } from "../../src/lib/ifname.ts";
import { MACVLAN_MODE } from "../../src/netlink/kinds/macvlan.ts";
import {
  decodeLink,
  deleteLinkRequest,
  getLink,
  newLinkRequest,
  RTM_LINK,
  setLinkRequest,
} from "../../src/netlink/link.ts";
import { eachMessage } from "../../src/netlink/message.ts";
import { openLinkEventSocket } from "../../src/netlink/open.ts";
import { listenInThread } from "../../src/netlink/thread.ts";
import { openLibc } from "../../src/sys/libc.ts";
import type { NetlinkSocket } from "../../src/sys/socket.ts";
import { until } from "../ground/until.ts";
import { withParent } from "./netns.ts";

/** What this kernel lets through to the daemon, whose links come and go by the thousand. */

const libc = openLibc();
const startWorker = () => new Worker(new URL("../../src/netlink/worker.ts", import.meta.url).href);

const OURS = linkNameOf("docker:net/one");

/** Near misses: another length on either side, another letter at the first and the last place, one outside base32. */
const STRANGERS = [
  OURS.slice(0, -1),
  `xl-${OURS.slice(3)}`,
  `ul_${OURS.slice(3)}`,
  `${OURS.slice(0, -1)}8`,
  `${OURS.slice(0, -1)}1`,
  `${OURS.slice(0, -1)}A`,
  `${OURS.slice(0, -1)}{`,
  `ul-9${OURS.slice(4)}`,
  "ul-uplink",
  "ul",
];

async function listen(socket: NetlinkSocket, heard: string[]): Promise<AsyncDisposable> {
  const listening = await listenInThread(libc, startWorker, socket, {
    onEvent(datagram) {
      for (const message of eachMessage(datagram)) {
        const { name, mtu } = decodeLink(message).attrs;
        if (name === "p0") continue;
        heard.push(`${message.type === RTM_LINK.RTM_DELLINK ? "gone" : "new"} ${name} ${mtu}`);
      }
    },
    onOverrun: () => void heard.push("overrun"),
    onError: (error) => void heard.push(error.message),
  });
  return { [Symbol.asyncDispose]: () => listening.close() };
}

test("of links with our names it is only heard that they go, of all others everything", async () => {
  using live = withParent();
  const { conversation } = live;
  const socket = openLinkEventSocket(libc, { netns: live.netns, onlyEndsOf: OUR_LINK_NAME_BYTES });
  const heard: string[] = [];
  await using _listening = await listen(socket, heard);
  const parent = (await getLink(conversation, { name: "p0" }))?.header.index ?? 0;
  const info = { kind: "macvlan", data: { mode: MACVLAN_MODE.bridge } } as const;
  for (const name of [OURS, ...STRANGERS]) {
    await conversation.request(newLinkRequest({ name, parent, info }));
    await conversation.request(setLinkRequest({ name }, { mtu: 1400 }));
    await conversation.request(deleteLinkRequest({ name }));
  }
  await until("the last event came", () => heard.at(-1)?.startsWith(`gone ${STRANGERS.at(-1)}`) === true);

  const kinds = (name: string) => heard.filter((line) => line.split(" ")[1] === name);
  expect(kinds(OURS)).toEqual([`gone ${OURS} 1400`]);
  for (const name of STRANGERS) {
    expect(kinds(name)).toContain(`new ${name} 1500`);
    expect(kinds(name)).toContain(`new ${name} 1400`);
    expect(kinds(name)).toContain(`gone ${name} 1400`);
  }
});

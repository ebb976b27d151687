import type { AssignedAddress } from "../../lib/attach.ts";
import { UnderlayError } from "../../lib/errors.ts";
import { type Cidr, formatCidr, type Ip, sameIp } from "../../lib/ip.ts";
import { addAddressRequest, IFA_F, listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno, type Request } from "../../netlink/failure.ts";
import { NLM_F } from "../../netlink/message.ts";
import { addRouteRequest } from "../../netlink/route.ts";
import type { HostSide } from "../host-side.ts";

/** The host's end has the gateway's address, and the only way to the container's. `home`: in the host's netns. */
export function ptpSide(home: Conversation): HostSide {
  return {
    forwards: true,
    prepare: async () => undefined,
    plug: async () => undefined,
    async connect({ host: { ifindex } }, addresses) {
      const gateways = distinct(addresses.map(gatewayOf));
      const outcomes = await home.settle([
        ...gateways.map((gateway) => addAddressRequest(ifindex, alone(gateway), flagsOf(gateway))),
        ...addresses.map(({ address }) => wayTo(address.ip, ifindex)),
      ]);
      const failed = outcomes.find((outcome) => !outcome.ok && !isErrno(outcome.error, "EEXIST"));
      if (failed && !failed.ok) throw failed.error;
      return { others: [] };
    },
    unplug: async () => undefined,
    collect: async () => undefined,
    async verify({ host: { name, ifindex } }, { addresses }) {
      const has = (await listAddresses(home, ifindex)).filter((each) => each.ifindex === ifindex);
      const missing = distinct(addresses.map(gatewayOf)).filter(
        (gateway) => !has.some(({ cidr }) => sameIp(cidr.ip, gateway)),
      );
      if (missing.length === 0) return;
      const list = missing.map((gateway) => formatCidr(alone(gateway))).join(", ");
      throw new UnderlayError("conflict", `link ${name} of the host lacks ${list}`, {
        inputs: { link: name },
      });
    },
    requireReady: async () => undefined,
  };
}

/** Throws `invalid_option`: without one the host's end would have no address, and the container no way out. */
export function gatewayOf({ address, gateway }: AssignedAddress): Ip {
  if (gateway) return gateway;
  const message = `the IPAM plugin gave ${formatCidr(address)} no gateway, which ptp needs`;
  throw new UnderlayError("invalid_option", message, { problems: [{ subject: "gateway", message }] });
}

/** It replaces one that is there: of a container that had the address before, and whose link is going. */
function wayTo(ip: Ip, ifindex: number): Request {
  const request = addRouteRequest({ destination: alone(ip), ifindex });
  return { ...request, flags: NLM_F.NLM_F_CREATE | NLM_F.NLM_F_REPLACE };
}

function distinct(ips: readonly Ip[]): Ip[] {
  return ips.filter((ip, i) => ips.findIndex((other) => sameIp(ip, other)) === i);
}

function alone(ip: Ip): Cidr {
  return { ip, prefix: ip.bytes.length * 8 };
}

function flagsOf({ family }: Ip): number {
  return family === 6 ? IFA_F.IFA_F_NODAD : 0;
}

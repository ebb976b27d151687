import { type Cidr, formatCidr } from "../../lib/ip.ts";
import { addAddressRequest, deleteAddressRequest, IFA_F, listAddresses } from "../../netlink/address.ts";
import type { Conversation } from "../../netlink/conversation.ts";
import { isErrno } from "../../netlink/failure.ts";
import { getLink } from "../../netlink/link.ts";
import { GATEWAY_ADDRESS } from "../gateway-address.ts";

/** Addresses of gateways, which the host has on links that are others' too. */
export interface GatewayAddresses {
  /**
   * Gives the link these and takes away others that we gave it; those that somebody else gave it stay, and count. A link
   * that is not there has none. Throws `kernel`, `permission`.
   */
  set(link: string, wanted: readonly Cidr[]): Promise<void>;
}

export function gatewayAddresses(conversation: Conversation): GatewayAddresses {
  return {
    async set(name, wanted) {
      const link = await getLink(conversation, { name });
      if (!link) return;
      const { index } = link.header;
      const has = await listAddresses(conversation, index);
      const texts = (cidrs: readonly Cidr[]) => new Set(cidrs.map(formatCidr));
      const [there, asked] = [texts(has.map(({ cidr }) => cidr)), texts(wanted)];
      const missing = wanted.filter((cidr) => !there.has(formatCidr(cidr)));
      const spare = has.filter(
        ({ cidr, proto }) => proto === GATEWAY_ADDRESS && !asked.has(formatCidr(cidr)),
      );
      const outcomes = await conversation.settle([
        ...spare.map(({ cidr }) => deleteAddressRequest(index, cidr)),
        // Nobody else may have a gateway's address, and a container that asks at once is to have an answer.
        ...missing.map((cidr) =>
          addAddressRequest(index, cidr, cidr.ip.family === 6 ? IFA_F.IFA_F_NODAD : 0, GATEWAY_ADDRESS),
        ),
      ]);
      const failed = outcomes.find(
        (outcome) => !outcome.ok && !isErrno(outcome.error, "EEXIST", "EADDRNOTAVAIL", "ENODEV"),
      );
      if (failed && !failed.ok) throw failed.error;
    },
  };
}

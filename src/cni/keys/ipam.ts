import type { HostLocalKeys } from "../ipam/host-local.ts";
import type { StaticKeys } from "../ipam/static.ts";
import type { Dns, ResultRoute } from "../result.ts";
import type { Doc, Docs } from "./doc.ts";

/** Keys of the plugins that give addresses. */

export const DNS: Doc<Dns> = {
  is: "object",
  help: "name servers, as they are passed on to the runtime",
  keys: {
    nameservers: { is: "list of strings", help: "addresses" },
    domain: { is: "string", help: "the local domain" },
    search: { is: "list of strings", help: "domains that are searched" },
    options: { is: "list of strings", help: "of resolv.conf(5)" },
  },
};

const ROUTES: Doc<readonly ResultRoute[]> = {
  is: "list of objects",
  absent: "no route, not even a default route",
  help: "routes that the container gets",
  keys: {
    dst: { is: "string, `ADDRESS/PREFIX`", help: "the destination; `0.0.0.0/0` for the default route" },
    gw: { is: "string", absent: "the first gateway of the family", help: "the next hop" },
    mtu: { is: "number", absent: "the link's", help: "bytes" },
    advmss: { is: "number", absent: "the kernel's", help: "bytes" },
    priority: { is: "number", absent: "the kernel's", help: "the metric" },
    table: { is: "number", absent: "main", help: "the routing table" },
    scope: { is: "number", absent: "global", help: "of `rtnetlink.h`: 0 global, 253 link, 254 host" },
  },
};

const RANGE = {
  subnet: { is: "string, `ADDRESS/PREFIX`", help: "the subnet; no host bits, at most /30 or /126" },
  rangeStart: { is: "string", absent: "the first address", help: "the first address that is given" },
  rangeEnd: { is: "string", absent: "the last but the broadcast address", help: "the last one" },
  gateway: { is: "string", absent: "the first address", help: "is reported, and never given to a container" },
} as const;

const IPS = {
  is: "list of strings",
  help: "addresses that are asked for; they need the capability `ips`",
} as const;

const ARGS: Doc<HostLocalKeys["args"]> = {
  is: "object",
  help: "arguments of the runtime's own conventions",
  keys: {
    cni: {
      is: "object",
      help: "",
      keys: { ips: { is: "list of strings", help: "addresses that are asked for" } },
    },
  },
};

export const HOST_LOCAL: Docs<HostLocalKeys> = {
  ipam: {
    is: "object",
    help: '`{"type": "host-local", …}`',
    keys: {
      ...RANGE,
      ranges: {
        is: "list of lists of objects",
        help: "pools: of each outer list one address; the subnet above is one more, before them",
        keys: RANGE,
      },
      routes: ROUTES,
      dataDir: {
        is: "string",
        absent: "`/var/lib/cni/networks`",
        help: "reservations are files in `DATADIR/NAME`, shared with the reference plugin",
      },
      resolvConf: { is: "string", absent: "no DNS", help: "path of a resolv.conf(5) that is passed on" },
    },
  },
  runtimeConfig: {
    is: "object",
    help: "what the runtime adds",
    keys: {
      ipRanges: {
        is: "list of lists of objects",
        help: "pools before all others; they need the capability `ipRanges`",
        keys: RANGE,
      },
      ips: IPS,
    },
  },
  args: ARGS,
};

export const STATIC: Docs<StaticKeys> = {
  ipam: {
    is: "object",
    help: '`{"type": "static", …}`',
    keys: {
      addresses: {
        is: "list of objects",
        help: "the addresses of every container; nothing keeps two from having the same",
        keys: {
          address: { is: "string, `ADDRESS/PREFIX`", help: "the address, with the subnet's prefix" },
          gateway: { is: "string", absent: "none", help: "the gateway of that subnet" },
        },
      },
      routes: ROUTES,
      dns: DNS,
    },
  },
  runtimeConfig: {
    is: "object",
    help: "what the runtime adds",
    keys: {
      ips: { ...IPS, help: "replace `addresses`, with a prefix each; they need the capability `ips`" },
    },
  },
  args: ARGS,
};

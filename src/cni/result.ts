import type { Cidr, Ip } from "../lib/ip.ts";
import type { Mac } from "../lib/mac.ts";

/** The result of an ADD, as version 1.1.0 has it. Older ones are made from it, and it from them. */
export interface Result {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

export interface ResultInterface {
  readonly name: string;
  readonly mac?: Mac;
  readonly mtu?: number;
  /** Path of the netns; absent for one of the host's. */
  readonly sandbox?: string;
  readonly socketPath?: string;
  readonly pciID?: string;
}

export interface ResultIp {
  /** Host bits are kept: the prefix is the subnet's. */
  readonly address: Cidr;
  readonly gateway?: Ip;
  /** Index in `interfaces`. */
  readonly interface?: number;
}

export interface ResultRoute {
  readonly dst: Cidr;
  readonly gw?: Ip;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  /** 0 is kept. */
  readonly table?: number;
  /** `rtnetlink.h` RT_SCOPE_*; 0 is kept. */
  readonly scope?: number;
}

export interface Dns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

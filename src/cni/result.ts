import { type Problem, problemsError } from "../lib/errors.ts";
import { type Cidr, formatCidr, formatIp, type Ip } from "../lib/ip.ts";
import { integer, list, optional, type Shape, struct, text } from "../lib/shape.ts";
import { cidr, ip } from "./address.ts";
import { CNI_CODE, CniError } from "./errors.ts";
import { isAtLeast, isVersion, VERSIONS, type Version } from "./versions.ts";

/** The result of an ADD, as version 1.1.0 has it. Older ones are made from it, and it from them. */
export interface Result {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: Dns;
}

export interface ResultInterface {
  readonly name: string;
  /** As the plugin wrote it that made the interface: not every kind of link has six bytes. */
  readonly mac?: string | undefined;
  readonly mtu?: number | undefined;
  /** Path of the netns; absent for one of the host's. */
  readonly sandbox?: string | undefined;
  readonly socketPath?: string | undefined;
  readonly pciID?: string | undefined;
}

export interface ResultIp {
  /** Host bits are kept: the prefix is the subnet's. */
  readonly address: Cidr;
  readonly gateway?: Ip | undefined;
  /** Index in `interfaces`. */
  readonly interface?: number | undefined;
}

export interface ResultRoute {
  readonly dst: Cidr;
  readonly gw?: Ip | undefined;
  readonly mtu?: number | undefined;
  readonly advmss?: number | undefined;
  readonly priority?: number | undefined;
  /** 0 is kept. */
  readonly table?: number | undefined;
  /** `rtnetlink.h` RT_SCOPE_*; 0 is kept. */
  readonly scope?: number | undefined;
}

export interface Dns {
  readonly nameservers?: readonly string[] | undefined;
  readonly domain?: string | undefined;
  readonly search?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
}

export const routeShape = struct({
  dst: cidr,
  gw: ip,
  mtu: integer,
  advmss: integer,
  priority: integer,
  table: optional(integer),
  scope: optional(integer),
});

export const dnsShape = struct({
  nameservers: list(text),
  domain: text,
  search: list(text),
  options: list(text),
});

/** 0.3.0 and later. `ips[].version` of 0.3 and 0.4 is told by the address too, which counts. */
const richShape = struct({
  interfaces: list(
    struct({ name: text, mac: text, mtu: integer, sandbox: text, socketPath: text, pciID: text }),
  ),
  ips: list(struct({ version: text, interface: optional(integer), address: cidr, gateway: ip })),
  routes: list(routeShape),
  dns: dnsShape,
});

const perFamily = optional(struct({ ip: cidr, gateway: ip, routes: list(routeShape) }));
const poorShape = struct({ ip4: perFamily, ip6: perFamily, dns: dnsShape });

const versionShape = struct({ cniVersion: text });

type Parsed<S> = S extends Shape<infer T> ? T : never;

/**
 * A result of any version. `fallback`: what it is when it does not say. Throws code 6 for what is no result; says
 * nothing about whether it is true.
 */
export function parseResult(value: unknown, fallback: Version): Result {
  const problems: Problem[] = [];
  const said = versionShape(value, "", problems).cniVersion || fallback;
  if (problems.length > 0) throw noResult(problems);
  if (!isVersion(said)) {
    throw new CniError(
      CNI_CODE.decode,
      `unsupported CNI result version ${JSON.stringify(said)}`,
      `supported are ${VERSIONS.join(", ")}`,
    );
  }
  const result = isPoor(said)
    ? fromPoor(poorShape(value, "", problems))
    : fromRich(richShape(value, "", problems));
  if (problems.length > 0) throw noResult(problems);
  return result;
}

function noResult(problems: readonly Problem[]): CniError {
  return new CniError(
    CNI_CODE.decode,
    `no CNI result: ${problemsError("invalid_request", problems).message}`,
  );
}

/** 0.1.0 and 0.2.0 know one address of each family and no interface. */
function isPoor(version: Version): boolean {
  return !isAtLeast(version, "0.3.0");
}

function fromRich({ interfaces, ips, routes, dns }: Parsed<typeof richShape>): Result {
  return {
    interfaces: interfaces.map(({ name, mac, mtu, sandbox, socketPath, pciID }) => ({
      name,
      mac: mac || undefined,
      mtu: mtu || undefined,
      sandbox: sandbox || undefined,
      socketPath: socketPath || undefined,
      pciID: pciID || undefined,
    })),
    ips: ips.flatMap(({ address, gateway, interface: index }) =>
      address === undefined ? [] : [{ address, gateway, interface: index }],
    ),
    routes: routes.flatMap(routeFrom),
    dns: dnsFrom(dns),
  };
}

function fromPoor({ ip4, ip6, dns }: Parsed<typeof poorShape>): Result {
  const families = [ip4, ip6].filter((family) => family !== undefined);
  return {
    interfaces: [],
    ips: families.flatMap(({ ip: address, gateway }) =>
      address === undefined ? [] : [{ address, gateway }],
    ),
    routes: families.flatMap(({ routes }) => routes.flatMap(routeFrom)),
    dns: dnsFrom(dns),
  };
}

export function routeFrom({
  dst,
  mtu,
  advmss,
  priority,
  ...others
}: Parsed<typeof routeShape>): ResultRoute[] {
  if (dst === undefined) return [];
  const numbers = {
    mtu: mtu || undefined,
    advmss: advmss || undefined,
    priority: priority || undefined,
  };
  return [{ dst, ...numbers, ...others }];
}

/** Empty lists and texts are as good as absent, for Go omits them. */
export function dnsFrom({ nameservers, domain, search, options }: Parsed<typeof dnsShape>): Dns {
  const filled = (texts: readonly string[]) => (texts.length > 0 ? texts : undefined);
  return {
    nameservers: filled(nameservers),
    domain: domain || undefined,
    search: filled(search),
    options: filled(options),
  };
}

/** The document for stdout. Throws what the reference says where the old version has no words for the result. */
export function printResult(result: Result, version: Version): string {
  return `${JSON.stringify({ cniVersion: version, ...LAYOUTS[version](result) }, undefined, 4)}\n`;
}

/** What is left of a result in a version of the protocol. */
export function inVersion(result: Result, version: Version): Result {
  return parseResult(JSON.parse(printResult(result, version)), version);
}

/** Keys whose value is undefined are not printed. Of a result that nobody parsed, 0 and "" must not be either. */
const LAYOUTS: Readonly<Record<Version, (result: Result) => object>> = {
  "0.1.0": poor,
  "0.2.0": poor,
  "0.3.0": rich03,
  "0.3.1": rich03,
  "0.4.0": rich03,
  "1.0.0": rich1,
  "1.1.0": rich1,
};

function rich1({ interfaces, ips, routes, dns }: Result): object {
  return {
    interfaces: listed(interfaces.map(({ name, ...others }) => ({ name, ...nonZero(others) }))),
    ips: listed(ips.map(ipText)),
    routes: listed(routes.map(routeText)),
    dns: Object.values(dns).some((value) => value !== undefined) ? dns : undefined,
  };
}

/** Interfaces have fewer keys, an address says its family, and an empty `dns` is printed. */
function rich03({ interfaces, ips, routes, dns }: Result): object {
  return {
    interfaces: listed(interfaces.map(({ name, mac, sandbox }) => ({ name, ...nonZero({ mac, sandbox }) }))),
    ips: listed(ips.map((one) => ({ version: String(one.address.ip.family), ...ipText(one) }))),
    routes: listed(routes.map(routeText)),
    dns,
  };
}

/** The first address of each family, with the routes of the family; interfaces are lost. */
function poor({ ips, routes, dns }: Result): object {
  const of = (family: number) => {
    const first = ips.find(({ address }) => address.ip.family === family);
    const own = routes.filter(({ dst }) => dst.ip.family === family);
    return (
      first && {
        ip: formatCidr(first.address),
        gateway: addressText(first.gateway),
        routes: listed(own.map(({ dst, gw }) => ({ dst: formatCidr(dst), gw: addressText(gw) }))),
      }
    );
  };
  const [ip4, ip6] = [of(4), of(6)];
  if (!ip4 && !ip6) throw new CniError(CNI_CODE.other, "cannot convert: no valid IP addresses");
  return { ip4, ip6, dns };
}

function ipText({ interface: index, address, gateway }: ResultIp): object {
  return { interface: index, address: formatCidr(address), gateway: addressText(gateway) };
}

function routeText({ dst, gw, table, scope, ...numbers }: ResultRoute): object {
  return { dst: formatCidr(dst), gw: addressText(gw), ...nonZero(numbers), table, scope };
}

function addressText(address: Ip | undefined): string | undefined {
  return address && formatIp(address);
}

function listed<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length > 0 ? items : undefined;
}

/** What is neither absent nor the zero value of Go. */
function nonZero(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
}

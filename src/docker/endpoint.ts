import { type Problem, problemsError } from "../lib/errors.ts";
import { ifnameProblem } from "../lib/ifname.ts";
import { type Cidr, type Family, isUnspecified, parseCidr, parseIp } from "../lib/ip.ts";
import { isMulticastMac, isZeroMac, type Mac, parseMac } from "../lib/mac.ts";
import { didYouMean } from "../lib/nearest.ts";
import { formatPublish } from "../lib/publish.ts";
import { quote, word } from "../lib/quote.ts";
import type { EndpointRequest } from "../lib/request.ts";
import type { CreateEndpoint, PortBinding } from "./messages.ts";
import { endpointOwner, networkOwner } from "./owners.ts";

const IFNAME = "com.docker.network.endpoint.ifname";

/** Absent for a MAC that dockerd made up because an IPAM wants to know one. */
const USERS_MAC = "com.docker.network.endpoint.macaddress";

/** What a user may give by `--driver-opt`; sysctls are carried out by dockerd. */
const FOR_USERS = [IFNAME, "com.docker.network.endpoint.sysctls"];

/** IP protocol numbers (IANA) as `docker run -p` spells them. */
const PROTOCOLS: Readonly<Record<number, string>> = { 1: "icmp", 6: "tcp", 17: "udp", 132: "sctp" };

/**
 * Throws `invalid_option` with all that is wrong with the addresses and with options that nobody knows. `ofKind`: names
 * of those that the network's kind knows; their values are the engine's to judge.
 */
export function endpointRequest(message: CreateEndpoint, ofKind: readonly string[]): EndpointRequest {
  const { Address, AddressIPv6, MacAddress } = message.Interface;
  const problems: Problem[] = [];
  const addresses = [addressOf(4, Address, problems), addressOf(6, AddressIPv6, problems)];
  const mac = macOf(MacAddress, problems);
  const ifname = message.Options.known[IFNAME];
  const badName = ifname === "" ? undefined : ifnameProblem(ifname);
  if (badName !== undefined) problems.push({ subject: IFNAME, message: badName });
  const { options, unknown } = sorted(message.Options.others, ofKind);
  problems.push(...unknown);
  const inputs = { network: message.NetworkID, endpoint: message.EndpointID };
  if (problems.length > 0) throw problemsError("invalid_option", problems, inputs);
  return {
    owner: endpointOwner(message.NetworkID, message.EndpointID),
    network: networkOwner(message.NetworkID),
    addresses: addresses.filter((address) => address !== undefined),
    ...(mac && { mac, macByUser: message.Options.known[USERS_MAC] !== "" }),
    ...(ifname !== "" && { ifname }),
    ...(Object.keys(options).length > 0 && { options }),
    publishes: message.Options.known["com.docker.network.portmap"].map(publishOf),
  };
}

function addressOf(family: Family, given: string, problems: Problem[]): Cidr | undefined {
  if (given === "") return undefined;
  const address = parseCidr(given);
  if (address?.ip.family === family && !isUnspecified(address.ip)) return address;
  const subject = family === 4 ? "ip" : "ip6";
  const wanted = `an IPv${family} address with a prefix length`;
  problems.push({ subject, message: `address ${quote(given)} is not ${wanted}` });
  return undefined;
}

function macOf(given: string, problems: Problem[]): Mac | undefined {
  if (given === "") return undefined;
  const mac = parseMac(given);
  const problem = macProblem(given, mac);
  if (problem !== undefined) problems.push({ subject: "mac-address", message: problem });
  return mac;
}

function macProblem(given: string, mac: Mac | undefined): string | undefined {
  if (mac === undefined) return `MAC address ${quote(given)} is not six pairs of hex digits with colons`;
  if (isMulticastMac(mac))
    return `MAC address ${mac} is a multicast address: the lowest bit of its first byte must be 0`;
  if (isZeroMac(mac)) return `MAC address ${mac} is all zero`;
  return undefined;
}

/**
 * An older docker lower-cases the keys of `--network name=…,driver-opt=…`, so case does not count. What a user gives
 * is always a string; any other value under Docker's own prefix comes from a dockerd newer than this table.
 */
function sorted(others: ReadonlyMap<string, unknown>, ofKind: readonly string[]) {
  const options: Record<string, string> = {};
  const unknown: Problem[] = [];
  for (const [key, value] of others) {
    const known = ofKind.find((name) => name.toLowerCase() === key.toLowerCase());
    if (known !== undefined && typeof value === "string") options[known] = value;
    else if (typeof value === "string" || !key.toLowerCase().startsWith("com.docker.network."))
      unknown.push(unknownOption(key, [...ofKind, ...FOR_USERS]));
  }
  return { options, unknown };
}

function unknownOption(key: string, names: readonly string[]): Problem {
  const message = `unknown endpoint option ${word(key)}${suggestion(key.slice(0, 64), names)}`;
  return { subject: key, message };
}

/** Also finds the name when only its last word was given: `ifname`. */
function suggestion(key: string, names: readonly string[]): string {
  const lastWord = (name: string) => name.slice(name.lastIndexOf(".") + 1);
  const near = didYouMean(key, names);
  if (near !== "") return near;
  const full = names.find((name) => didYouMean(lastWord(key), [lastWord(name)]) !== "");
  return full === undefined ? `; there are ${listed(names)}` : `, did you mean ${full}?`;
}

function listed(names: readonly string[]): string {
  return [names.slice(0, -1).join(", "), ...names.slice(-1)].join(" and ");
}

function publishOf({ HostIP, HostPort, HostPortEnd, Port, Proto }: PortBinding): string {
  const hostAddress = parseIp(HostIP);
  return formatPublish({
    protocol: PROTOCOLS[Proto] ?? `${Proto}`,
    ...(hostAddress && { hostAddress }),
    ...(HostPort !== 0 && { hostPorts: [HostPort, Math.max(HostPort, HostPortEnd)] as const }),
    containerPort: Port,
  });
}

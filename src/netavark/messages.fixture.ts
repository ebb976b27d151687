import { type ExecMessage, execShape, type NetworkMessage, networkShape, read } from "./messages.ts";

/** What podman 5.8.6 and netavark 1.17.2 were seen to say, as far as tests want it otherwise by `more`. */

/** Of `create`, from podman. */
export const created = (more: object = {}): Record<string, unknown> => ({
  name: "lan",
  id: "3b74c1",
  driver: "underlay-macvlan",
  created: "0001-01-01T00:00:00Z",
  subnets: [{ subnet: "10.90.0.0/24", gateway: "10.90.0.1" }],
  ipv6_enabled: false,
  internal: false,
  dns_enabled: true,
  labels: { a: "b" },
  options: { parent: "eth0" },
  ...more,
});

/** Of `setup` and `teardown`, from netavark. */
export const attaching = (network: object = {}, options: object = {}, more: object = {}) => ({
  container_id: "85d668996714",
  container_name: "p1",
  port_mappings: null,
  network: {
    dns_enabled: false,
    driver: "underlay-macvlan",
    id: "3b74c1",
    internal: false,
    ipv6_enabled: false,
    name: "lan",
    network_interface: null,
    options: { parent: "eth0" },
    ipam_options: null,
    subnets: [{ gateway: "10.90.0.1", lease_range: null, subnet: "10.90.0.0/24" }],
    routes: null,
    network_dns_servers: null,
    ...network,
  },
  network_options: {
    aliases: ["85d668996714"],
    interface_name: "eth0",
    static_ips: ["10.90.0.65"],
    static_mac: null,
    options: null,
    ...options,
  },
  ...more,
});

export const networkMessage = (more: object = {}): NetworkMessage => read(networkShape, created(more));

export const execMessage = (...parts: Parameters<typeof attaching>): ExecMessage =>
  read(execShape, attaching(...parts));

/**
 * What real dockerds sent, byte for byte but for the ids: Docker 20.10.24 (Debian 12) and 28.5.2, captured by a
 * plugin that logged its requests. Every body ends with the newline of Go's json.Encoder.
 *
 *   docker network create -d ts -o parent=lan -o foo=bar -o com.docker.network.driver.mtu=1400 --subnet 10.60.0.0/24
 *     --ip-range 10.60.0.64/26 --gateway 10.60.0.1 --aux-address nas=10.60.0.5
 *     --ipv6 --subnet fd60::/64 --gateway fd60::1 --label x=y n1
 *   docker run -d --network n1 --ip 10.60.0.70 --ip6 fd60::70 --mac-address 02:11:22:33:44:77 -p 8081:80 --network-alias web
 */

export const NETWORK = "17584b0cdd7bd5c6e5ee3c1c2c4cc0b7bd1e0b0d8e0f6f4e6b7c2b3a49586776";
export const ENDPOINT = "af8f29d1b8c44ad2a4e6a2d3b5b9c7e1f00112233445566778899aabbccddeef";

const ids = `"NetworkID":"${NETWORK}","EndpointID":"${ENDPOINT}"`;
const generic =
  '"com.docker.network.generic":{"com.docker.network.driver.mtu":"1400","foo":"bar","parent":"lan"}';
const pools =
  '"IPv4Data":[{"AddressSpace":"LocalDefault","AuxAddresses":{"nas":"10.60.0.5/24"},"Gateway":"10.60.0.1/24","Pool":"10.60.0.0/24"}],' +
  '"IPv6Data":[{"AddressSpace":"LocalDefault","Gateway":"fd60::1/64","Pool":"fd60::/64"}]';
const ports =
  '"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80}],' +
  '"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8081,"HostPortEnd":8081}]';
const endpoint =
  `{${ids},"Interface":{"Address":"10.60.0.70/24","AddressIPv6":"fd60::70/64","MacAddress":"02:11:22:33:44:77"},` +
  '"Options":{"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80}],"com.docker.network.endpoint.macaddress":"AhEiM0R3",' +
  '"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8081,"HostPortEnd":8081}]}}\n';

export interface Exchange {
  readonly method: string;
  /** Empty: Content-Length 0. */
  readonly body: string;
  /** What we answer, with an engine that makes links named ul-fake. */
  readonly answer: Record<string, unknown>;
}

const joined: Record<string, unknown> = {
  InterfaceName: { SrcName: "ul-fake", DstPrefix: "eth" },
  Gateway: "10.60.0.1",
  GatewayIPv6: "fd60::1",
  DisableGatewayService: true,
};

const registration: readonly Exchange[] = [
  { method: "Plugin.Activate", body: "", answer: { Implements: ["NetworkDriver"] } },
  {
    method: "NetworkDriver.GetCapabilities",
    body: "",
    answer: { Scope: "local", ConnectivityScope: "global", GwAllocChecker: true },
  },
];

const operInfo: Exchange = {
  method: "NetworkDriver.EndpointOperInfo",
  body: `{${ids}}\n`,
  answer: { Value: {} },
};

const end: readonly Exchange[] = [
  { method: "NetworkDriver.RevokeExternalConnectivity", body: `{${ids}}\n`, answer: {} },
  { method: "NetworkDriver.Leave", body: `{${ids}}\n`, answer: {} },
  { method: "NetworkDriver.DeleteEndpoint", body: `{${ids}}\n`, answer: {} },
  { method: "NetworkDriver.DeleteNetwork", body: `{"NetworkID":"${NETWORK}"}\n`, answer: {} },
];

export const DOCKER_28: readonly Exchange[] = [
  ...registration,
  {
    method: "NetworkDriver.GwAllocCheck",
    body: `{"Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.enable_ipv6":true,${generic}}}\n`,
    answer: { SkipIPv4: true, SkipIPv6: true },
  },
  {
    method: "NetworkDriver.CreateNetwork",
    body: `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.enable_ipv6":true,${generic}},${pools}}\n`,
    answer: {},
  },
  { method: "NetworkDriver.CreateEndpoint", body: endpoint, answer: {} },
  {
    method: "NetworkDriver.Join",
    body: `{${ids},"SandboxKey":"/var/run/docker/netns/0e83c9bcabd8","Options":{${ports}}}\n`,
    answer: joined,
  },
  {
    method: "NetworkDriver.ProgramExternalConnectivity",
    body: `{${ids},"Options":{"com.docker.network.driver.private.no_proxy_6to4":false,${ports}}}\n`,
    answer: {},
  },
  operInfo,
  ...end,
];

export const DOCKER_20: readonly Exchange[] = [
  ...registration,
  {
    method: "NetworkDriver.CreateNetwork",
    body: `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.enable_ipv6":true,${generic}},${pools}}\n`,
    answer: {},
  },
  { method: "NetworkDriver.CreateEndpoint", body: endpoint, answer: {} },
  {
    method: "NetworkDriver.Join",
    body: `{${ids},"SandboxKey":"/run/docker/netns/391173432dcc","Options":{${ports}}}\n`,
    answer: joined,
  },
  {
    method: "NetworkDriver.ProgramExternalConnectivity",
    body: `{${ids},"Options":{${ports}}}\n`,
    answer: {},
  },
  operInfo,
  operInfo,
  ...end,
];

/** Bodies of other commands, each with the command or version that sent it. */
export const OTHERS = {
  /** `network create --internal -d ts --subnet 10.61.0.0/24 n2` on 28.5.2. */
  internalNetwork: `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{},"com.docker.network.internal":true},"IPv4Data":[{"AddressSpace":"LocalDefault","Pool":"10.61.0.0/24"}],"IPv6Data":[]}\n`,
  /** `network connect --ip 10.61.0.9 --driver-opt epfoo=EpBar n2 r1`: no port keys. */
  driverOpt: `{${ids},"Interface":{"Address":"10.61.0.9/24","AddressIPv6":"","MacAddress":""},"Options":{"epfoo":"EpBar"}}\n`,
  /** `run --network name=k1,driver-opt=epA=ValB,… --dns 9.9.9.9` on 28.5.2: the client lower-cases. */
  dnsServers: `{${ids},"Interface":{"Address":"10.60.0.71/24","AddressIPv6":"","MacAddress":"02:11:22:33:44:78"},"Options":{"com.docker.network.endpoint.dnsservers":["9.9.9.9"],"com.docker.network.endpoint.exposedports":[],"com.docker.network.endpoint.macaddress":"AhEiM0R4","com.docker.network.portmap":[],"epa":"valb"}}\n`,
  /** `network create -d ts --ipam-driver ts --subnet 10.62.0.0/24 …`: the address space is the IPAM driver's. */
  foreignIpam: `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{}},"IPv4Data":[{"AddressSpace":"loc","AuxAddresses":{"nas":"10.62.0.5/24"},"Gateway":"10.62.0.1/24","Pool":"10.62.0.0/24"}],"IPv6Data":[]}\n`,
  /** The same network's endpoint: an IPAM driver that requires MAC addresses made the daemon choose one. */
  daemonsMac: `{${ids},"Interface":{"Address":"10.62.0.2/24","AddressIPv6":"","MacAddress":"e6:3f:c2:27:e2:db"},"Options":{"com.docker.network.endpoint.exposedports":[],"com.docker.network.portmap":[]}}\n`,
  /** `network create -d ts --ipam-driver null`. */
  nullIpam: `{"NetworkID":"${NETWORK}","Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.enable_ipv6":false,"com.docker.network.generic":{}},"IPv4Data":[{"AddressSpace":"null","Pool":"0.0.0.0/0"}],"IPv6Data":[]}\n`,
  nullIpamEndpoint: `{${ids},"Interface":{"Address":"","AddressIPv6":"","MacAddress":""},"Options":{"com.docker.network.endpoint.exposedports":[],"com.docker.network.portmap":[]}}\n`,
  /** `docker run --network name=lan,driver-opt=foo=bar -p 8080:80` as the source of v29 has it, not captured. */
  version29: `{${ids},"Interface":{"Address":"10.60.0.64/24","AddressIPv6":"","MacAddress":""},"Options":{"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80}],"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}],"foo":"bar"}}\n`,
} as const;

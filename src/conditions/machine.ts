import type { HostFacts, MachineFacts } from "../lib/host-facts.ts";
import type { Condition, Evidence, Fix } from "./condition.ts";
import { probeEvidence, verdictOf } from "./probe.ts";

/**
 * Hypervisors and clouds, guessed by what the machine says it is. A guess warns and refuses nothing: whether foreign
 * MAC addresses pass is a setting of the virtual switch, which nothing in the guest can read. Frames that were sent
 * make it certain, or disprove it.
 */

interface Signature {
  /** Name of a file in /sys/class/dmi/id. */
  readonly file: string;
  readonly is: RegExp;
  /** What to call the platform. */
  readonly name: string;
}

/** The identifications of cloud-init's ds-identify, and what the vendors' machines say. */
const CLOUDS: readonly Signature[] = [
  { file: "sys_vendor", is: /^Amazon EC2$/, name: "Amazon EC2" },
  { file: "product_uuid", is: /^ec2/i, name: "Amazon EC2" },
  { file: "product_name", is: /^Google Compute Engine$/, name: "Google Cloud" },
  { file: "product_serial", is: /^GoogleCloud-/, name: "Google Cloud" },
  { file: "chassis_asset_tag", is: /^7783-7084-3265-9085-8269-3286-77$/, name: "Azure" },
  { file: "chassis_asset_tag", is: /^OracleCloud\.com$/, name: "Oracle Cloud" },
  { file: "product_name", is: /^Alibaba Cloud ECS$/, name: "Alibaba Cloud" },
  { file: "chassis_asset_tag", is: /^(HUAWEICLOUD|OpenTelekomCloud)$/, name: "Huawei Cloud" },
  { file: "sys_vendor", is: /^Hetzner$/, name: "Hetzner Cloud" },
  { file: "sys_vendor", is: /^Vultr$/, name: "Vultr" },
  { file: "sys_vendor", is: /^Scaleway$/, name: "Scaleway" },
  { file: "sys_vendor", is: /^DigitalOcean$/, name: "DigitalOcean" },
];

interface Platform {
  readonly id: string;
  readonly title: string;
  readonly signatures: readonly Signature[];
  readonly explain: string;
  readonly message: (name: string) => string;
  readonly fix: readonly Fix[];
  readonly hiddenBy?: readonly string[];
}

const PROBE: Fix = {
  say: "or be sure: this sends a few frames, and tells whether they pass",
  run: "underlay doctor --active",
};

const PLATFORMS: readonly Platform[] = [
  {
    id: "UL-H01",
    title: "this machine is a VMware guest",
    signatures: [{ file: "sys_vendor", is: /^VMware/, name: "VMware" }],
    explain:
      "A VMware port group drops frames of other MAC addresses unless it accepts promiscuous mode, forged transmits " +
      "and MAC changes; on a distributed switch MAC learning is enough.",
    message: () => "VMware drops frames of containers unless the port group accepts forged transmits",
    fix: [
      {
        say: "port group, security: Promiscuous mode, Forged transmits and MAC changes: Accept; or MAC learning",
      },
      { say: "Workstation on Linux: let your user open /dev/vmnet0 for promiscuous mode" },
      PROBE,
    ],
  },
  {
    id: "UL-H02",
    title: "this machine is a VirtualBox guest",
    signatures: [
      { file: "product_name", is: /^VirtualBox$/, name: "VirtualBox" },
      { file: "sys_vendor", is: /^innotek GmbH$/, name: "VirtualBox" },
    ],
    explain:
      "VirtualBox hands a guest only the frames of its own MAC address, unless the adapter is bridged and its " +
      "promiscuous mode is set to allow all.",
    message: () => "VirtualBox drops frames for containers unless promiscuous mode is: allow all",
    fix: [
      { say: "on the host: a bridged adapter, and VBoxManage modifyvm NAME --nicpromisc1 allow-all" },
      PROBE,
    ],
  },
  {
    id: "UL-H03",
    title: "this machine is a Hyper-V guest",
    signatures: [{ file: "product_name", is: /^Virtual Machine$/, name: "Hyper-V" }],
    explain:
      "Hyper-V drops frames of a guest whose source MAC address is not the adapter's, unless MAC address spoofing " +
      "is turned on for the adapter.",
    message: () => "Hyper-V drops frames of containers unless MAC address spoofing is on",
    fix: [{ say: "on the host: Set-VMNetworkAdapter -VMName NAME -MacAddressSpoofing On" }, PROBE],
    hiddenBy: ["UL-H05", "UL-H07"],
  },
  {
    id: "UL-H04",
    title: "this machine is a KVM guest",
    signatures: [{ file: "sys_vendor", is: /^QEMU$/, name: "KVM" }],
    explain:
      "A KVM guest whose NIC is a tap on a Linux bridge needs nothing. One on a macvtap of its host, or behind the " +
      "firewall of Proxmox, has its frames filtered by MAC address.",
    message: () => "a KVM host may filter MAC addresses: macvtap NICs and Proxmox's firewall do",
    fix: [
      {
        say: "libvirt, macvtap NIC: trustGuestRxFilters='yes'; Proxmox: the NIC's firewall off, or macfilter: 0",
      },
      PROBE,
    ],
    hiddenBy: ["UL-H05", "UL-H06"],
  },
  {
    id: "UL-H05",
    title: "this machine is in a public cloud",
    signatures: CLOUDS,
    explain:
      "Public clouds deliver frames only for MAC and IP addresses that are registered with the virtual machine, and " +
      "have no switch for others. Containers with MAC addresses of their own are not heard. Secondary private " +
      "addresses of the provider on an ipvlan work; so does a network inside one virtual machine.",
    message: (name) => `${name} delivers only to the MAC addresses it knows: containers are not heard`,
    fix: [
      {
        say: "give the machine secondary private addresses at the provider, and use ipvlan, or published ports",
      },
      { say: "or rent a dedicated server or a private network that carries all MAC addresses" },
    ],
  },
  {
    id: "UL-H06",
    title: "this machine is an OpenStack or Xen guest",
    signatures: [
      { file: "product_name", is: /^OpenStack (Nova|Compute)$/, name: "OpenStack" },
      { file: "sys_vendor", is: /^OpenStack Foundation$/, name: "OpenStack" },
      { file: "sys_vendor", is: /^Xen$/, name: "Xen" },
    ],
    explain:
      "OpenStack's port security, and the MAC filters of Xen and OpenNebula, pass only the addresses of the port. " +
      "The owner of the cloud can allow others, for a port or for a network.",
    message: (name) => `${name} may filter MAC addresses: containers are heard only if the port allows them`,
    fix: [
      { say: "OpenStack: allowed-address-pairs on the port, or port security off; Xen: no locking mode" },
      PROBE,
    ],
    hiddenBy: ["UL-H05"],
  },
];

/** The first signature that fits, with what was read. */
function recognised(
  { dmi, hypervisor }: MachineFacts,
  signatures: readonly Signature[],
): { readonly name: string; readonly evidence: Evidence } | undefined {
  for (const { file, is, name } of signatures) {
    const value = dmi[file];
    if (value !== undefined && is.test(value)) {
      return { name, evidence: { source: `/sys/class/dmi/id/${file}`, value } };
    }
  }
  const xen = signatures.find(({ name }) => name.toLowerCase() === hypervisor);
  if (xen === undefined || hypervisor === undefined) return undefined;
  return { name: xen.name, evidence: { source: "/sys/hypervisor/type", value: hypervisor } };
}

function conditionOf(platform: Platform): Condition {
  const { id, title, explain, message, fix, signatures, hiddenBy } = platform;
  return {
    ...{ id, title, explain },
    ...(hiddenBy !== undefined && { hiddenBy }),
    severity: "warn",
    refuses: false,
    confidence: "possible",
    judgeHost({ machine, parents, probes = [] }) {
      const { dmi, hypervisor } = machine;
      const dropped = probes.filter((probe) => verdictOf(probe) === "dropped");
      if (Object.keys(dmi).length === 0 && hypervisor === undefined) {
        return { skipped: "the machine does not say what it is: no /sys/class/dmi/id" };
      }
      const found = recognised(machine, signatures);
      const passed = probes.filter((probe) => verdictOf(probe) === "passes");
      const isDisproved = passed.length > 0 && passed.length === parents.length;
      if (found === undefined || isDisproved) return [];
      return [
        {
          subject: { kind: "host", name: found.name },
          message: message(found.name),
          ...(dropped.length > 0 && { confidence: "certain" as const }),
          evidence: [found.evidence, ...dropped.flatMap(probeEvidence)],
          fix: dropped.length > 0 ? fix.filter((step) => step !== PROBE) : fix,
        },
      ];
    },
  };
}

const desktop: Condition = {
  id: "UL-H07",
  title: "Docker runs in a virtual machine of its own (WSL, Docker Desktop)",
  severity: "warn",
  refuses: false,
  confidence: "likely",
  explain:
    "In WSL 2 and Docker Desktop, Linux is a small virtual machine behind the computer's own network, with a NIC that " +
    "is on no LAN. Containers cannot join the LAN from there.",
  judgeHost({ machine, docker }: HostFacts) {
    const system = "known" in docker.dockerd ? docker.dockerd.known.system : "";
    const evidence = [
      ...(/microsoft/i.test(machine.release)
        ? [{ source: "/proc/sys/kernel/osrelease", value: machine.release }]
        : []),
      ...(/^Docker Desktop/.test(system)
        ? [{ source: `GET /info at ${docker.socket}`, value: `OperatingSystem ${system}` }]
        : []),
    ];
    if (evidence.length === 0) return [];
    return [
      {
        subject: { kind: "host", name: "virtual machine" },
        message: "the parent is inside a virtual machine of WSL or Docker Desktop, not on the LAN",
        evidence,
        fix: [{ say: "use a Linux machine, or a virtual machine with a bridged NIC" }],
      },
    ];
  },
};

export const MACHINE_CONDITIONS: readonly Condition[] = [desktop, ...PLATFORMS.map(conditionOf)];

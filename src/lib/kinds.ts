/** Link kinds that networks are made of, and the kernel modules that have them. */
export const KIND_MODULES = {
  macvlan: "macvlan",
  ipvlan: "ipvlan",
  vlan: "8021q",
  dummy: "dummy",
} as const;

/** A kind that this table does not know is a module of its own name, as with most. */
export function moduleOf(kind: string): string {
  return Object.entries(KIND_MODULES).find(([known]) => known === kind)?.[1] ?? kind;
}

/** The option of the kernel's configuration that builds the module. */
export function configOf(module: string): string {
  return `CONFIG_${module === "8021q" ? "VLAN_8021Q" : module.toUpperCase()}`;
}

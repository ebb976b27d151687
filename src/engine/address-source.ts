import type { Cidr, Ip } from "../lib/ip.ts";

/**
 * Where an attachment's addresses come from when the protocol does not bring them. Verbs are idempotent; who an address is
 * for is a container and the interface's name in it.
 */
export interface AddressSource {
  /** All or none of the addresses of one attachment. Throws `invalid_option`, `conflict`, `timeout`. */
  allocate(request: AddressRequest): Promise<readonly AssignedAddress[]>;
  /** Gives back all that the holder has; nothing is success. */
  release(holder: Holder): Promise<void>;
  /** Throws `not_found` when the holder has none. */
  check(holder: Holder): Promise<void>;
  /** Gives back what nobody has any more. `valid`: all that do; undefined = not known, so only what is surely left over. */
  collect(valid: readonly Holder[] | undefined): Promise<void>;
  /** Throws `conflict` when an allocation would find nothing. */
  status(): Promise<void>;
}

export interface Holder {
  readonly container: string;
  readonly ifname: string;
}

export interface AddressRequest extends Holder {
  /** Path of the container's netns. */
  readonly netns: string;
  /** Addresses asked for; any other source of the address is then not asked. */
  readonly wanted: readonly Ip[];
  /**
   * What a holder gets that has addresses already: they are its own still, or it is an error. Who makes the link as well knows
   * that an earlier attempt died, for the link is not there; who only reserves cannot tell a retry from a runtime's mistake,
   * and the reference plugin's answer to both is an error.
   */
  readonly repeated: "same" | "error";
}

export interface AssignedAddress {
  /** The prefix is the subnet's. */
  readonly address: Cidr;
  readonly gateway?: Ip;
}

/**
 * The birth mark of addresses that the host has as a gateway, IFA_PROTO: "u". One of those that `<linux/if_addr.h>` leaves
 * to everybody. A kernel before 5.18 does not keep it; then an address goes with its link, and not before.
 */
export const GATEWAY_ADDRESS = 0x75;

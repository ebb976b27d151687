/**
 * Steps of moving what the host has on a NIC to the bridge that gets it as a port, and back, by name: each is a place at
 * which the process can die, or a step can fail.
 */
export const MOVE_STEPS = [
  "move.before-record",
  "move.after-record",
  "move.after-guard",
  "move.after-dress",
  "move.after-port",
  "move.after-give",
  "move.after-proof",
  "move.after-take",
  "move.after-confirm",
  "move.after-moved",
] as const;

export const RETURN_STEPS = [
  "return.after-intent",
  "return.after-guard",
  "return.after-give",
  "return.after-take",
  "return.after-port",
  "return.after-undress",
  "return.after-record",
] as const;

export type MoveStep = (typeof MOVE_STEPS)[number] | (typeof RETURN_STEPS)[number];

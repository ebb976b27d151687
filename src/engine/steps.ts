import { MOVE_STEPS, RETURN_STEPS } from "../links/move-steps.ts";
import { HOST_LOCAL_STEPS } from "../store/host-local/steps.ts";

/**
 * The engine's steps, by name: each is a place at which the process can die. Tests walk this table with
 * `UNDERLAY_FAULT=STEP:kill`; in production they are no-ops.
 */
export const STEPS = [
  "network.ensure.before-record",
  "network.ensure.after-record",
  "network.remove.before-intent",
  "network.remove.after-intent",
  "network.remove.after-endpoints",
  "network.remove.after-record",
  "endpoint.declare.before-record",
  "endpoint.declare.after-record",
  "endpoint.provision.before-link",
  "endpoint.provision.after-link",
  "endpoint.provision.after-record",
  "endpoint.unprovision.before-link",
  "endpoint.unprovision.after-link",
  "endpoint.unprovision.after-record",
  "endpoint.forget.before-intent",
  "endpoint.forget.after-intent",
  "endpoint.forget.after-detach",
  "endpoint.forget.after-link",
  "endpoint.forget.after-record",
] as const;

/**
 * The same for parents that are made: only a kernel with VLANs or dummies comes to these, so they are walked in the lab
 * (and on a kernel in memory).
 */
export const PARENT_STEPS = [
  "parent.make.before-record",
  "parent.make.after-record",
  "parent.make.after-link",
  "parent.make.after-confirm",
  "parent.drop.before-link",
  "parent.drop.after-link",
  "parent.drop.after-record",
] as const;

/** The same for attachments that are counted as users of parents. */
export const USER_STEPS = [
  "parent.join.before-record",
  "parent.join.after-record",
  "parent.leave.before-record",
  "parent.leave.after-record",
] as const;

/** The same for hosts that a network with tunnels learns of, and forgets. */
export const PEER_STEPS = [
  "peers.add.before-record",
  "peers.add.after-record",
  "peers.add.after-tunnels",
  "peers.remove.before-record",
  "peers.remove.after-record",
  "peers.remove.after-tunnels",
] as const;

/** The same for the host's own links, on networks with `host_access`. */
export const HOST_STEPS = [
  "host.make.before-link",
  "host.make.after-link",
  "host.make.after-routes",
  "host.drop.before-link",
  "host.drop.after-link",
] as const;

/** The same for attachments that are made in one go. */
export const ATTACH_STEPS = [
  "attach.before-link",
  "attach.after-link",
  "attach.after-addresses",
  "attach.after-configure",
  "detach.after-link",
] as const;

/** The same for pairs of links with an end on the host. */
export const PAIR_STEPS = [
  "pair.before-link",
  "pair.after-link",
  "pair.after-plug",
  "pair.after-addresses",
  "pair.after-configure",
  "pair.after-connect",
  "pair.after-masquerade",
  "unpair.after-link",
  "unpair.after-addresses",
] as const;

export const ALL_STEPS = [
  ...STEPS,
  ...PARENT_STEPS,
  ...USER_STEPS,
  ...PEER_STEPS,
  ...HOST_STEPS,
  ...ATTACH_STEPS,
  ...PAIR_STEPS,
  ...MOVE_STEPS,
  ...RETURN_STEPS,
  ...HOST_LOCAL_STEPS,
] as const;

export type StepName = (typeof ALL_STEPS)[number];

/** Called when a step is reached. */
export type StepReached = (step: StepName) => void;

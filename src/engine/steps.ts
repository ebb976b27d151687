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
  "endpoint.forget.after-link",
  "endpoint.forget.after-record",
] as const;

export type StepName = (typeof STEPS)[number];

/** Called when a step is reached. */
export type StepReached = (step: StepName) => void;

import * as v from "valibot";

/** A container on a network that is to be moved, with what was chosen for it there. */
const UserJson = v.object({
  id: v.string(),
  name: v.string(),
  state: v.string(),
  ip: v.nullable(v.string()),
  ip6: v.nullable(v.string()),
  mac: v.nullable(v.string()),
  aliases: v.array(v.string()),
  /** Those that it has now, whoever chose them. */
  addresses: v.array(v.string()),
});

/** One network: what is to be done, and with `--apply` what came of it. */
const MigrationJson = v.object({
  name: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
  status: v.picklist([
    "ready",
    "in_use",
    "refused",
    "by_hand",
    "already",
    "interrupted",
    "moved",
    "put_back",
    "failed",
    "lost",
  ]),
  /** Why it is not ready, or was not moved. */
  reasons: v.array(v.string()),
  /** What will be different. */
  notes: v.array(v.string()),
  containers: v.array(UserJson),
  /** Lines for a shell, in their order. */
  commands: v.array(v.string()),
  /** The line that makes the old network again; empty when it is ours already. */
  restore: v.string(),
});
export type MigrationJson = v.InferOutput<typeof MigrationJson>;

/** `underlay.migrate/v1`. */
export const MigrateJson = v.object({
  schema: v.literal("underlay.migrate/v1"),
  applied: v.boolean(),
  networks: v.array(MigrationJson),
});

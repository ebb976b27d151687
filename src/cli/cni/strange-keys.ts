import type { KeyDoc, KeyDocs } from "../../cni/keys/doc.ts";
import { EVERY_PLUGIN, PLUGIN_KEYS } from "../../cni/keys/tables.ts";
import type { Conf } from "../../cni/plugin.ts";
import { isPluginName } from "../../cni/plugins.ts";
import type { StrangeKey } from "../../lib/conf-facts.ts";
import { nearest } from "../../lib/nearest.ts";

/** Keys of the plugin's own and of objects in them that it does not read. Whose keys are not known, of that one none. */
export function strangeKeys(type: string, conf: Conf, ipam: string | undefined): readonly StrangeKey[] {
  const own = keysOf(type);
  if (own === undefined) return [];
  // An `ipam` has the keys of the plugin that it names.
  const { ipam: _, ...rest } = conf;
  // What is the runtime's has other keys as well.
  const known = { ...own, ...(ipam !== undefined && keysOf(ipam)), ...EVERY_PLUGIN };
  return strangeIn(own["ipam"] === undefined ? conf : rest, known, "");
}

/** Of the object `ipam`, by the plugin that it names. */
export function strangeIpamKeys(type: string, ipam: unknown): readonly StrangeKey[] {
  const known = keysOf(type)?.["ipam"]?.keys;
  return known ? strangeIn(ipam, { type: { is: "string", help: "" }, ...known }, "ipam.") : [];
}

function keysOf(type: string): KeyDocs | undefined {
  return isPluginName(type) ? PLUGIN_KEYS[type]?.keys : undefined;
}

function strangeIn(value: unknown, known: KeyDocs, path: string): StrangeKey[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const byLower = new Map<string, KeyDoc>(
    Object.entries(known).map(([key, doc]) => [key.toLowerCase(), doc]),
  );
  return Object.entries(value).flatMap(([key, inner]) => {
    const doc = byLower.get(key.toLowerCase());
    if (doc === undefined) {
      if (key.startsWith("cni.dev/")) return [];
      const meant = nearest(key.slice(0, 64), Object.keys(known));
      return [{ key: `${path}${key}`, ...(meant !== undefined && { nearest: `${path}${meant}` }) }];
    }
    const { keys } = doc;
    return keys === undefined
      ? []
      : itemsOf(inner).flatMap((item) => strangeIn(item, keys, `${path}${key}.`));
  });
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flatMap(itemsOf) : [value];
}

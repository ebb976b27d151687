import * as v from "valibot";
import type { EndpointView } from "../engine/engine.ts";

/** An endpoint as the admin API and `-o json` have it. */

export const EndpointJson = v.object({
  id: v.string(),
  owner: v.string(),
  network_id: v.string(),
  state: v.string(),
  addresses: v.array(v.string()),
  /** Null when its link has the parent's. */
  mac: v.nullable(v.string()),
  link_name: v.string(),
  /** Ports of the host that lead to it, one for each family; of those whose gateway the host is. */
  ports: v.optional(
    v.array(
      v.object({
        protocol: v.string(),
        /** `0.0.0.0` or `::`: every one. */
        host_address: v.string(),
        host_port: v.number(),
        container_address: v.string(),
        container_port: v.number(),
      }),
    ),
    [],
  ),
  created_at: v.string(),
});
export type EndpointBody = v.InferOutput<typeof EndpointJson>;

/** Owners are `PROTOCOL:NETWORK` and `PROTOCOL:NETWORK/ENDPOINT`. */
export const idOf = (owner: string) => owner.slice(owner.indexOf(":") + 1);

export function endpointBody(view: EndpointView): EndpointBody {
  const { owner, network, state, mac } = view;
  return {
    id: owner.slice(owner.lastIndexOf("/") + 1),
    owner,
    network_id: idOf(network),
    state,
    addresses: [...view.addresses],
    mac: mac ?? null,
    link_name: view.linkName,
    ports: (view.published ?? []).map((port) => ({
      protocol: port.protocol,
      host_address: port.hostAddress,
      host_port: port.hostPort,
      container_address: port.containerAddress,
      container_port: port.containerPort,
    })),
    created_at: view.createdAt,
  };
}

/** Each once, however many addresses it is on. */
export function portsOf({ ports }: EndpointBody): ReadonlySet<string> {
  return new Set(ports.map(({ protocol, host_port: port }) => `${port}/${protocol}`));
}

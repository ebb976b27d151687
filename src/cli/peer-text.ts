import type { PeerBody } from "../daemon/peer-json.ts";
import type { Style } from "./table.ts";

/** Whether a peer can be removed, in a word. */
export function originOf({ from }: Pick<PeerBody, "from">): string {
  return from === "option" ? "by option" : "learnt";
}

/** A tunnel that is made says nothing of who is at its other end. */
export function tunnelState({ state, error }: PeerBody): { readonly text: string; readonly style: Style } {
  const style = state === "made" ? "green" : state === "failed" || state === "missing" ? "red" : "yellow";
  return { text: error === null ? state : `${state}: ${error}`, style };
}

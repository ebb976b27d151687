import type { Assigned, Attached, AttachRequest, ParentWish } from "../lib/attach.ts";
import { asUnderlayError, UnderlayError } from "../lib/errors.ts";
import { settleAll } from "../lib/settle.ts";
import type { ContainerLinks, ParentLink } from "../links/container-links.ts";
import type { Going } from "../links/gone-inside.ts";
import { readVlanName } from "../links/parent/ref.ts";
import { configure } from "../sandbox/configure.ts";
import { requireSameNetns, requireSandbox, type Sandbox, type Sandboxes } from "../sandbox/sandbox.ts";
import { verifyConfiguration } from "../sandbox/verify.ts";
import type { ParentUsers } from "./parent-users.ts";
import type { StepReached } from "./steps.ts";
import type { Strays } from "./strays.ts";

/** Attachments that are made in one go, in the container's own netns: the link itself is their record. */
export interface Attachments {
  /**
   * Makes the link, gets its addresses, and brings it up. What an earlier try left is replaced; what this one does is
   * undone when it fails. Throws `not_found` (netns, parent), `invalid_option`, `conflict`, `kernel`.
   */
  attach(request: AttachRequest): Promise<Attached>;
  /**
   * Deletes the link and gives back its addresses, both whatever becomes of the other. What is gone already is
   * success: the netns, the link, the parent.
   */
  detach(request: DetachRequest): Promise<void>;
  /** Throws `conflict` when what is in the container is not what was made there. */
  verify(request: VerifyRequest): Promise<void>;
  /** Removes the links of attachments that nobody asks for any more. Their addresses are their source's to collect. */
  collect(isStray: (owner: string) => boolean): Promise<void>;
  /**
   * Answers the name of the parent, where it is one of the host's. Throws `not_found`, `invalid_option` or `kernel` when no
   * such attachment could be made now.
   */
  requireReady(request: ReadyRequest): Promise<string | undefined>;
}

/** `link`: absent when only the parent is asked about. */
export type ReadyRequest = Pick<AttachRequest, "parent" | "mtu"> & Partial<Pick<AttachRequest, "link">>;

export interface VerifyRequest extends Pick<AttachRequest, "netns" | "ifname" | "parent" | "link" | "mtu"> {
  /** The netns, as it was told when the link was made. */
  readonly toldNetns: string;
  readonly toldMac?: string;
  readonly assigned: Assigned;
}

export interface DetachRequest {
  /** Empty when the runtime does not know it any more. */
  readonly netns: string;
  readonly ifname: string;
  /** Of whom and of what it was a user, where VLANs may have been made for it. */
  readonly user?: { readonly owner: string; readonly parent: ParentWish };
  readonly giveBack?: () => Promise<void>;
}

export interface AttachContext {
  readonly sandboxes: Sandboxes;
  readonly links: ContainerLinks;
  readonly step: StepReached;
  /** Loaded when asked for: it looks into every netns, which one attachment never does. */
  readonly strays: () => Promise<Strays>;
  /**
   * Loaded when a parent is missing or was made by us: it opens the state database. Undefined when there is none, and
   * no need of one.
   */
  readonly parentUsers: (need: "to join" | "to leave") => Promise<ParentUsers | undefined>;
  /** What an operator should hear of, and a runtime need not. */
  readonly warn: (text: string) => void;
}

export function attachments({
  sandboxes,
  links,
  step,
  strays,
  parentUsers,
  warn,
}: AttachContext): Attachments {
  async function attach(request: AttachRequest): Promise<Attached> {
    using sandbox = requireSandbox(sandboxes, request.netns);
    await using undo = new AsyncDisposableStack();
    const parent = request.parent && (await joined(request.owner, request.parent, sandbox, undo));
    if (parent) requireMtu(request.mtu, parent);

    step("attach.before-link");
    const link = await links.make(sandbox, wantedOf(request, parent));
    // A try of the same attachment that runs beside this one may have put its own link there: then all is that one's.
    const unlessReplaced = (work: () => Promise<void>) => async () => {
      if (!(await links.isReplaced(sandbox, request.ifname, link.ifindex))) await work();
    };
    undo.defer(unlessReplaced(async () => (await links.remove(sandbox, request.ifname))?.awaitGone()));
    step("attach.after-link");
    const { addresses, giveBack } = request;
    // It may fail with some of the addresses given.
    if (addresses && giveBack) undo.defer(unlessReplaced(giveBack));
    const assigned = addresses ? await addresses() : NOTHING;
    step("attach.after-addresses");
    const { ifname, autoconf } = request;
    await configure(
      sandbox,
      { ifindex: link.ifindex, ifname },
      { ...assigned, ...(autoconf !== undefined && { autoconf }) },
    );
    step("attach.after-configure");

    undo.move();
    return { ...link, assigned };
  }

  /** The parent, with the VLANs made that were missing. */
  async function joined(
    owner: string,
    wish: ParentWish,
    sandbox: Sandbox,
    undo: AsyncDisposableStack,
  ): Promise<ParentLink> {
    requireVlan(wish);
    const parent = vlanOf(wish) && (await sharedVlan(wish));
    if (parent === undefined) return await parentOf(wish, sandbox);
    const users = await parentUsers("to join");
    const { vlanProtocol: protocol } = wish;
    const user = { owner, parent, ...(protocol && { protocol }) };
    await users?.join(user);
    undo.defer(() => users?.leave(user));
    return await parentOf(wish, sandbox);
  }

  /**
   * The name of a VLAN that we made, or may have to make or to judge; undefined of one that is there and is somebody
   * else's.
   */
  async function sharedVlan(wish: ParentWish): Promise<string | undefined> {
    if (wish.vlanProtocol !== undefined) return wish.name;
    const found = await links.parent(wish, undefined);
    return found?.marked === false ? undefined : wish.name;
  }

  async function parentOf(wish: ParentWish, sandbox: Sandbox | undefined): Promise<ParentLink> {
    const parent = await links.parent(wish, sandbox);
    if (parent) return parent;
    throw wish.name === undefined
      ? new UnderlayError("not_found", "no default route interface found")
      : new UnderlayError("not_found", `no link is called ${wish.name}`, { inputs: { parent: wish.name } });
  }

  /** The addresses are given back while the link goes: nothing keeps it from going any more. */
  async function detach({ netns, ifname, user, giveBack }: DetachRequest): Promise<void> {
    using sandbox = netns === "" ? undefined : sandboxes(netns);
    let going: Going | undefined;
    await settleAll([
      async () => {
        going = sandbox && (await links.remove(sandbox, ifname));
        step("detach.after-link");
      },
      () => giveBack?.(),
      () => going?.awaitGone(),
      () => user && left(user),
    ]);
  }

  /** A database that cannot be used keeps no container from going: a GC, or the next boot, counts it no more. */
  async function left({ owner, parent: wish }: NonNullable<DetachRequest["user"]>): Promise<void> {
    const parent = vlanOf(wish) && (await sharedVlan(wish));
    if (parent === undefined) return;
    try {
      const users = await parentUsers("to leave");
      await users?.leave({ owner, parent });
    } catch (thrown) {
      const { code, message } = asUnderlayError(thrown);
      if (code !== "state") throw thrown;
      warn(`${parent} may stay, for it is not known who uses it: ${message}`);
    }
  }

  async function verify(request: VerifyRequest): Promise<void> {
    using sandbox = requireSandbox(sandboxes, request.netns);
    requireSameNetns(sandboxes, request, sandbox);
    const parent = request.parent && (await parentOf(request.parent, sandbox));
    const { toldMac } = request;
    const wanted = wantedOf(request, parent);
    await links.verify(sandbox, { ...wanted, ...(toldMac !== undefined && { mac: toldMac }) });
    await verifyConfiguration(sandbox, request.ifname, request.assigned);
  }

  async function requireReady({ parent: wish, link, mtu }: ReadyRequest): Promise<string | undefined> {
    if (link) await links.requireKind(link.kind);
    // A parent in the container is the container's affair: there is none yet.
    if (!wish || wish.inside) return undefined;
    const vlan = vlanOf(wish);
    const missing = vlan && !(await links.parent(wish, undefined));
    if (missing) await links.requireKind("vlan");
    const parent = await parentOf(missing ? { ...wish, name: vlan.link } : wish, undefined);
    requireMtu(mtu, parent);
    return missing ? wish.name : parent.name;
  }

  async function collect(isStray: (owner: string) => boolean): Promise<void> {
    await settleAll([
      async () => (await strays()).remove(isStray),
      async () => (await parentUsers("to leave"))?.leaveAll(isStray),
    ]);
  }

  return { attach, detach, verify, collect, requireReady };
}

/** The VLANs that a name says, where those may be made. */
function vlanOf({ name, inside, makesVlans }: ParentWish) {
  const vlan = makesVlans && !inside && name !== undefined ? readVlanName(name) : undefined;
  return vlan && "vids" in vlan ? vlan : undefined;
}

/** A protocol without a VLAN would be ignored in silence. */
function requireVlan(wish: ParentWish): void {
  if (wish.vlanProtocol === undefined || vlanOf(wish)) return;
  const message = "vlan_protocol: the parent names no VLAN of the host; write it like eth0.10";
  throw new UnderlayError("invalid_option", message, { problems: [{ subject: "vlan_protocol", message }] });
}

/** The parent as it was found in place of the one that was wished for. */
function wantedOf<R extends { readonly parent?: ParentWish }>(request: R, parent: ParentLink | undefined) {
  const { parent: _, ...rest } = request;
  return { ...rest, ...(parent && { parent }) };
}

const NOTHING = { addresses: [], routes: [] } as const;

function requireMtu(mtu: number | undefined, parent: ParentLink): void {
  if (mtu === undefined || (mtu >= 0 && mtu <= parent.mtu)) return;
  const message = `invalid MTU ${mtu}, must be [0, master MTU(${parent.mtu})]`;
  throw new UnderlayError("invalid_option", message, { problems: [{ subject: "mtu", message }] });
}

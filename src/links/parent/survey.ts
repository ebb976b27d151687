import { isOurLinkName, OUR_LINK_GROUP } from "../../lib/ifname.ts";
import { listLinks, type PartOfLink } from "../../netlink/link.ts";
import { ownerOfAlias, type Survey, type SurveyedLink } from "../survey.ts";
import { type KernelAccess, walkOf } from "./kernel.ts";
import { HOST_NETNS, type Place, visitEveryNetns } from "./netns-walk.ts";

const SURVEYED = ["name", "alias", "address", "group"] as const;

/** Links of ours in the kernel as it is: by birth mark (name or group), and then by the alias that names the owner. */
export function kernelSurvey(kernel: Omit<KernelAccess, "generic" | "requests">): Survey {
  const walk = walkOf(kernel);
  return async () => {
    const { results, complete } = await visitEveryNetns(walk, async (place) =>
      (await listLinks(place.conversation, { only: SURVEYED })).flatMap((link) => surveyed(link, place)),
    );
    return { links: results.flat(), complete };
  };
}

/** A container's runtime renames the link, so there the group is the mark. An alias alone proves nothing. */
function surveyed(
  { header, attrs }: PartOfLink<(typeof SURVEYED)[number]>,
  { facts }: Place,
): SurveyedLink[] {
  const { name = "", alias, address, group } = attrs;
  const owner = ownerOfAlias(alias);
  const born = isOurLinkName(name) || group === OUR_LINK_GROUP;
  if (owner === undefined || !born) return [];
  const mac = typeof address === "string" ? address : "";
  return [{ owner, name, ifindex: header.index, mac, netns: facts, home: facts.path === HOST_NETNS }];
}

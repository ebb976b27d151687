import { type Strays, strays } from "../engine/strays.ts";
import { linksInside } from "../links/inside.ts";
import { kernelSurvey } from "../links/parent/survey.ts";
import type { Conversation } from "../netlink/conversation.ts";
import type { Netns } from "../sys/netns.ts";

/** What a GC needs beyond an attachment: a look into every netns. `converse`: over NETLINK_ROUTE, in this thread. */
export function straysOf(converse: (netns: Netns) => Conversation): Strays {
  const survey = kernelSurvey({ converseIn: converse, log: () => undefined });
  const inside = linksInside(async (netns, work) => {
    const conversation = converse(netns);
    try {
      return await work(conversation);
    } finally {
      conversation.close();
    }
  });
  return strays(survey, inside);
}

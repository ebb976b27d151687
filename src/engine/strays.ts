import { settleAll } from "../lib/settle.ts";
import type { InsideLinks } from "../links/inside.ts";
import type { Survey } from "../links/survey.ts";

/** Links of ours that nobody asks for any more, in containers that live on. */
export interface Strays {
  /**
   * Deletes those whose owner is one, in every netns that can be reached but our own; goes on past what fails. A link
   * counts as ours by its birth mark, and then by the owner that its alias names.
   */
  remove(isStray: (owner: string) => boolean): Promise<void>;
}

export function strays(survey: Survey, inside: InsideLinks): Strays {
  return {
    async remove(isStray) {
      const { links } = await survey();
      const found = links.filter(({ home, owner }) => !home && isStray(owner));
      await settleAll(
        found.map(({ netns, owner }) => async () => {
          await inside.delete(netns.path, owner);
        }),
      );
    },
  };
}

import type { NetlinkThread } from "./thread.ts";

/**
 * Threads for work that waits side by side: the kernel's grace periods overlap, but only between those that wait. They
 * are started when they are needed, and kept until they are told to go.
 */
export interface ThreadPool {
  /** Runs the work with the thread that has the least to do. */
  run<T>(work: (thread: NetlinkThread) => Promise<T>): Promise<T>;
  /** Ends the threads that have nothing to do; the next work starts new ones. */
  shrink(): void;
  /** Ends all of them, whatever they do. */
  close(): void;
}

interface Member {
  readonly thread: NetlinkThread;
  busy: number;
}

export function threadPool(start: () => NetlinkThread, most: number): ThreadPool {
  let members: Member[] = [];

  function leastBusy(): Member {
    const [least] = members.toSorted((a, b) => a.busy - b.busy);
    if (least && (least.busy === 0 || members.length >= most)) return least;
    const member = { thread: start(), busy: 0 };
    members.push(member);
    return member;
  }

  return {
    async run(work) {
      const member = leastBusy();
      member.busy++;
      try {
        return await work(member.thread);
      } finally {
        member.busy--;
      }
    },
    shrink() {
      for (const { thread, busy } of members) if (busy === 0) thread.close();
      members = members.filter(({ busy }) => busy > 0);
    },
    close() {
      for (const { thread } of members) thread.close();
      members = [];
    },
  };
}

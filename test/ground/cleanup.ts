import { afterAll } from "bun:test";

/**
 * Disposes, after the last test of the calling file or describe block, of everything that was put on the stack, last
 * thing first, whatever failed. To be called where `afterAll` may be called.
 */
export function disposedAfterAll(timeoutMs = 30_000): AsyncDisposableStack {
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync(), timeoutMs);
  return stack;
}

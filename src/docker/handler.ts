import type { Clock } from "../lib/clock.ts";
import { asUnderlayError, type Code, UnderlayError } from "../lib/errors.ts";
import type { Log, LogFields, LogLevel } from "../lib/log.ts";
import { readBody } from "./body.ts";
import { within } from "./deadline.ts";
import { errorReply, HttpRefusal, singleLine } from "./errors.ts";
import type { Subject } from "./messages.ts";
import { type Adapter, METHODS, type Method } from "./methods.ts";

export interface HandlerParts extends Adapter {
  readonly log: Log;
  readonly clock: Clock;
}

/** Milliseconds. dockerd itself waits for ever, and with it `docker run` or the start of the daemon. */
export const ANSWER_WITHIN = 10_000;

/** What dockerd asks for in Accept; it checks nothing. */
const CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json";

/**
 * Answers one HTTP request of dockerd: always, within 10 s, with JSON, and with one line in the log.
 * After a `timeout` the work goes on, and what it came to is logged too.
 */
export function dockerHandler(parts: HandlerParts): (request: Request) => Promise<Response> {
  return async (request) => {
    const operation = { op: pathOf(request.url), started: parts.clock.now() };
    const givenUp = new AbortController();
    let subject: Subject = {};
    try {
      const method = methodOf(request, operation.op);
      const body = await inTime(parts, operation, subject, readBody(request));
      const call = method.parse(method.needsBody ? parseJson(body) : undefined);
      subject = call.subject;
      const { answer, fields } = await inTime(parts, operation, subject, call.run(parts, givenUp.signal));
      logOutcome(parts, operation, subject, call.idle ? "debug" : "info", { outcome: "ok", ...fields });
      return jsonResponse(200, answer);
    } catch (thrown) {
      givenUp.abort(thrown);
      logFailure(parts, operation, subject, asUnderlayError(thrown));
      const { status, body } = errorReply(thrown);
      return jsonResponse(status, body);
    }
  };
}

interface Operation {
  readonly op: string;
  readonly started: number;
}

/** With an empty Host header, which Docker 20.10 sends, Bun's request.url is the bare path, and no URL. */
export function pathOf(url: string): string {
  return /^(?:[a-z]+:\/\/[^/?#]*)?\/?([^?#]*)/.exec(url)?.[1] ?? "";
}

function methodOf(request: Request, op: string): Method {
  const method = Object.hasOwn(METHODS, op) ? METHODS[op] : undefined;
  if (method === undefined) throw new HttpRefusal(404, `a network plugin has no method ${op}`);
  if (request.method === "POST") return method;
  throw new HttpRefusal(405, `${op} is called by POST, not by ${request.method}`);
}

const utf8 = new TextDecoder();

/** Undefined for an empty body. dockerd sends no Content-Type, so none is asked for. */
function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(utf8.decode(body));
  } catch (cause) {
    throw new UnderlayError("invalid_request", "the body is not JSON", { cause });
  }
}

function inTime<T>(
  parts: HandlerParts,
  operation: Operation,
  subject: Subject,
  work: Promise<T>,
): Promise<T> {
  const left = operation.started + ANSWER_WITHIN - parts.clock.now();
  return within(parts.clock, left, operation.op, work, (error) =>
    error === undefined
      ? logOutcome(parts, operation, subject, "info", { outcome: "ok", late: true })
      : logFailure(parts, operation, subject, error, { late: true }),
  );
}

/** What failed is a warning, unless it was no request of a dockerd at all. */
const LEVELS: Partial<Record<Code, LogLevel>> = { internal: "error", invalid_request: "info" };

function logFailure(
  parts: HandlerParts,
  operation: Operation,
  subject: Subject,
  error: UnderlayError,
  more: LogFields = {},
): void {
  const bug = error.code === "internal";
  logOutcome(parts, operation, subject, LEVELS[error.code] ?? "warn", {
    outcome: "error",
    code: error.code,
    error: singleLine(error.message),
    ...(bug && { stack: stackOf(error) }),
    ...more,
  });
}

function logOutcome(
  { log, clock }: HandlerParts,
  { op, started }: Operation,
  subject: Subject,
  level: LogLevel,
  fields: LogFields,
): void {
  log(level, "docker call", {
    op: singleLine(op),
    network: subject.NetworkID,
    endpoint: subject.EndpointID,
    duration_seconds: Math.round(clock.now() - started) / 1000,
    ...fields,
  });
}

/** Where the bug is: the stack of what was thrown, not of its wrapping. */
function stackOf(error: UnderlayError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}

function jsonResponse(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": CONTENT_TYPE } });
}

import type { AppStore } from "../store/app-store.ts";
import { MINUTE, SECOND, type Clock } from "../clock.ts";
import type { AnswerHeaders } from "../outbound/answer-body.ts";
import { DEFAULT_HEADERS, forwardable } from "../outbound/headers.ts";
import { retryAfterMs, waitsOf } from "../outbound/retry-after.ts";
import type { DeploymentRules } from "../outbound/rules.ts";
import type { OutgoingRequest } from "../outbound/outgoing.ts";
import { targetProblem } from "../outbound/target-url.ts";
import { webhookSignature } from "../outbound/webhook-signature.ts";

/** Requests to targets that the app's jobs may call. */
export interface AppHttp {
  send(request: TaskRequest): Promise<TaskAnswer>;
  /** The answer's body is read as it comes, without its codings. Its errors are those of `lib/outbound/answer-body.ts`. */
  open(request: TaskRequest): Promise<OpenedAnswer>;
}

export interface TaskRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  /** Headers of the connection and of this service are left out. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The most bytes of an answer; more is an error. Default: 64 KB. */
  readonly mostBytes?: number;
  /** Real milliseconds until the last byte of the answer. Default: a minute. */
  readonly longestMs?: number;
}

/** The request was refused, or its answer was: a retry would not help. */
type Refused = { readonly kind: "refused"; readonly problem: string };
type Failed = { readonly kind: "failed"; readonly problem: string };

export type TaskAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly body: Uint8Array }
  | Refused
  | Failed;

export type OpenedAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: AnswerHeaders;
      /** The wait that the answer asks for. */
      readonly retryAfterMs?: number;
      /** Empty unless the status is 200. */
      readonly body: AsyncIterable<Uint8Array>;
    }
  | Refused
  | Failed;

interface Parts {
  readonly clock: Clock;
  readonly apps: Pick<AppStore, "settingsOf" | "keysOf">;
  readonly rules: Pick<DeploymentRules, "allowPrivateTargets">;
}

interface Run {
  readonly appId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

const LARGEST_ANSWER = 64 * 1_024;
const BLOCKED: Refused = {
  kind: "refused",
  problem: "the target is a private, loopback or otherwise reserved address",
};

export function httpOf(parts: Parts, run: Run): AppHttp {
  return {
    send: async (request) => {
      const { mostBytes = LARGEST_ANSWER } = request;
      const outgoing = await admitted(parts, run, request);
      if ("kind" in outgoing) return outgoing;
      const { fetchWhole } = await import("../outbound/send.ts");
      const answer = await fetchWhole(outgoing, mostBytes);
      run.signal.throwIfAborted();
      switch (answer.kind) {
        case "answered":
          return answer;
        case "blocked":
          return BLOCKED;
        case "too large":
          return { kind: "refused", problem: `the answer is too large: expected at most ${mostBytes} bytes` };
        case "failed":
          return { kind: "failed", problem: answer.reason };
        default:
          return answer satisfies never;
      }
    },

    open: async (request) => {
      const outgoing = await admitted(parts, run, request);
      if ("kind" in outgoing) return outgoing;
      const { open } = await import("../outbound/send.ts");
      const answer = await open(outgoing, request.mostBytes ?? LARGEST_ANSWER);
      run.signal.throwIfAborted();
      switch (answer.kind) {
        case "answered": {
          const asked = retryAfterMs(waitsOf(answer.headers), Math.floor(parts.clock.realNow() / SECOND));
          return { ...answer, ...(asked !== undefined && { retryAfterMs: asked }) };
        }
        case "blocked":
          return BLOCKED;
        case "failed":
          return { kind: "failed", problem: answer.reason };
        default:
          return answer satisfies never;
      }
    },
  };
}

/** The request, if the app's jobs may go there. */
async function admitted(
  parts: Parts,
  run: Run,
  { method, url, headers = {}, body = new Uint8Array(), longestMs = MINUTE }: TaskRequest,
): Promise<OutgoingRequest | Refused> {
  const { clock, apps, rules } = parts;
  const { appId, signal } = run;
  const { allowedCallbackUrls } = await apps.settingsOf(appId);
  const { allowPrivateTargets } = rules;
  const problem = await targetProblem(url, { allowPrivateTargets, allowedCallbackUrls });
  if (problem !== undefined) return { kind: "refused", problem: `the target ${problem}` };
  return {
    appId,
    url,
    method,
    headers: {
      ...DEFAULT_HEADERS,
      ...forwardable(headers),
      ...(method === "POST" && (await signed(parts, run, body))),
    },
    body: body.length > 0 ? body : null,
    signal: AbortSignal.any([signal, clock.timeout(longestMs)]),
    allowPrivateTargets,
  };
}

async function signed({ clock, apps }: Parts, { appId, jobId, attempt }: Run, body: Uint8Array) {
  const timestamp = Math.floor(clock.realNow() / SECOND);
  return {
    "x-job-id": jobId,
    "x-job-attempt": String(attempt),
    "webhook-id": jobId,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": webhookSignature(await apps.keysOf(appId), { id: jobId, timestamp, body }),
  };
}

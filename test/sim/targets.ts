import { SECOND } from "../../lib/clock.ts";
import type { Runner, RunningAttempt } from "../../lib/executors/executor.ts";
import { requestOf } from "../../lib/executors/http-exchange.ts";
import { joined } from "../../lib/job/multi-values.ts";
import { targetUrl } from "../../lib/outbound/target-url.ts";
import type { Process } from "./process.ts";
import type { Random } from "./random.ts";
import type { Sent } from "./rules/receivers.ts";
import type { Mood } from "./action.ts";
import type { Outcome } from "../../lib/job/attempt.ts";

// The targets of jobs, as an executor that makes no request: they are well, slow, failing or silent.

interface Options {
  /** The draws for an attempt. */
  readonly randomOf: (attempt: RunningAttempt) => Random;
  readonly onStart: (process: Process, attempt: RunningAttempt, sent: Sent) => void;
  readonly onEnd: (process: Process, attempt: RunningAttempt, outcome: Outcome | undefined) => void;
  /** Changes the outcome that the executor returns. */
  readonly told?: ((outcome: Outcome) => Outcome) | undefined;
  /** Changes the attempt that the request is made of. */
  readonly shown?: ((attempt: RunningAttempt) => RunningAttempt) | undefined;
}

export function createTargets({ randomOf, onStart, onEnd, told, shown }: Options) {
  const moods = new Map<string, Mood>();

  function executorIn(process: Process): Runner {
    return {
      execute: async (attempt) => {
        const { baseUrl } = attempt.message.execution as unknown as { baseUrl: string };
        onStart(process, attempt, sentBy(shown?.(attempt) ?? attempt));
        const answered = answer(process, moods.get(baseUrl) ?? "well", attempt);
        const outcome = await answered.catch(() => undefined);
        onEnd(process, attempt, outcome);
        return outcome && told ? told(outcome) : answered;
      },
    };
  }

  async function answer(process: Process, mood: Mood, attempt: RunningAttempt): Promise<Outcome> {
    const random = randomOf(attempt);
    const ms = mood === "slow" ? random.between(0, 40) * SECOND : random.between(5, 400);
    if ((await arrival(process, ms, mood, attempt.signal)) === "late") {
      return { kind: "retry", error: "no complete answer in time" };
    }
    switch (mood) {
      case "gone":
        return failure(410);
      case "busy":
        return random.chance(0.7) ? { ...failure(429), retryAfterMs: 20 * SECOND } : success();
      case "failing":
        return failing(random);
      case "flaky":
        return random.chance(0.5) ? failing(random) : success();
      case "well":
      case "slow":
      case "silent":
        return success();
      default:
        return mood satisfies never;
    }
  }

  return { executorIn, become: (destination: string, mood: Mood) => void moods.set(destination, mood) };
}

function failing(random: Random): Outcome {
  if (random.chance(0.1)) return { kind: "rejected", error: "The target is not allowed" };
  if (random.chance(0.1)) throw new Error("The executor broke");
  return failure(500);
}

async function arrival(process: Process, ms: number, mood: Mood, signal: AbortSignal): Promise<"answered" | "late"> {
  const late = new Promise<"late">((resolve) => {
    signal.addEventListener("abort", () => resolve("late"));
  });
  return mood === "silent" ? late : Promise.race([process.pause(ms).then(() => "answered" as const), late]);
}

/** The request as the service makes it, unsigned. */
function sentBy(attempt: RunningAttempt): Sent {
  const { execution, lambdaProxyMessage } = attempt.message;
  const url = targetUrl((execution as unknown as { baseUrl: string }).baseUrl, lambdaProxyMessage);
  const { headers, body } = requestOf(attempt, url);
  return { path: url.pathname, body: body ? Buffer.from(body).toString() : "", headers: joined(headers) };
}

function success(): Outcome {
  return { kind: "succeeded", httpStatus: 200 };
}

function failure(httpStatus: number) {
  return { kind: "retry", error: `HTTP ${httpStatus}`, httpStatus } as const;
}

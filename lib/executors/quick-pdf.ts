import { SECOND, type Clock } from "../clock.ts";
import { Throttled } from "../outbound/lambda-client.ts";
import type { PageQuota } from "../pdf/page-quota.ts";
import { TookTooLong, type Pdfs } from "../pdf/pdfs.ts";
import { BadDocument, type PdfRequest } from "../pdf/request.ts";
import type { PdfResult } from "../pdf/view.ts";
import type { Runner } from "./executor.ts";
import type { TaskExecution } from "./task.ts";
import type { Outcome } from "../job/attempt.ts";

interface Parts {
  readonly clock: Clock;
  readonly pdfs: Pdfs;
  readonly pages: PageQuota;
}

/** Runs a quick job: makes a PDF for the caller who waits. Only a file that is too large for the answer is kept. */
export function createQuickPdf({ clock, pdfs, pages }: Parts): Runner<TaskExecution> {
  return {
    async execute({ job, message, number: attempt, timeoutMs, signal }) {
      const { appId, id: jobId } = job;
      const timeLeftMs = Math.max(timeoutMs - clock.waitFor(clock.now() - job.startedAt), 1);
      try {
        const request = message.execution.payload as unknown as PdfRequest;
        const { file, ...made } = await pdfs.make({ appId, jobId, attempt, signal }, request, timeLeftMs);
        const result: PdfResult = made;
        await pages.count(appId, result);
        return { kind: "succeeded", result: JSON.stringify(result), ...(file && { file }) };
      } catch (error) {
        return outcomeOf(error, signal, timeoutMs);
      }
    },
  };
}

function outcomeOf(error: unknown, signal: AbortSignal, timeoutMs: number): Outcome {
  if (error instanceof BadDocument) return { kind: "rejected", error: error.message };
  if (error instanceof Throttled) return { kind: "retry", error: "no browser is free", isOurs: true };
  const isLate = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
  if (isLate || error instanceof TookTooLong) {
    return {
      kind: "rejected",
      error: `it was not done within the ${timeoutMs / SECOND} s that a request has`,
      timedOut: true,
    };
  }
  if (!signal.aborted) throw error;
  return { kind: "retry", error: (signal.reason as Error).message };
}

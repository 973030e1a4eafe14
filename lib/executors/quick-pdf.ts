import { SECOND } from "../clock.ts";
import type { PageQuota } from "../pdf/page-quota.ts";
import type { Pdfs } from "../pdf/pdfs.ts";
import { BadDocument, type PdfRequest } from "../pdf/request.ts";
import type { PdfResult } from "../pdf/view.ts";
import type { Executor } from "./executor.ts";
import { task, type TaskExecution } from "./task.ts";
import type { Outcome } from "../job/attempt.ts";

/** Lambda's answer holds 6 MB, and base64 takes a third more. */
const LARGEST_ANSWERED = 4 * 1_024 * 1_024;

interface Parts {
  readonly pdfs: Pdfs;
  readonly pages: PageQuota;
}

/** Runs a quick job: makes a PDF for the caller who waits. Only a file that is too large for the answer is kept. */
export function createQuickPdf({ pdfs, pages }: Parts): Executor<TaskExecution> {
  return {
    ...task,
    async execute({ job, message, number: attempt, timeoutMs, signal }) {
      const { appId, id: jobId } = job;
      try {
        const rendered = await pdfs.make(message.execution.payload as unknown as PdfRequest, signal);
        const { file, pages: count, truncated } = rendered;
        const isLarge = file.length > LARGEST_ANSWERED;
        const result: PdfResult = isLarge
          ? await pdfs.keep({ appId, jobId, attempt, signal }, rendered)
          : { pages: count, truncated, bytes: file.length };
        await pages.count(appId, result);
        return { kind: "succeeded", result: JSON.stringify(result), file };
      } catch (error) {
        return outcomeOf(error, signal, timeoutMs);
      }
    },
  };
}

function outcomeOf(error: unknown, signal: AbortSignal, timeoutMs: number): Outcome {
  if (error instanceof BadDocument) return { kind: "rejected", error: error.message };
  if (!signal.aborted) throw error;
  const isLate = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError";
  if (!isLate) return { kind: "retry", error: (signal.reason as Error).message };
  return {
    kind: "rejected",
    error: `it was not done within the ${timeoutMs / SECOND} s that a request has`,
    timedOut: true,
  };
}

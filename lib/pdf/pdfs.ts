import { MINUTE, SECOND } from "../clock.ts";
import type { FileStore } from "../files/file-store.ts";
import { CONTENT_TYPE, renderAnswer, type RenderCall } from "./rendering.ts";
import { BadDocument, type PdfRequest } from "./request.ts";
import type { KeptPdf, PdfResult } from "./view.ts";

interface Parts {
  readonly files: Pick<FileStore, "upload" | "putLink">;
  /** Calls the function that has the browser. Throws `Throttled` when it has no room for another document. */
  readonly render: (call: RenderCall, signal: AbortSignal) => Promise<unknown>;
}

/** One attempt of a job. */
interface Run {
  readonly appId: string;
  readonly jobId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** `file`: absent if it was too large for an answer and is kept. */
export type MadePdf = PdfResult & { readonly file?: Uint8Array };

/** A document that takes longer is refused, since it would take as long again. Less than the time-out of an attempt. */
const LONGEST_RENDER = 3 * MINUTE;
/** How much longer than a rendering its URL for the file is good, for calls that start late. */
const PUT_MARGIN_MS = MINUTE;

export class TookTooLong extends Error {}

export type Pdfs = ReturnType<typeof createPdfs>;

export function createPdfs({ files, render }: Parts) {
  /** Throws `BadDocument`, `TookTooLong`, `Throttled`, or the reason of the signal. */
  async function make(run: Run, request: PdfRequest, timeLeftMs: number): Promise<MadePdf> {
    const fileKey = keyOf(run);
    const putUrl = await files.putLink(fileKey, CONTENT_TYPE, timeLeftMs + PUT_MARGIN_MS);
    const answer = renderAnswer.parse(await render({ request, timeLeftMs, putUrl }, run.signal));
    switch (answer.kind) {
      case "made": {
        const { kind: _, file, ...result } = answer;
        const { filename } = request.options ?? {};
        const made = filename === undefined ? result : { ...result, fileName: fileNameOf(filename) };
        return file === undefined ? { ...made, fileKey } : { ...made, file: Buffer.from(file, "base64") };
      }
      case "refused":
        throw new BadDocument(answer.error);
      case "late":
        throw new TookTooLong();
      default:
        return answer satisfies never;
    }
  }

  /** Makes a PDF that is kept. Throws `BadDocument`, `Throttled`, or the reason of the signal. */
  async function makeAndKeep(run: Run, request: PdfRequest): Promise<KeptPdf> {
    const {
      file,
      fileKey = keyOf(run),
      ...made
    } = await make(run, request, LONGEST_RENDER).catch((error: unknown) => {
      if (!(error instanceof TookTooLong)) throw error;
      throw new BadDocument(`The document took longer than ${LONGEST_RENDER / SECOND} s: make it smaller or simpler`);
    });
    if (file) await keep(fileKey, file, run.signal);
    return { fileKey, ...made };
  }

  async function keep(fileKey: string, file: Uint8Array, signal: AbortSignal): Promise<void> {
    const upload = files.upload(fileKey, CONTENT_TYPE, signal);
    try {
      await upload.write(file);
      await upload.complete();
    } finally {
      await upload.abort();
    }
  }

  return { make, makeAndKeep };
}

function fileNameOf(given: string): string {
  return /\.pdf$/i.test(given) ? given : `${given}.pdf`;
}

/** With the attempt, since one that has lost its lease must not replace the file of another. */
function keyOf({ appId, jobId, attempt }: Run): string {
  return `pdfs/${appId}/${jobId}/${attempt}.pdf`;
}

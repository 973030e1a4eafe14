import { MINUTE, SECOND, type Clock } from "../clock.ts";
import type { FileStore } from "../files/file-store.ts";
import type { Log } from "../log.ts";
import type { Renderer } from "./renderer.ts";
import { BadDocument, type PdfRequest } from "./request.ts";
import type { KeptPdf } from "./view.ts";
import type { RenderedPdf } from "./page.ts";

/** Makes the renderer. It is passed in, since only one function's bundle holds a browser. */
export type MakeRenderer = (parts: { clock: Clock; log: Log; memoryMb: number }) => Renderer;

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  readonly files: Pick<FileStore, "upload">;
  /** The memory of the function that renders. */
  readonly memoryMb: number;
  readonly renderer: () => MakeRenderer | undefined;
}

/** A document that takes longer is refused, since it would take as long again. Less than the time-out of an attempt. */
const LONGEST_RENDER = 3 * MINUTE;
/** The memory that Node takes beside Chromium. */
const OUR_OWN_MB = 512;
const CONTENT_TYPE = "application/pdf";

export type Pdfs = ReturnType<typeof createPdfs>;

export function createPdfs({ clock, log, files, memoryMb, renderer: makerOf }: Parts) {
  let made: Renderer | undefined;

  function renderer(): Renderer {
    const make = makerOf();
    if (!make) throw new Error("There is no browser here: expected a job that needs one on the road pdf");
    return (made ??= make({ clock, log, memoryMb: memoryMb - OUR_OWN_MB }));
  }

  /** Throws `BadDocument`, or the reason of the signal. */
  async function make(request: PdfRequest, signal: AbortSignal): Promise<RenderedPdf> {
    const late = clock.timeout(LONGEST_RENDER);
    try {
      return await renderer().render(request, AbortSignal.any([signal, late]));
    } catch (error) {
      if (!late.aborted || signal.aborted) throw error;
      throw new BadDocument(`The document took longer than ${LONGEST_RENDER / SECOND} s: make it smaller or simpler`);
    }
  }

  /** Stores the file under a key of the attempt. */
  async function keep(
    run: { readonly appId: string; readonly jobId: string; readonly attempt: number; readonly signal: AbortSignal },
    { file, pages, truncated }: RenderedPdf,
  ): Promise<KeptPdf> {
    const { appId, jobId, attempt, signal } = run;
    const fileKey = `pdfs/${appId}/${jobId}/${attempt}.pdf`;
    const upload = files.upload(fileKey, CONTENT_TYPE, signal);
    try {
      await upload.write(file);
      await upload.complete();
    } finally {
      await upload.abort();
    }
    return { fileKey, pages, truncated, bytes: file.length };
  }

  return { make, keep };
}

import { SECOND, type Clock } from "../clock.ts";
import type { Renderer } from "./renderer.ts";
import { BadDocument } from "./request.ts";
import { CONTENT_TYPE, LARGEST_ANSWERED, LONGEST_ERROR, renderCall, type RenderAnswer } from "./rendering.ts";

// The side of a rendering that has the browser.

interface Parts {
  readonly clock: Clock;
  readonly renderer: Pick<Renderer, "render">;
}

const MOST_PUTS = 3;

/** Makes the PDF of a call. When its time is over, Chromium is killed. Throws what another attempt may not meet. */
export async function answerCall(given: unknown, { clock, renderer }: Parts): Promise<RenderAnswer> {
  const { request, timeLeftMs, putUrl } = renderCall.parse(given);
  const late = clock.timeout(timeLeftMs);
  try {
    const { file, pages, truncated, warnings } = await renderer.render(request, late);
    const told = warnings.length > 0 ? { warnings: [...warnings] } : {};
    const made = { kind: "made", pages, truncated, bytes: file.length, ...told } as const;
    if (file.length <= LARGEST_ANSWERED) return { ...made, file: Buffer.from(file).toString("base64") };
    await put(putUrl, file, late, clock);
    return made;
  } catch (error) {
    if (error instanceof BadDocument) return { kind: "refused", error: error.message.slice(0, LONGEST_ERROR) };
    if (late.aborted) return { kind: "late" };
    throw error;
  }
}

async function put(url: string, file: Uint8Array, signal: AbortSignal, clock: Clock): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const status = await sent(url, file, signal);
    if (status !== undefined && status < 300) return;
    const mayHelp = status === undefined || status >= 500;
    if (!mayHelp || tries === MOST_PUTS) {
      throw new Error(`Expected the bucket to take a PDF of ${file.length} bytes, found ${status ?? "no answer"}`);
    }
    await clock.sleep(tries * SECOND, signal);
  }
}

/** The status of the answer; undefined if there was none. */
async function sent(url: string, file: Uint8Array, signal: AbortSignal): Promise<number | undefined> {
  try {
    const body = file as Uint8Array<ArrayBuffer>;
    const answer = await fetch(url, { method: "PUT", headers: { "content-type": CONTENT_TYPE }, body, signal });
    await answer.body?.cancel();
    return answer.status;
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}

import { readFileSync, readdirSync, readlinkSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";
import { extractText, getDocumentProxy } from "unpdf";
import { createClock } from "../../lib/clock.ts";
import type { LogFields } from "../../lib/log.ts";
import { createRenderer, type Renderer } from "../../lib/pdf/renderer.ts";
import type { PdfOptions } from "../../lib/pdf/options.ts";
import type { RenderedPdf } from "../../lib/pdf/page.ts";

/** Longer than any rendering that succeeds. */
const PATIENCE_MS = 50_000;
const clock = createClock();

export interface TestRenderer extends Renderer {
  /** The events that it has logged, with their fields. */
  readonly logged: { event: string; fields: LogFields }[];
  html(html: string, options?: PdfOptions): Promise<RenderedPdf>;
}

export function testRenderer(parts: Partial<Parameters<typeof createRenderer>[0]> = {}): TestRenderer {
  const logged: TestRenderer["logged"] = [];
  const renderer = createRenderer({ clock, log: (_, event, fields) => logged.push({ event, fields }), ...parts });
  return {
    ...renderer,
    logged,
    html: async (html, options) =>
      renderer.render({ input_type: "html", html, ...(options && { options }) }, clock.timeout(PATIENCE_MS)),
  };
}

/** The text and the pages of a PDF, by pdf.js. Fonts give some Han characters as radicals that look the same. */
export async function readPdf({ file }: { file: Uint8Array }): Promise<{ text: string; pages: number }> {
  const document = await getDocumentProxy(new Uint8Array(file));
  const { text } = await extractText(document, { mergePages: true });
  return { text: text.normalize("NFKC"), pages: document.numPages };
}

/** The Chromium processes that descend from a process, this one unless another is named. */
export function chromiumsOf(ancestor = process.pid): number[] {
  const parents = new Map<number, number>();
  const chromiums: number[] = [];
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    try {
      const [, rest = ""] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ");
      parents.set(pid, Number(rest.split(" ")[1]));
      if (readlinkSync(`/proc/${pid}/exe`).includes("/pdf-chromium-")) chromiums.push(pid);
    } catch {
      // It has ended meanwhile.
    }
  }
  const descends = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === ancestor || descends(parents.get(pid)));
  return chromiums.filter(descends);
}

/** A picture that is small until it is decoded, as a data: URI. */
export function blackPng(width: number, height: number): string {
  const chunk = (type: string, data: Buffer) => {
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    const typed = Buffer.concat([Buffer.from(type), data]);
    length.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(typed));
    return Buffer.concat([length, typed, checksum]);
  };
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const rows = deflateSync(Buffer.alloc((Math.ceil(width / 8) + 1) * height));
  const signature = Buffer.from("89504e470d0a1a0a", "hex");
  const png = [signature, chunk("IHDR", header), chunk("IDAT", rows), chunk("IEND", Buffer.alloc(0))];
  return `data:image/png;base64,${Buffer.concat(png).toString("base64")}`;
}

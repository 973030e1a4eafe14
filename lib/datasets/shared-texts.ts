import { LARGEST_ROW } from "./source-row.ts";
import { parseXml } from "./xml.ts";

/** A page is one buffer: a million texts as strings would take several times the memory. */
const TEXTS_A_PAGE = 1_000;

/** The texts of a workbook that its cells name by their index. */
export class SharedTexts {
  readonly #pages: { readonly bytes: Buffer; readonly ends: Uint32Array }[] = [];
  #page: string[] = [];
  /** In characters. What is longer than a row may be is cut off, one character behind that. */
  longest = 0;

  async read(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = "";
    let isWithin = false;
    let isSpoken = false;
    await parseXml(chunks, {
      open: (name) => {
        if (name === "si") text = "";
        if (name === "t") isWithin = !isSpoken;
        // How Japanese text is pronounced is not part of it.
        if (name === "rPh") isSpoken = true;
      },
      text: (part) => {
        if (isWithin && text.length <= LARGEST_ROW) text += part.slice(0, LARGEST_ROW + 1 - text.length);
      },
      close: (name) => {
        if (name === "t") isWithin = false;
        if (name === "rPh") isSpoken = false;
        if (name === "si") this.#add(text);
      },
    });
    this.#turn();
  }

  at(index: number): string | undefined {
    const page = this.#pages[Math.floor(index / TEXTS_A_PAGE)];
    const place = index % TEXTS_A_PAGE;
    const end = page?.ends[place];
    if (page === undefined || end === undefined) return undefined;
    return unescaped(page.bytes.toString("utf8", place === 0 ? 0 : page.ends[place - 1], end));
  }

  #add(text: string): void {
    this.#page.push(text);
    this.longest = Math.max(this.longest, text.length);
    if (this.#page.length === TEXTS_A_PAGE) this.#turn();
  }

  #turn(): void {
    const texts = this.#page.map((text) => Buffer.from(text));
    const ends = new Uint32Array(texts.length);
    let end = 0;
    for (const [index, { length }] of texts.entries()) ends[index] = end += length;
    this.#pages.push({ bytes: Buffer.concat(texts), ends });
    this.#page = [];
  }
}

/** Characters that XML does not allow are written as `_x0007_`. */
export function unescaped(text: string): string {
  if (!text.includes("_x")) return text;
  return text.replace(/_x([0-9a-f]{4})_/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

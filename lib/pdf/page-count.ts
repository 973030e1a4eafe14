// The page count of a PDF made by Chromium. It is read from the cross-reference table and the beginnings of the
// objects, which a document cannot influence. A search for "/Count" could match the document's own text.

/** The file of a longer document holds the first pages only. */
export const MOST_PAGES = 100;

/** Throws if the file does not have the structure that Chromium writes. */
export function countPages(file: Uint8Array): number {
  const pdf = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const at = (offset: number) => pdf.toString("latin1", offset, offset + 128);
  const numberIn = (text: string, pattern: RegExp): number => {
    const [, found] = pattern.exec(text) ?? [];
    if (found === undefined) throw new Error(`Expected a PDF as Chromium writes it, found no ${String(pattern)}`);
    return Number(found);
  };

  const table = numberIn(at(Math.max(0, pdf.length - 64)), /startxref\n(\d+)\n%%EOF\s*$/);
  const head = /^xref\n0 (\d+)\n/;
  const objects = numberIn(at(table), head);
  const rows = table + (head.exec(at(table))?.[0].length ?? 0);
  // Each entry has twenty bytes, as the format demands.
  const objectAt = (object: number) => at(numberIn(at(rows + object * 20), /^(\d{10}) \d{5} n/));

  const catalog = numberIn(at(rows + objects * 20), /^trailer\n<<\/Size \d+\n\/Root (\d+) 0 R/);
  const pages = numberIn(objectAt(catalog), /^\d+ 0 obj\n<<\/Type \/Catalog\n\/Pages (\d+) 0 R/);
  return numberIn(objectAt(pages), /^\d+ 0 obj\n<<\/Type \/Pages\n\/Count (\d+)\n/);
}

const BOX = "/MediaBox [0 0 ";

/** Width and height of the first page in inches, as Chromium writes them. */
export function sizeOf(file: Uint8Array): [width: number, height: number] | undefined {
  const pdf = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const at = pdf.indexOf(BOX);
  const [, width, height] = /^([\d.]+) ([\d.]+)\]/.exec(pdf.toString("latin1", at + BOX.length, at + 64)) ?? [];
  return at < 0 || width === undefined ? undefined : [Number(width) / 72, Number(height) / 72];
}

import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { modulesFolder } from "./chromium.ts";
import { FONTS } from "./fonts.ts";

// Which characters the packaged fonts have. A document has a font of its own for others, or shows a box.

const LAST_POINT = 0x10ffff;
/** Drawn as nothing, or never drawn by a glyph of their own. */
const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\p{Z}]/u;
const ENTITY = /&#(?:x([\da-f]{1,6})|(\d{1,7}))/gi;
/** As in `content: "\2717"`. */
const CSS_ESCAPE = /\\([\da-f]{2,6})/gi;
/** More would only be more boxes. */
const MOST = 200;

/** The code points in texts, written as characters, entities or escapes of CSS, that no packaged font has. */
export async function withoutFont(texts: readonly string[]): Promise<number[]> {
  const found = pointsIn(texts);
  if (found.length === 0) return [];
  const covered = await coverage();
  const unknown = found.filter((point) => !covered[point] && !UNSEEN.test(String.fromCodePoint(point)));
  return unknown.slice(0, MOST);
}

/** Beyond ASCII, in order. */
function pointsIn(texts: readonly string[]): number[] {
  const seen = new Uint8Array(LAST_POINT + 1);
  for (const text of texts) {
    for (let at = 0; at < text.length; at += 1) {
      if (text.charCodeAt(at) < 0x7f) continue;
      const point = text.codePointAt(at) ?? 0;
      seen[point] = 1;
      if (point > 0xffff) at += 1;
    }
    for (const [, hex, decimal] of text.matchAll(ENTITY)) seen[hex ? parseInt(hex, 16) : Number(decimal)] = 1;
    for (const [, hex = ""] of text.matchAll(CSS_ESCAPE)) seen[parseInt(hex, 16)] = 1;
  }
  const points: number[] = [];
  for (let point = seen.indexOf(1, 0x7f); point >= 0; point = seen.indexOf(1, point + 1)) points.push(point);
  return points;
}

let covered: Promise<Uint8Array> | undefined;

/** A 1 for each code point of which a packaged font has a glyph; read once. */
export async function coverage(): Promise<Uint8Array> {
  covered ??= (async () => {
    const points = new Uint8Array(LAST_POINT + 1);
    const modules = modulesFolder();
    await Promise.all(FONTS.map(async (file) => readFont(join(modules, file), points)));
    return points;
  })();
  return covered;
}

/** Marks the characters of a TrueType or OpenType font. Source: the OpenType specification, table `cmap`. */
async function readFont(path: string, points: Uint8Array): Promise<void> {
  const file = await open(path);
  try {
    const head = await bytes(file, 0, 12);
    const tables = await bytes(file, 12, head.readUInt16BE(4) * 16);
    const at = tables.indexOf("cmap", 0, "latin1");
    const cmap = await bytes(file, tables.readUInt32BE(at + 8), tables.readUInt32BE(at + 12));
    for (let record = 4; record < 4 + cmap.readUInt16BE(2) * 8; record += 8) {
      const table = cmap.subarray(cmap.readUInt32BE(record + 4));
      const format = table.readUInt16BE(0);
      if (format === 4) markSegments(table, points);
      if (format === 12) markGroups(table, points);
    }
  } finally {
    await file.close();
  }
}

async function bytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer;
}

/** Format 4: characters up to U+FFFF. */
function markSegments(table: Buffer, points: Uint8Array): void {
  const length = table.readUInt16BE(6);
  const [ends, starts, deltas, offsets] = [14, 16 + length, 16 + 2 * length, 16 + 3 * length];
  for (let segment = 0; segment < length; segment += 2) {
    const [start, end] = [table.readUInt16BE(starts + segment), table.readUInt16BE(ends + segment)];
    const delta = table.readUInt16BE(deltas + segment);
    const offset = table.readUInt16BE(offsets + segment);
    for (let point = start; point <= end && point < 0xffff; point += 1) {
      const at = offsets + segment + offset + (point - start) * 2;
      const listed = offset === 0 ? point : at + 1 < table.length ? table.readUInt16BE(at) : 0;
      const glyph = offset === 0 || listed !== 0 ? (listed + delta) & 0xffff : 0;
      if (glyph !== 0) points[point] = 1;
    }
  }
}

/** Format 12: all characters. */
function markGroups(table: Buffer, points: Uint8Array): void {
  for (let group = 16; group < 16 + table.readUInt32BE(12) * 12; group += 12) {
    points.fill(1, table.readUInt32BE(group), table.readUInt32BE(group + 4) + 1);
  }
}

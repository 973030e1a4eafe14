import { pipeline } from "node:stream/promises";
import { crc32, createInflateRaw } from "node:zlib";

// A ZIP archive of which single entries are read, as streams. Its directory at the end tells where they are and how large.

export interface ZipEntry {
  readonly name: string;
  readonly bytes: number;
  readonly packedBytes: number;
  readonly isDeflated: boolean;
  readonly crc: number;
  /** The position of its own header. */
  readonly at: number;
}

/** The content from one position to another, exclusive. */
export type ReadRange = (from: number, to: number) => AsyncIterable<Uint8Array>;

/** The problem of an archive, in words that follow "The file". */
export class BadZip extends Error {}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const ENTRY = 0x02014b50;
const HEADER = 0x04034b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const END_64_BYTES = 56;
const ENTRY_BYTES = 46;
const HEADER_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
/** Of an archive of 100,000 files. */
const LARGEST_DIRECTORY = 10 * 1_024 * 1_024;
const IN_64 = 0xffff_ffff;
const EXTRA_64 = 1;
const STORED = 0;
const DEFLATED = 8;

const CUT_SHORT = "is cut short: upload it again";

/** The entries by name. */
export async function zipEntries(read: ReadRange, size: number): Promise<ReadonlyMap<string, ZipEntry>> {
  const { at, bytes } = await directoryOf(read, size);
  if (at + bytes > size) throw new BadZip("is cut short: its directory is not there; upload it again");
  if (bytes > LARGEST_DIRECTORY) throw new BadZip("is an archive of too many files");
  const directory = bytes === 0 ? Buffer.alloc(0) : await whole(read(at, at + bytes));
  const entries = new Map<string, ZipEntry>();
  for (let from = 0; from + ENTRY_BYTES <= directory.length;) {
    if (directory.readUInt32LE(from) !== ENTRY) break;
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => directory.readUInt16LE(from + field));
    const behindName = from + ENTRY_BYTES + (nameBytes ?? 0);
    const name = directory.toString("utf8", from + ENTRY_BYTES, behindName);
    const behindExtra = behindName + (extraBytes ?? 0);
    entries.set(name, entryOf(name, directory, from, directory.subarray(behindName, behindExtra)));
    from = behindExtra + (commentBytes ?? 0);
  }
  return entries;
}

/** Where the directory is. */
async function directoryOf(read: ReadRange, size: number): Promise<{ readonly at: number; readonly bytes: number }> {
  const from = Math.max(0, size - END_BYTES - LONGEST_COMMENT - LOCATOR_BYTES);
  const tail = await whole(read(from, size));
  const end = endIn(tail);
  if (end < 0) throw new BadZip("is cut short: the end of its archive is not there; upload it again");
  const bytes = tail.readUInt32LE(end + 12);
  const at = tail.readUInt32LE(end + 16);
  const locator = end - LOCATOR_BYTES;
  const isIn64 = (at === IN_64 || bytes === IN_64 || tail.readUInt16LE(end + 10) === 0xffff) && locator >= 0;
  if (!isIn64 || tail.readUInt32LE(locator) !== LOCATOR_64) return { at, bytes };
  const at64 = numberAt(tail, locator + 8);
  if (at64 + END_64_BYTES > size) throw new BadZip(CUT_SHORT);
  const end64 = await whole(read(at64, Math.min(size, at64 + END_64_BYTES)));
  if (end64.length < END_64_BYTES || end64.readUInt32LE(0) !== END_64) throw new BadZip("is a damaged archive");
  return { at: numberAt(end64, 48), bytes: numberAt(end64, 40) };
}

/** The position of the record that ends the archive, whose comment ends the file, but for what some servers add to it. */
function endIn(tail: Buffer): number {
  let last = -1;
  for (let at = tail.length - END_BYTES; at >= 0; at -= 1) {
    if (tail.readUInt32LE(at) !== END) continue;
    const end = at + END_BYTES + tail.readUInt16LE(at + 20);
    if (end === tail.length) return at;
    if (last < 0 && end < tail.length) last = at;
  }
  return last;
}

function entryOf(name: string, directory: Buffer, from: number, extra: Buffer): ZipEntry {
  const method = directory.readUInt16LE(from + 10);
  if ((directory.readUInt16LE(from + 8) & 1) === 1)
    throw new BadZip("is protected by a password: save it without one and upload that");
  if (method !== STORED && method !== DEFLATED) throw new BadZip(`is packed by method ${method}, expected deflate`);
  const long = longFields(extra);
  const field = (at: number) => {
    const value = directory.readUInt32LE(from + at);
    return value === IN_64 ? (long.shift() ?? value) : value;
  };
  // In the order of the 64-bit fields.
  const bytes = field(24);
  const packedBytes = field(20);
  const at = field(42);
  return { name, bytes, packedBytes, isDeflated: method === DEFLATED, crc: directory.readUInt32LE(from + 16), at };
}

/** The numbers of an entry that do not fit into 32 bits. */
function longFields(extra: Buffer): number[] {
  for (let from = 0; from + 4 <= extra.length;) {
    const bytes = Math.min(extra.readUInt16LE(from + 2), extra.length - from - 4);
    if (extra.readUInt16LE(from) === EXTRA_64)
      return Array.from({ length: Math.floor(bytes / 8) }, (_, index) => numberAt(extra, from + 4 + 8 * index));
    from += 4 + bytes;
  }
  return [];
}

function numberAt(bytes: Buffer, at: number): number {
  const value = Number(bytes.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value)) throw new BadZip("is a damaged archive");
  return value;
}

/**
 * The content of an entry. Throws `BadZip` for one that is not as its directory says: in what it unpacks to, it goes no
 * further than that.
 */
export async function* readEntry(read: ReadRange, size: number, entry: ZipEntry): AsyncGenerator<Uint8Array> {
  if (entry.at + HEADER_BYTES > size) throw new BadZip(CUT_SHORT);
  const header = await whole(read(entry.at, entry.at + HEADER_BYTES));
  if (header.length < HEADER_BYTES || header.readUInt32LE(0) !== HEADER) throw new BadZip("is a damaged archive");
  const from = entry.at + HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const to = from + entry.packedBytes;
  if (to > size) throw new BadZip(CUT_SHORT);
  if (entry.packedBytes === 0) return;
  let bytes = 0;
  let crc = 0;
  for await (const chunk of entry.isDeflated ? inflated(read(from, to)) : read(from, to)) {
    bytes += chunk.length;
    if (bytes > entry.bytes) throw new BadZip(`unpacks to more than the ${entry.bytes} bytes that it says`);
    crc = crc32(chunk, crc);
    yield chunk;
  }
  if (bytes !== entry.bytes || crc !== entry.crc)
    throw new BadZip("is damaged: its checksum is wrong; upload it again");
}

async function* inflated(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflate = createInflateRaw();
  const feeding = pipeline(packed, inflate);
  // The loop throws the errors of the pipeline.
  feeding.catch(() => {});
  try {
    for await (const chunk of inflate as AsyncIterable<Uint8Array>) yield chunk;
    await feeding;
  } catch (error) {
    if (!String((error as { code?: unknown }).code).startsWith("Z_")) throw error;
    throw new BadZip("is damaged: it can't be unpacked; upload it again");
  }
}

async function whole(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of parts) chunks.push(chunk);
  return Buffer.concat(chunks);
}

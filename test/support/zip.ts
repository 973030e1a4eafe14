import { crc32, deflateRawSync } from "node:zlib";

export interface ZipOptions {
  /** As a writer that streams: sizes and checksum follow the content. */
  readonly descriptors?: boolean;
  readonly stored?: boolean;
  /** What the directory says of the size of an entry. */
  readonly saysBytes?: Readonly<Record<string, number>>;
  readonly saysCrc?: number;
  readonly encrypted?: boolean;
  readonly comment?: string;
}

/** A ZIP archive, also an odd one. */
export function zipOf(files: Readonly<Record<string, string | Uint8Array>>, options: ZipOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const bytes = Buffer.from(content as string);
    const packed = options.stored ? bytes : deflateRawSync(bytes);
    const crc = options.saysCrc ?? crc32(bytes);
    const flags = (options.descriptors ? 8 : 0) + (options.encrypted ? 1 : 0);
    const size = options.saysBytes?.[name] ?? bytes.length;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(flags, 2);
    common.writeUInt16LE(options.stored ? 0 : 8, 4);
    common.writeUInt32LE(crc, 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(size, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.from(common);
    if (options.descriptors) local.fill(0, 10, 22);
    const header = Buffer.concat([signature(0x04034b50), local, Buffer.from(name)]);
    const descriptor = options.descriptors
      ? Buffer.concat([signature(0x08074b50), common.subarray(10, 22)])
      : Buffer.alloc(0);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([signature(0x02014b50), Buffer.from([20, 0]), common, tail, Buffer.from(name)]));
    parts.push(header, packed, descriptor);
    at += header.length + packed.length + descriptor.length;
  }
  const listed = Buffer.concat(directory);
  const comment = Buffer.from(options.comment ?? "");
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(listed.length, 8);
  end.writeUInt32LE(at, 12);
  end.writeUInt16LE(comment.length, 16);
  return Buffer.concat([...parts, listed, signature(0x06054b50), end, comment]);
}

function signature(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

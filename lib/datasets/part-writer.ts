import type { Upload } from "../files/multipart.ts";
import { commit, type DatasetParts } from "./commit.ts";
import type { PartWriter, SavedPart } from "./dataset.ts";
import { fileKey, fileKeys, folderOfAttempt, partOf, rowsIn, type PartId } from "./layout.ts";

const NDJSON = "application/x-ndjson";
/** Rows are encoded this many characters at a time. */
const LINES = 64 * 1_024;

export interface Attempt {
  readonly number: number;
  readonly signal: AbortSignal;
}

/** `saved`: the part at its last flush, by this attempt or an earlier one. */
export function createPartWriter(
  parts: DatasetParts,
  id: PartId,
  { number, signal }: Attempt,
  saved: SavedPart,
): PartWriter {
  const { table, files } = parts;
  const earlier = saved.files.filter(([by]) => by !== number);
  let { rows, bytes } = saved;
  let written = saved.files.find(([by]) => by === number)?.[1] ?? 0;
  let upload: Upload | undefined;
  let lines: string[] = [];
  let characters = 0;

  async function putLines(): Promise<void> {
    if (lines.length === 0) return;
    signal.throwIfAborted();
    upload ??= files.upload(fileKey(id, number, written), NDJSON, signal);
    const chunk = Buffer.from(lines.join(""));
    rows += lines.length;
    bytes += chunk.length;
    lines = [];
    characters = 0;
    await upload.write(chunk);
  }

  async function flush(): Promise<SavedPart> {
    await putLines();
    if (upload) {
      await upload.complete();
      upload = undefined;
      written += 1;
    }
    return { rows, bytes, files: written > 0 ? [...earlier, [number, written]] : earlier };
  }

  return {
    write: async (row) => {
      const line = `${JSON.stringify(row)}\n`;
      lines.push(line);
      characters += line.length;
      if (characters >= LINES) await putLines();
    },
    flush,
    earlier: async function* () {
      for (const key of fileKeys(id, saved)) yield* rowsIn(files.read(key, signal));
    },
    commit: async (asked) => commit(parts, id, await flush(), asked),
    abort: async () => {
      await upload?.abort();
      upload = undefined;
      lines = [];
    },
    discard: async () => {
      await upload?.abort();
      // A committed part may hold this attempt's files, since a later attempt can resume from them.
      if (await partOf(table, id)) return;
      for await (const page of files.list(folderOfAttempt(id, number))) await files.remove(page.map(({ key }) => key));
    },
  };
}

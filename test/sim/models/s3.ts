import {
  NoSuchBucket,
  NoSuchKey,
  NotFound,
  type DeleteObjectCommandInput,
  type GetObjectCommandInput,
  type HeadObjectCommandInput,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { checkParameters, type Command } from "./client.ts";

// S3 with one versioned bucket, as its clients see it: an object can be read as soon as it was put.

// What was put reads back as it was, so the model has no use for checksums.
const PUT = new Set(["Bucket", "Key", "Body", "ChecksumAlgorithm"]);
const GET = new Set(["Bucket", "Key", "ChecksumMode"]);
const HEAD = new Set(["Bucket", "Key"]);
const DELETE = new Set(["Bucket", "Key", "VersionId"]);
const MISSING = { $fault: "client", $metadata: { httpStatusCode: 404 } } as const;

interface Version {
  readonly id: string;
  /** Undefined for a delete marker. */
  readonly bytes: Uint8Array | undefined;
}

interface Options {
  readonly bucket: string;
  /** Called after an object has gone, with its key. */
  readonly onGone?: (key: string) => void;
}

export function createS3({ bucket, onGone }: Options) {
  const { newest, current, add, drop, keys, all } = createVersions();

  async function send(command: Command): Promise<object> {
    return { ...answerTo(command), $metadata: { httpStatusCode: 200 } };
  }

  function answerTo({ constructor: { name }, input }: Command): object {
    switch (name) {
      case "PutObjectCommand":
        return put(input as PutObjectCommandInput);
      case "GetObjectCommand":
        return get(input as GetObjectCommandInput);
      case "HeadObjectCommand":
        return head(input as HeadObjectCommandInput);
      case "DeleteObjectCommand":
        return remove(input as DeleteObjectCommandInput);
      default:
        throw new Error(`The model of S3 knows no ${name}`);
    }
  }

  function put(input: PutObjectCommandInput): object {
    checkParameters(input, PUT);
    const { Body } = input;
    if (typeof Body !== "string" && !(Body instanceof Uint8Array))
      throw new Error("The model of S3 takes bytes or text");
    return { VersionId: add(keyOf(input), new Uint8Array(Buffer.from(Body))) };
  }

  function get(input: GetObjectCommandInput): object {
    checkParameters(input, GET);
    const bytes = current(keyOf(input));
    if (!bytes) throw new NoSuchKey({ message: "The specified key does not exist.", ...MISSING });
    const Body = {
      transformToByteArray: async () => new Uint8Array(bytes),
      transformToString: async () => Buffer.from(bytes).toString(),
    };
    return { Body, ContentLength: bytes.length };
  }

  function head(input: HeadObjectCommandInput): object {
    checkParameters(input, HEAD);
    const { id, bytes } = newest(keyOf(input)) ?? {};
    if (!bytes) throw new NotFound({ message: "Not Found", ...MISSING });
    return { ContentLength: bytes.length, VersionId: id };
  }

  /** Succeeds for a missing object. Without a version it puts a delete marker. */
  function remove(input: DeleteObjectCommandInput): object {
    checkParameters(input, DELETE);
    const key = keyOf(input);
    const was = current(key);
    if (input.VersionId === undefined) add(key, undefined);
    else drop(key, input.VersionId);
    if (was && !current(key)) onGone?.(key);
    return {};
  }

  function keyOf({ Bucket, Key = "" }: { Bucket: string | undefined; Key: string | undefined }): string {
    if (Bucket !== bucket) throw new NoSuchBucket({ message: `There is no bucket ${Bucket}`, ...MISSING });
    return Key;
  }

  return {
    send,
    /** Every object, by its key. */
    objects: (): ReadonlyMap<string, Uint8Array> =>
      new Map(
        keys().flatMap((key) => {
          const bytes = current(key);
          return bytes ? [[key, bytes] as const] : [];
        }),
      ),
    /** Every version that can be restored, of objects that are there or gone, as `key version`. */
    versions: all,
  };
}

/** The versions of objects, by their keys. */
function createVersions() {
  /** The newest last. */
  const stored = new Map<string, readonly Version[]>();
  let count = 0;
  const of = (key: string) => stored.get(key) ?? [];
  return {
    newest: (key: string) => of(key).at(-1),
    current: (key: string) => of(key).at(-1)?.bytes,
    add: (key: string, bytes: Uint8Array | undefined): string => {
      const id = `v${(count += 1)}`;
      stored.set(key, [...of(key), { id, bytes }]);
      return id;
    },
    drop: (key: string, version: string) => {
      const rest = of(key).filter(({ id }) => id !== version);
      stored.set(key, rest);
    },
    keys: () => [...stored.keys()],
    all: () =>
      [...stored].flatMap(([key, versions]) => versions.flatMap(({ id, bytes }) => (bytes ? [`${key} ${id}`] : []))),
  };
}

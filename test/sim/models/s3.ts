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

// S3 with one bucket, as its clients see it: an object can be read as soon as it was put.

// What was put reads back as it was, so the model has no use for checksums.
const PUT = new Set(["Bucket", "Key", "Body", "ChecksumAlgorithm"]);
const GET = new Set(["Bucket", "Key", "ChecksumMode"]);
const REST = new Set(["Bucket", "Key"]);
const MISSING = { $fault: "client", $metadata: { httpStatusCode: 404 } } as const;

export function createS3({ bucket }: { bucket: string }) {
  const objects = new Map<string, Uint8Array>();

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
    objects.set(keyOf(input), new Uint8Array(Buffer.from(Body)));
    return {};
  }

  function get(input: GetObjectCommandInput): object {
    checkParameters(input, GET);
    const bytes = objects.get(keyOf(input));
    if (!bytes) throw new NoSuchKey({ message: "The specified key does not exist.", ...MISSING });
    const Body = {
      transformToByteArray: async () => new Uint8Array(bytes),
      transformToString: async () => Buffer.from(bytes).toString(),
    };
    return { Body, ContentLength: bytes.length };
  }

  function head(input: HeadObjectCommandInput): object {
    checkParameters(input, REST);
    const bytes = objects.get(keyOf(input));
    if (!bytes) throw new NotFound({ message: "Not Found", ...MISSING });
    return { ContentLength: bytes.length };
  }

  /** Succeeds for a missing object. */
  function remove(input: DeleteObjectCommandInput): object {
    checkParameters(input, REST);
    objects.delete(keyOf(input));
    return {};
  }

  function keyOf({ Bucket, Key = "" }: { Bucket: string | undefined; Key: string | undefined }): string {
    if (Bucket !== bucket) throw new NoSuchBucket({ message: `There is no bucket ${Bucket}`, ...MISSING });
    return Key;
  }

  return {
    send,
    /** Every object, by its key. */
    objects: (): ReadonlyMap<string, Uint8Array> => objects,
  };
}

import { S3Client } from "@aws-sdk/client-s3";
import { createHash, randomBytes } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { beforeAll, afterAll, expect, test, vi } from "vitest";
import { CLIENT_DEFAULTS } from "../../lib/aws.ts";
import { createFileStore } from "../../lib/files/file-store.ts";
import { createBucket } from "../../lib/store/bucket.ts";
import { createTaskWorld, type TaskWorld } from "../support/task-world.ts";

let world: TaskWorld;
beforeAll(async () => {
  world = await createTaskWorld();
});
afterAll(async () => world.end());

const MB = 1_024 * 1_024;

async function put(key: string, ...chunks: Uint8Array[]): Promise<number> {
  const upload = world.files.upload(key, "text/plain");
  for (const chunk of chunks) await upload.write(chunk);
  return upload.complete();
}

/** A proxy of the bucket that breaks the first `times` connections after so many bytes. */
async function breaking(after: number, times: number): Promise<{ url: string; server: Server; broken: () => number }> {
  const { hostname, port } = new URL(process.env["AWS_ENDPOINT_URL_S3"] ?? "");
  let broken = 0;
  const server = createServer((socket) => {
    let brought = 0;
    const upstream = connect(Number(port), hostname);
    for (const each of [socket, upstream]) each.on("error", () => {});
    socket.pipe(upstream);
    upstream.on("data", (chunk) => {
      brought += chunk.length;
      if (after > 0) socket.write(chunk);
      if (brought < after || broken >= times) return;
      broken += 1;
      socket.destroy();
      upstream.destroy();
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, broken: () => broken };
}

function storeAt(endpoint: string) {
  const client = new S3Client({ ...CLIENT_DEFAULTS, endpoint, forcePathStyle: true });
  return createFileStore({ bucket: createBucket({ name: world.bucket, client }), clock: world.clock });
}

async function hashOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

test("a file comes back as it was written, whatever the sizes of its chunks", async () => {
  const cases = [[], [1], [8 * MB], [8 * MB - 1, 2], [16 * MB + 3], [5 * MB, 5 * MB, 5 * MB]];
  for (const [index, sizes] of cases.entries()) {
    const chunks = sizes.map((size) => randomBytes(size));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    expect(await put(`sizes/${index}`, ...chunks)).toBe(bytes);
    expect(await world.files.head(`sizes/${index}`)).toMatchObject({ bytes, contentType: "text/plain" });
    const expected = createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
    expect(await hashOf(world.files.read(`sizes/${index}`))).toBe(expected);
  }
});

test("a stream that breaks is taken up where it broke", async () => {
  const content = randomBytes(10 * MB);
  await put("broken", content);
  const { url, server, broken } = await breaking(2 * MB, 4);
  const hash = await hashOf(storeAt(url).read("broken"));
  server.close();
  expect(broken()).toBe(4);
  expect(hash).toBe(createHash("sha256").update(content).digest("hex"));
});

test("a file that is replaced while it is read is not mixed with the new one", async () => {
  await put("mixed", randomBytes(10 * MB));
  const { url, server } = await breaking(2 * MB, 1);
  const reading = storeAt(url).read("mixed");
  await reading.next();
  await put("mixed", randomBytes(10 * MB));
  await expect(hashOf(reading)).rejects.toMatchObject({ name: "PreconditionFailed" });
  server.close();
});

test("a bucket that brings nothing is given up as unavailable, and a file that is not there is an error", async () => {
  await put("stuck", randomBytes(MB));
  const { url, server } = await breaking(0, 1_000);
  await expect(hashOf(storeAt(url).read("stuck"))).rejects.toThrow(/The bucket is not available/);
  server.close();
  await expect(hashOf(world.files.read("nowhere"))).rejects.toMatchObject({ name: "NoSuchKey" });
  expect(await world.files.head("nowhere")).toBeUndefined();
});

test("a reader that is told to stop stops", async () => {
  await put("stopped", randomBytes(10 * MB));
  const stop = new AbortController();
  const reading = world.files.read("stopped", stop.signal);
  await reading.next();
  stop.abort(new Error("cancelled"));
  await expect(hashOf(reading)).rejects.toThrow();
});

test("an upload that is given up leaves no file, and what was there before stays", async () => {
  await put("given-up", Buffer.from("before"));
  const upload = world.files.upload("given-up", "text/plain");
  await upload.write(randomBytes(10 * MB));
  await upload.abort();
  expect(await world.files.head("given-up")).toMatchObject({ bytes: 6 });
});

test("files are listed by what their keys begin with, and removed by the thousand", async () => {
  const names = Array.from({ length: 1_005 }, (_, index) => `many/${String(index).padStart(4, "0")}`);
  for (let from = 0; from < names.length; from += 50) {
    await Promise.all(names.slice(from, from + 50).map(async (key) => put(key, Buffer.from("x"))));
  }
  expect(await world.keys("many/")).toEqual(names);
  await world.files.remove(names);
  expect(await world.keys("many/")).toEqual([]);
});

/** S3 as to checksums of parts, which the embedded bucket ignores: a completion has to name each that it has got. */
async function startStrictS3() {
  const checksums: string[] = [];
  const server = createHttpServer((request, response) => {
    request.resume().once("end", () => {
      const { method, url = "", headers } = request;
      if (method === "PUT") {
        checksums.push(...Object.keys(headers).filter((name) => /^x-amz-(?:sdk-)?(?:checksum|trailer)/.test(name)));
        return response.setHeader("etag", '"a"').end();
      }
      if (url.includes("uploadId=") && checksums.length > 0) {
        return response.writeHead(400).end("<Error><Code>InvalidPart</Code><Message>No such part</Message></Error>");
      }
      const begun = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>";
      return response.end(url.includes("uploadId=") ? "<CompleteMultipartUploadResult/>" : begun);
    });
  });
  await new Promise<void>((listening) => {
    server.listen(0, "127.0.0.1", listening);
  });
  const close = () => server.close().closeAllConnections();
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, checksums, close };
}

test("a file in parts is completed by their ETags alone, so that no part has a checksum", async () => {
  const strict = await startStrictS3();
  vi.stubEnv("AWS_ENDPOINT_URL_S3", strict.url);
  // With the service's own client.
  const upload = createFileStore({ bucket: createBucket({ name: "strict" }), clock: world.clock }).upload("a", "a/b");
  await upload.write(Buffer.alloc(9 * MB));
  await upload.complete().finally(() => {
    vi.unstubAllEnvs();
    strict.close();
  });
  expect(strict.checksums).toEqual([]);
});

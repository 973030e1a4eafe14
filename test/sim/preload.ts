import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const LIB = join(import.meta.dirname, "../../lib");
const ROOMS = ["engine", "executors", "flow", "queue", "store"];

/**
 * Loads what the service imports when it first needs it. A load takes real time, in which a world on virtual time that
 * has nothing else to do goes on: a lease would end while its attempt waits for the disk.
 */
export async function preload(): Promise<void> {
  const own = ROOMS.flatMap((room) => readdirSync(join(LIB, room)).map((file) => join(LIB, room, file)));
  await Promise.all([
    import("@aws-sdk/client-s3"),
    import("@aws-sdk/client-scheduler"),
    ...own.filter((path) => path.endsWith(".ts")).map(async (path) => import(pathToFileURL(path).href)),
  ]);
}

import { parentPort, Worker, workerData } from "node:worker_threads";
import type { Driven } from "./cost-service.ts";
import { drive } from "./cost-paths.ts";

// Drives all paths once more. The functions of a thread keep the clients and the secret of their first drive, so that
// another one takes a thread of its own.

export async function driveAgain(): Promise<ReadonlyMap<string, Driven>> {
  const thread = new Worker(new URL(import.meta.url), { workerData: { isDriving: true } });
  try {
    return await new Promise((resolve, reject) => thread.once("message", resolve).once("error", reject));
  } finally {
    await thread.terminate();
  }
}

if ((workerData as { readonly isDriving?: boolean } | null)?.isDriving) parentPort?.postMessage(await drive());

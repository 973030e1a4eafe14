import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

const LOOPBACK = "127.0.0.1";

/**
 * Has a server listen on a free port, and returns its URL. `before`: the URL of one whose place it takes, if that is free:
 * workers that know it go on calling it.
 */
export async function listenLocally(server: Server, before?: string): Promise<string> {
  const port = before !== undefined && URL.canParse(before) ? Number(new URL(before).port) : 0;
  await listening(server, port).catch(async () => listening(server, 0));
  return `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
}

async function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, LOOPBACK, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

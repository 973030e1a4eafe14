import type { Server } from "node:http";
import { isIPv6, type AddressInfo } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** Longer than clients keep a connection: one that is closed just as a request goes out on it fails that request. */
export const IDLE_CONNECTION_MS = 75_000;

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
  server.keepAliveTimeout = IDLE_CONNECTION_MS;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, LOOPBACK, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Has the gateway listen where the settings say. Says in words why it can't. */
export async function listenAt(server: Server, { port, bind }: { port: number; bind: string }): Promise<void> {
  server.keepAliveTimeout = IDLE_CONNECTION_MS;
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const inUse = `Port ${port} is in use: set PORT to another one, or to 0 for any that is free`;
      const elsewhere = `BIND is "${bind}": expected an address of this machine, or 0.0.0.0 for all of them`;
      if (error.code === "EADDRINUSE") reject(new Error(inUse));
      else reject(error.code === "EADDRNOTAVAIL" ? new Error(elsewhere) : error);
    });
    server.listen(port, bind, resolve);
  });
}

/** The URL by which this machine reaches a server that listens. */
export function urlOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  if (address === "0.0.0.0") return `http://${LOOPBACK}:${port}`;
  if (address === "::") return `http://[::1]:${port}`;
  return `http://${isIPv6(address) ? `[${address}]` : address}:${port}`;
}

import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { listenAt, listenLocally, urlOf } from "../../local/listen.ts";

const servers: Server[] = [];
const aServer = () => {
  const server = createServer();
  servers.push(server);
  return server;
};
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

test("a server takes the place of one that was killed, so that those who know its URL reach it", async () => {
  const killed = aServer();
  const before = await listenLocally(killed);
  await new Promise((closed) => killed.close(closed));
  expect(await listenLocally(aServer(), before)).toBe(before);
});

test("where that place is taken, or no place of this machine, any other does", async () => {
  const before = await listenLocally(aServer());
  for (const url of [before, "https://scheduler.example", ""]) {
    const listensAt = await listenLocally(aServer(), url);
    expect(listensAt).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(listensAt).not.toBe(before);
  }
});

test("every server keeps an idle connection longer than clients do", async () => {
  const server = aServer().on("request", (_, response) => response.end());
  const answer = await fetch(await listenLocally(server));
  // Node's default of 5 s is less: a request that goes out as the connection closes fails.
  expect(answer.headers.get("keep-alive")).toBe("timeout=75");
  await answer.text();
  server.closeAllConnections();
});

test("the gateway's URL leads to it from this machine, wherever it listens", async () => {
  for (const [bind, host] of [
    ["127.0.0.1", "127.0.0.1"],
    ["0.0.0.0", "127.0.0.1"],
  ] as const) {
    const server = aServer();
    await listenAt(server, { port: 0, bind });
    expect(new URL(urlOf(server)).hostname).toBe(host);
  }
});

test("an address that this machine doesn't have is refused in words", async () => {
  await expect(listenAt(aServer(), { port: 0, bind: "192.0.2.1" })).rejects.toThrow(
    'BIND is "192.0.2.1": expected an address of this machine, or 0.0.0.0 for all of them',
  );
});

import { createServer, type Server } from "node:http";
import { afterEach, expect, test } from "vitest";
import { listenLocally } from "../../local/listen.ts";

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

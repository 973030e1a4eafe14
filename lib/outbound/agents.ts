import { AsyncLocalStorage } from "node:async_hooks";
import { lookup } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import { Agent, buildConnector } from "undici";
import { LARGEST_HEAD, tidied } from "./answer-head.ts";
import { isPublicAddress, literalAddress } from "./public-address.ts";

// The connections to addresses that users choose. They stay open for the next attempt of the same app alone: a target
// that answers without reading a request's body takes that body for the next request, and answers it.

const CONNECT_TIMEOUT_MS = 10_000;
/** Of each address of a name but the last. Node gives it 250 ms, which a far target may take. */
const ADDRESS_TIMEOUT_MS = 2_500;
/** Bounds the idle connections of a process. More apps than a process serves at a time. */
const MOST_APPS = 100;

/** An app's agent for each kind of target, the latest used last. */
const agents = new Map<string, Agent>();

/** The connections of an app. The agent that was not used for longest is closed once its requests have ended. */
export function agentOf(appId: string, allowPrivateTargets: boolean): Agent {
  const key = `${appId} ${allowPrivateTargets}`;
  const agent = agents.get(key) ?? new Agent({ ...OPTIONS, connect: allowPrivateTargets ? connectAny : connectPublic });
  agents.delete(key);
  agents.set(key, agent);
  const [oldest] = agents;
  if (agents.size > MOST_APPS && oldest) {
    agents.delete(oldest[0]);
    void oldest[1].close();
  }
  return agent;
}

/** Whatever a target allows: a connection may die unnoticed while a container is frozen, and no request is repeated. */
const LONGEST_IDLE_MS = 4_000;

// The attempt's own signal is the only timer. No HTTP/2: its sessions are shared by requests at the same time.
const OPTIONS = {
  keepAliveTimeout: LONGEST_IDLE_MS,
  keepAliveMaxTimeout: LONGEST_IDLE_MS,
  headersTimeout: 0,
  bodyTimeout: 0,
  allowH2: false,
  maxHeaderSize: LARGEST_HEAD + 1_024,
};

/** How long the stages of a connection took, in milliseconds. One that was open already has none of them. */
export interface Stages {
  readonly now: () => number;
  dns?: number;
  connect?: number;
  tls?: number;
}

const noted = new AsyncLocalStorage<Stages>();

/** Sends a request, and notes the stages of the connection that is opened for it. */
export function noting<T>(stages: Stages, call: () => T): T {
  return noted.run(stages, call);
}

function note(socket: Socket): void {
  const stages = noted.getStore();
  if (!stages) return;
  let since = stages.now();
  const stage = (name: "dns" | "connect" | "tls") => () => {
    const before = since;
    since = stages.now();
    stages[name] = since - before;
  };
  socket.once("lookup", stage("dns")).once("connect", stage("connect")).once("secureConnect", stage("tls"));
}

class BlockedAddress extends Error {}

export function isBlocked(error: unknown): boolean {
  return error instanceof BlockedAddress || (error instanceof Error && error.cause instanceof BlockedAddress);
}

/** Resolves a name. One address that is not public blocks it, whatever the order of the answers. */
const lookupPublic: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = found ?? [];
    const first = addresses[0];
    if (error || !first) return callback(error ?? new Error("no address"), "", 0);
    if (!addresses.every(({ address }) => isPublicAddress(address))) return callback(new BlockedAddress(), "", 0);
    return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
  });
};

const CONNECTING = { timeout: CONNECT_TIMEOUT_MS, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS, allowH2: false };
/** The types leave out that a connector returns its socket at once. */
type Connect = (...asked: Parameters<buildConnector.connector>) => Socket;
const toAny = buildConnector(CONNECTING) as Connect;
const toPublic = buildConnector({ ...CONNECTING, lookup: lookupPublic }) as Connect;

const connectAny: buildConnector.connector = (options, callback) => {
  note(toAny(options, (...result) => (result[1] ? callback(null, tidied(result[1])) : callback(...result))));
};

/** Checks literal addresses too, for which `lookup` is not called, and the address that was connected to. */
const connectPublic: buildConnector.connector = (options, callback) => {
  const literal = literalAddress(options.hostname);
  if (literal !== undefined && !isPublicAddress(literal)) return callback(new BlockedAddress(), null);
  const opening = toPublic(options, (...result) => {
    const [error, socket] = result;
    if (error || !socket) return callback(...result);
    if (isPublicAddress(socket.remoteAddress ?? "")) return callback(null, tidied(socket));
    socket.destroy();
    return callback(new BlockedAddress(), null);
  });
  return note(opening);
};

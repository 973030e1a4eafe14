import { AsyncLocalStorage } from "node:async_hooks";
import { lookup } from "node:dns";
import type { LookupFunction, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Agent, buildConnector } from "undici";
import { LARGEST_HEAD, tidied } from "./answer-head.ts";
import type { OutgoingRequest } from "./outgoing.ts";
import { literalAddress } from "./literal-address.ts";
import { isPublicAddress } from "./public-address.ts";

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

// The attempt's own signal is the only timer. HTTP/2 has connections of its own (lib/outbound/http2.ts): its sessions
// would be shared by requests at the same time.
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

/** `undefined` for an address that is not called. The types of undici leave out that a connector returns its socket. */
type Connect = (...asked: Parameters<buildConnector.connector>) => Socket | undefined;
type Opened = Parameters<buildConnector.Callback>;

const CONNECTING = { timeout: CONNECT_TIMEOUT_MS, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS };

/** Checks literal addresses too, for which `lookup` is not called, and the address that was connected to. */
function connectorTo(which: "any" | "public", allowH2: boolean): Connect {
  const guard = which === "public" && { lookup: lookupPublic };
  const open = buildConnector({ ...CONNECTING, ...guard, allowH2, preferH2: allowH2 }) as (
    ...asked: Parameters<Connect>
  ) => Socket;
  const mayCall = (address: string) => which === "any" || isPublicAddress(address);
  const read = allowH2 ? (socket: Socket) => socket : tidied;
  return (options, callback) => {
    const blocked = () => callback(new BlockedAddress(), null);
    const literal = literalAddress(options.hostname);
    if (literal !== undefined && !mayCall(literal)) {
      blocked();
      return undefined;
    }
    const opening = open(options, (...opened: Opened) => {
      const [error, socket] = opened;
      if (error || !socket) return callback(...opened);
      if (mayCall(socket.remoteAddress ?? "")) return callback(null, read(socket));
      socket.destroy();
      return blocked();
    });
    note(opening);
    return opening;
  };
}

const connectAny = connectorTo("any", false);
const connectPublic = connectorTo("public", false);

let forHttp2: { readonly any: Connect; readonly public: Connect } | undefined;

/** The target speaks HTTP/1.1 after all. */
export class NoHttp2 extends Error {}

/** A new connection by TLS whose protocol is HTTP/2, with the same checks. `mustAgree`: the target has to name it. */
export async function connectedForHttp2(
  { url, allowPrivateTargets, signal }: Pick<OutgoingRequest, "url" | "allowPrivateTargets" | "signal">,
  mustAgree: boolean,
): Promise<Socket> {
  const connectors = (forHttp2 ??= { any: connectorTo("any", true), public: connectorTo("public", true) });
  const { host, protocol, port } = url;
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const connect = connectors[allowPrivateTargets ? "any" : "public"];
  const opening = connect({ hostname, host, protocol, port }, (error, socket) => {
    if (error || !socket) return reject(error ?? new Error("No socket"));
    const { alpnProtocol } = socket as TLSSocket;
    // Some servers know one protocol and name none.
    if (mustAgree ? alpnProtocol === "h2" : alpnProtocol !== "http/1.1") return resolve(socket);
    socket.destroy();
    return reject(new NoHttp2());
  });
  const giveUp = () => opening?.destroy(signal.reason as Error);
  signal.addEventListener("abort", giveUp);
  return promise.finally(() => signal.removeEventListener("abort", giveUp));
}

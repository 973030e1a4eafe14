import type { Socket } from "node:net";

// Reads the heads of answers before the HTTP client does, which gives up on what many servers write: an interim
// answer that was not asked for, a header twice, folded lines. A target that did its work would be called again.

/** The reason why what came can't be read as an answer, in words for people. */
export class NoAnswer extends Error {}

/** An answer of HTTP/2, whose first frame a server writes without a request. What was sent is none to it. */
export class IsHttp2 extends NoAnswer {}

/** The status line and the headers together. */
export const LARGEST_HEAD = 64 * 1_024;

const NOTHING = Buffer.alloc(0);
const [LF, CR] = [10, 13];

/**
 * The same socket, whose reader gets each answer with a head in the form that RFC 9112 wants, and without interim
 * answers. A new answer begins after a write, so a request has to be written at once, and one at a time.
 */
export function tidied<S extends Socket>(socket: S): S {
  /** What came of a head that has not ended; undefined while a body comes. */
  let held: Buffer | undefined = NOTHING;
  // A target that has agreed to HTTP/1.1, or spoken it, has taken the request.
  let mayBeHttp2 = (socket as { alpnProtocol?: unknown }).alpnProtocol !== "http/1.1";
  const [push, write] = [socket.push.bind(socket), socket.write.bind(socket)];
  socket.write = (...written: unknown[]) => {
    held ??= NOTHING;
    return write(...(written as Parameters<Socket["write"]>));
  };
  socket.push = (chunk: Buffer | null) => {
    if (held === undefined || chunk === null) return push(chunk);
    try {
      const taken = takeHead(held, chunk, mayBeHttp2);
      ({ held, mayBeHttp2 } = taken);
      return taken.passed ? push(taken.passed) : true;
    } catch (error) {
      socket.destroy(error as Error);
      return false;
    }
  };
  return socket;
}

interface Taken {
  readonly held?: Buffer;
  /** The head of the final answer, tidied, and what follows it. */
  readonly passed?: Buffer;
  readonly mayBeHttp2: boolean;
}

function takeHead(before: Buffer, chunk: Buffer, canBeHttp2: boolean): Taken {
  let mayBeHttp2 = canBeHttp2;
  let from = Math.max(0, before.length - 2);
  let bytes = before.length === 0 ? chunk : Buffer.concat([before, chunk]);
  for (;;) {
    const begin = bytes.findIndex((byte) => byte !== CR && byte !== LF);
    if (begin === -1) return { held: NOTHING, mayBeHttp2 };
    if (begin > 0) [bytes, from] = [bytes.subarray(begin), 0];
    refuseOthers(bytes, mayBeHttp2);
    const end = endOfHead(bytes, from);
    if ((end ?? bytes.length) > LARGEST_HEAD) throw new NoAnswer("the headers of the answer are over 64 KB");
    if (end === undefined) return { held: bytes, mayBeHttp2 };
    const text = bytes.toString("latin1", 0, end);
    const { status, head } = tidy(text);
    mayBeHttp2 = false;
    if (status >= 200) {
      const passed = head === text ? bytes : Buffer.concat([Buffer.from(head, "latin1"), bytes.subarray(end)]);
      return { passed, mayBeHttp2 };
    }
    if (status === 101) throw new NoAnswer("the target changed to another protocol (HTTP 101)");
    [bytes, from] = [bytes.subarray(end), 0];
  }
}

/** Tells another protocol by its first bytes: its end may never come. */
function refuseOthers(bytes: Buffer, mayBeHttp2: boolean): void {
  const start = bytes.toString("latin1", 0, 5);
  if ("HTTP/".startsWith(start.toUpperCase())) return;
  if (mayBeHttp2 && isSettings(bytes)) throw new IsHttp2("the answer is HTTP/2, which is spoken by https alone");
  // The content types of TLS's alert and handshake.
  if (bytes[0] === 0x15 || bytes[0] === 0x16) throw new NoAnswer("the answer is not HTTP but TLS; try https");
  throw notHttp(bytes.toString("latin1", 0, 60));
}

/** The head of a SETTINGS frame, in whole settings of 6 bytes, for the whole connection. */
function isSettings(bytes: Buffer): boolean {
  return bytes.length >= 9 && bytes[3] === 4 && bytes.readUIntBE(0, 3) % 6 === 0 && bytes.readUInt32BE(5) === 0;
}

function notHttp(came: string): NoAnswer {
  const line = /^[^\r\n]{0,40}/.exec(came)?.[0] ?? "";
  return new NoAnswer(
    `the answer is not HTTP: expected a status line such as "HTTP/1.1 200 OK", came "${line.replaceAll(/[^ -~]/g, ".")}"`,
  );
}

/** The index behind the empty line. */
function endOfHead(bytes: Buffer, from: number): number | undefined {
  for (let at = bytes.indexOf(LF, from); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1;
    if (bytes[next] === LF) return next + 1;
  }
  return undefined;
}

/** The head as RFC 9112 wants it: unchanged if it is. After one that is not, the connection closes. */
function tidy(text: string): { readonly status: number; readonly head: string } {
  const [first = "", ...lines] = text.replace(/\r?\n\r?\n$/, "").split(/\r?\n/);
  const [, code, reason = ""] = /^HTTP\/\d(?:\.\d)?[ \t]+([1-9]\d\d)(?:[ \t](.*))?$/is.exec(first) ?? [];
  if (code === undefined) throw notHttp(first);
  const isTidy = /^HTTP\/1\.[01] \d{3}(?: [\t -~\x80-\xff]*)?$/.test(first);
  const statusLine = isTidy ? first : `HTTP/1.1 ${code} ${printable(reason)}`;
  const fields = framed(fieldsOf(lines));
  const headOf = (all: readonly Field[]) =>
    `${[statusLine, ...all.map(([name, value]) => `${name}:${value}`)].join("\r\n")}\r\n\r\n`;
  const status = Number(code);
  const head = headOf(fields);
  if (head === text) return { status, head };
  // Two readers may find different ends of this answer. What follows must not become the answer to another request.
  const closing = [...fields.filter(([name]) => !isNamed(name, "connection")), ["Connection", " close"] as const];
  return { status, head: headOf(closing) };
}

type Field = readonly [name: string, value: string];

/** Folded lines are joined, and lines that are no headers left out. */
function fieldsOf(lines: readonly string[]): Field[] {
  const whole: string[] = [];
  for (const line of lines) {
    if (!/^[ \t]/.test(line)) whole.push(line);
    else if (whole.length > 0) whole.push(`${whole.pop()} ${line.trim()}`);
  }
  return whole.flatMap((line) => {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)[ \t]*:(.*)$/s.exec(line) ?? [];
    return name === undefined || value === undefined ? [] : [[name, printable(value)] as const];
  });
}

/** At most one header says where the body ends. */
function framed(fields: readonly Field[]): Field[] {
  const isFraming = ([name]: Field) => isNamed(name, "transfer-encoding") || isNamed(name, "content-length");
  const framing = fields.filter(isFraming);
  const [only] = framing;
  if (!only || (framing.length === 1 && /^\s*(?:\d{1,15}|chunked)\s*$/i.test(only[1]))) return [...fields];
  const others = fields.filter((field) => !isFraming(field));
  const codings = new Set(valuesOf(framing, "transfer-encoding").map((coding) => coding.toLowerCase()));
  codings.delete("identity");
  if (codings.size > 0) return [...others, ["Transfer-Encoding", ` ${[...codings].join(", ")}`]];
  const lengths = valuesOf(framing, "content-length");
  if (lengths.length === 0) return others;
  const known = lengths.filter((length) => /^\d{1,15}$/.test(length)).map(Number);
  // The shortest one, and none for nonsense: no answer waits for bytes that don't come.
  return [...others, ["Content-Length", ` ${Math.min(...(known.length > 0 ? known : [0]))}`]];
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.flatMap(([each, value]) => (isNamed(each, name) ? value.split(",").map((part) => part.trim()) : []));
}

function isNamed(name: string, wanted: string): boolean {
  return name.length === wanted.length && name.toLowerCase() === wanted;
}

function printable(value: string): string {
  // oxlint-disable-next-line no-control-regex
  return value.replaceAll(/[\0-\x08\x0a-\x1f\x7f]/g, " ");
}

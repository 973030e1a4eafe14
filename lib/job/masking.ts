import { remember } from "./remember.ts";

// What stands in for credentials wherever people read a job: in views, callbacks, the audit log and the logs of tasks.
// A credential is known by its name, or by its place before the @ of a URL.

/** The replacement of a credential. */
export const MASK = "***";

/** Texts that name a credential wherever they stand in a name. */
const TELLING =
  /token|secret|passw|passphrase|passcode|signature|credential|cookie|session|sessid|jwt|bearer|csrf|xsrf|saml|assertion|verifier|conn(?:ection)?[-_. ]?str|auth(?!or(?!iz))|(?:api|access|private|master|signing|encryption|subscription|functions|shared|storage|account|license)[-_. ]?keys?/i;
/** Words of a name that say the same. They are too short to be looked for within words: `design` is no `sig`. */
const WORDS: ReadonlySet<string> = new Set([
  "sig",
  "pwd",
  "pw",
  "auth",
  "otp",
  "totp",
  "hmac",
  "psk",
  "cred",
  "creds",
  "sas",
  "tok",
  "tkn",
  "psw",
  "pswd",
  "dsn",
]);
/** Whole names. `x-honeycomb-team` is Honeycomb's name of an API key. */
const NAMES: ReadonlySet<string> = new Set(["code", "pin", "sid", "connect sid", "x honeycomb team"]);
/** What a name that ends with `key` may begin with and be no credential, such as `partitionKey`. */
const ORDINARY_KEYS: ReadonlySet<string> = new Set(
  "idempotency partition sort primary foreign public file object cache group order record row column natural unique composite dedup deduplication translation issue project hash range".split(
    " ",
  ),
);
/** What a name that ends with `code` begins with if it is a credential, unlike `countryCode`. */
const CODES: ReadonlySet<string> = new Set(
  "access activation backup device invite login mfa pin recovery reset security sms user verification".split(" "),
);

/** Words that end with `key` or `pass` and name no credential. */
const ENGLISH =
  /(?:hockey|hotkey|jockey|donkey|monkey|turkey|whiskey|lackey|flunkey|malarkey|bypass|compass|encompass|trespass|surpass|overpass|underpass|impasse?)s?$/;

/** The fields of tasks that hold columns by their names. */
const COLUMNS: ReadonlySet<string> = new Set(["columns", "select", "groupBy"]);

/** Requests have the same names again and again. Longer ones are not kept. */
const LONGEST_KNOWN = 64;
const known = new Map<string, boolean>();

/** Whether a header, a parameter or a field holds a credential, by its name. */
export function isCredential(name: string): boolean {
  const is = known.get(name) ?? namesCredential(name);
  if (name.length <= LONGEST_KNOWN && !known.has(name)) remember(known, copyOf(name), is);
  return is;
}

/** V8 keeps a piece of a text as a place in it, and all of the text for as long as the piece. */
function copyOf(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le");
}

function namesCredential(name: string): boolean {
  if (TELLING.test(name)) return true;
  const words = wordsOf(name);
  if (words.some((word) => WORDS.has(word)) || NAMES.has(words.join(" "))) return true;
  const before = words.at(-2) ?? "";
  // Several of them have a word before: `keys` alone are mostly names of fields.
  const last = before === "" ? words.at(-1) : words.at(-1)?.replace(/^(key|code)s$/, "$1");
  if (last === "key") return !ORDINARY_KEYS.has(before);
  return last === "pass" || last === "sign" || (last === "code" && CODES.has(before));
}

/** The words of `userPass`, `SMTPPass`, `user-pass`, `USER_PASS2`, `userpass` or `user[pass]`, in lower case. */
function wordsOf(name: string): string[] {
  return name
    .replace(/(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ")
    .toLowerCase()
    .split(/[^a-z]+/)
    .flatMap((word) => (word === "" ? [] : partsOf(word)));
}

/** The two words of one that ends with the name of a credential, such as `appkey`: some spell all names so. */
function partsOf(word: string): string[] {
  const [, before = "", last = ""] = ENGLISH.test(word) ? [] : (/^(.+)(keys?|codes?|pass|pwd)$/.exec(word) ?? []);
  return before === "" ? [word] : [before, last];
}

/** Named values, such as headers, without credentials. Of a list of credentials, one mask is shown. */
export function masked(named: Readonly<Record<string, string>>): Record<string, string>;
export function masked(named: Readonly<Record<string, readonly string[]>>): Record<string, string[]>;
export function masked(named: Readonly<Record<string, string | readonly string[]>>): Record<string, string | string[]>;
export function masked(named: Readonly<Record<string, string | readonly string[]>>) {
  return Object.fromEntries(
    Object.entries(named).map(([name, value]) => {
      if (typeof value === "string") return [name, isCredential(name) ? MASK : maskedText(value)];
      return [name, isCredential(name) ? [MASK] : value.map(maskedText)];
    }),
  );
}

/** A path or URL without credentials in its query and fragment, and without the user's part. */
export function maskedAddress(address: string): string {
  return maskedParameters(address, (value) => {
    // An address within the address, as of a page to return to.
    const inner = /%(?:3d|40)/i.test(value) ? decoded(value) : value;
    const shown = inner === value ? value : maskedParameters(inner, (its) => its);
    return shown === inner ? value : encodeURIComponent(shown.toWellFormed());
  });
}

/** `within`: what is shown of a value that is no credential by the name of its parameter. */
function maskedParameters(address: string, within: (value: string) => string): string {
  return address
    .replace(/:\/\/[^\s/?#]*@/g, `://${MASK}@`)
    .replace(/([?&#])([^=&#?]*)=([^&#]*)/g, (_, mark: string, name: string, value: string) => {
      if (isCredential(decoded(name))) return `${mark}${name}=${MASK}`;
      // Some servers take `;` for `&`.
      return `${mark}${name}=${within(value.split(";").map(withoutNested).join(";"))}`;
    });
}

/** A piece of a value without the first credential that it names, and what follows. The first piece begins with no name. */
function withoutNested(piece: string, at: number): string {
  const parts = piece.split("?");
  const found = parts.findIndex((part, index) => {
    const [name = "", value] = part.split("=", 2);
    return at + index > 0 && value !== undefined && isCredential(decoded(name));
  });
  if (found === -1) return piece;
  const [name] = (parts[found] ?? "").split("=", 1);
  return [...parts.slice(0, found), `${name}=${MASK}`].join("?");
}

/** A text whose URLs show no credentials. */
export function maskedText(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/[^\s"'<>]+/g, (word) => (word.includes("://") ? maskedAddress(word) : word));
}

/** JSON without the values that are credentials by the names of their fields, and without those in URLs. */
export function maskedJson(value: unknown, isHidden = false): unknown {
  if (typeof value === "string") return isHidden ? MASK : maskedText(value);
  if (typeof value === "number") return isHidden ? MASK : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const [name] = value as unknown[];
    // A pair, as some clients write headers.
    const isPair = value.length === 2 && typeof name === "string" && isCredential(name);
    return value.map((each, at) => maskedJson(each, isHidden || (isPair && at === 1)));
  }
  const named = nameIn(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => {
      // The names of columns are those of data, and their values are types and expressions.
      if (COLUMNS.has(name) && !isHidden) return [name, inner];
      const isItsValue = named !== undefined && /^value$/i.test(name) && isCredential(named);
      return [name, maskedJson(inner, isHidden || isItsValue || isCredential(name))];
    }),
  );
}

/** The name in `{name, value}`, `{key, value}`, or AWS's `{Name, Value}` and `{Key, Value}`. */
function nameIn(value: object): string | undefined {
  const { name, Name, key, Key } = value as Partial<Record<"name" | "Name" | "key" | "Key", unknown>>;
  return [name, Name, key, Key].find((each) => typeof each === "string");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

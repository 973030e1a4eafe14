import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { told } from "../actions.ts";
import { ActButton } from "./act-button.tsx";
import { copy } from "./copy.tsx";
import { Safe, safeText } from "./text.tsx";

// A text that may be JSON: indented and coloured; large ones in part, the rest on request.

/** In characters. */
export const SHOWN_AT_FIRST = 64 * 1_024;
/**
 * The loops of one class keep no place to go back to for each character of a long string. One that is cut ends with the
 * text: else each quote in it would be tried as a beginning.
 */
const STRING = String.raw`"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)`;
/** Tokens of a JSON text. */
const TOKEN = new RegExp(String.raw`${STRING}|[{}[\],:]|[^\s{}[\],:"]+`, "g");
/** Those of an indented one that have a colour. */
const COLOURED = new RegExp(String.raw`(${STRING})(\s*:)?|-?\d[\d.eE+-]*|true|false|null`, "g");

interface CodeProps {
  readonly text: string;
  readonly isJson?: boolean;
  /** Its long lines are scrolled, not broken. */
  readonly isCommand?: boolean;
  readonly label: string;
  /** Of a text of which only the beginning is here. `length` in characters. */
  readonly whole?: { readonly length: number; readonly ask: () => Promise<string> } | undefined;
}

export function Code({ text: given, isJson = true, isCommand = false, label, whole }: CodeProps) {
  const [isWhole, setWhole] = useState(false);
  const [asked, setAsked] = useState<string>();
  const text = asked ?? given;
  const isBeginning = whole !== undefined && asked === undefined;
  const askAll = async () => {
    const all = await told(async () => whole?.ask());
    setAsked(all);
    return all;
  };
  const withAll = (take: (all: string) => void) => {
    if (isBeginning) return askAll().then((all) => all !== undefined && take(all));
    take(text);
    return undefined;
  };
  const { shown, isPretty, isCut } = useMemo(() => {
    const most = isWhole ? Number.POSITIVE_INFINITY : SHOWN_AT_FIRST;
    const pretty = isJson ? indented(text, most, isBeginning) : undefined;
    const laidOut = pretty ?? text;
    const part = laidOut.slice(0, most);
    return {
      shown: pretty === undefined ? part : safeText(part),
      isPretty: pretty !== undefined,
      isCut: isBeginning || laidOut.length > most,
    };
  }, [text, isJson, isWhole, isBeginning]);
  const place = useRef<HTMLPreElement>(null);
  useColours(place, shown, isPretty && shown.length <= SHOWN_AT_FIRST);
  return (
    <div class="stack tight">
      <pre ref={place} class={`code${isCommand ? " command" : ""}`} tabIndex={0} aria-label={label}>
        {isPretty || shown.length > SHOWN_AT_FIRST ? inPieces(safeText(shown)) : <Safe text={shown} />}
      </pre>
      <div class="row small">
        <ActButton class="small" act={() => withAll((all) => void copy(all, label.toLowerCase()))}>
          Copy
        </ActButton>
        {isCut && (
          <ActButton class="small" act={() => withAll(() => setWhole(true))}>
            Show all {Math.ceil((isBeginning ? whole.length : text.length) / 1_024).toLocaleString("en")} KB
          </ActButton>
        )}
      </div>
    </div>
  );
}

/** Deeper levels stand below each other: a text of brackets would else become its length squared. */
const DEEPEST = 40;
/** Line breaks with their indentation, by depth. */
const LINES = Array.from({ length: DEEPEST + 1 }, (_, depth) => `\n${"  ".repeat(depth)}`);

/** How a JSON text of an object or array begins. */
const BEGINNING = /^(?:\{\s*["}]|\[\s*(?:[[{\]"\d-]|true|false|null))/;

/**
 * JSON with two spaces a level, token by token: no number is changed. `undefined` for what is no JSON. It may end early,
 * once it is longer than `most`. Of a text that is cut, only how it begins can be told.
 */
export function indented(text: string, most: number, isBeginning = false): string | undefined {
  const trimmed = text.trim();
  if (!BEGINNING.test(trimmed) || !(isBeginning || isJson(trimmed))) return undefined;
  const out: string[] = [];
  let depth = 0;
  let length = 0;
  let isOpened = false;
  let from = 0;
  const line = () => LINES[Math.min(depth, DEEPEST)] ?? "";
  const add = (piece: string) => {
    out.push(piece);
    length += piece.length;
  };
  TOKEN.lastIndex = 0;
  while (TOKEN.test(trimmed)) {
    if (length > most) break;
    const token = trimmed.slice(from, TOKEN.lastIndex).trimStart();
    from = TOKEN.lastIndex;
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    // An empty object or array stays on its line.
    if (isOpened !== closes) add(line());
    if (opens) depth += 1;
    add(token === ":" ? ": " : token === "," ? token + line() : token);
    isOpened = opens;
  }
  return out.join("");
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Colours tokens by ranges: as elements, those of 64 KB of numbers would take longer than all the rest of a page. */
function useColours(place: RefObject<HTMLElement | null>, text: string, isOn: boolean): void {
  useLayoutEffect(() => {
    const box = place.current;
    if (!isOn || !box || !("highlights" in CSS)) return undefined;
    const pieces = [...box.children].flatMap((each) => each.firstChild ?? []) as Text[];
    let at = 0;
    let before = 0;
    // Places are asked for from the beginning to the end.
    const locate = (offset: number) => {
      while (offset > before + (pieces[at]?.length ?? Infinity)) before += pieces[at++]?.length ?? 0;
      return [pieces[at] ?? box, offset - before] as const;
    };
    const colours = { key: colourOf("key"), string: colourOf("string"), number: colourOf("number") };
    const added: (() => void)[] = [];
    for (const { 0: whole, 1: string, 2: colon, index } of text.matchAll(COLOURED)) {
      const colour = colours[string === undefined ? "number" : colon === undefined ? "string" : "key"];
      const end = index + (string ?? whole).length;
      const [startContainer, startOffset] = locate(index);
      const [endContainer, endOffset] = locate(end);
      const range = new StaticRange({ startContainer, startOffset, endContainer, endOffset });
      colour.add(range);
      added.push(() => colour.delete(range));
    }
    return () => added.forEach((undo) => undo());
  }, [text, isOn]);
}

function colourOf(name: string): Highlight {
  const known = CSS.highlights.get(name) ?? new Highlight();
  CSS.highlights.set(name, known);
  return known;
}

const PIECE = 8 * 1_024;

/** In pieces that end with a line, each of which is laid out once it comes into view. */
function inPieces(text: string): ComponentChildren {
  const pieces: ComponentChildren[] = [];
  for (let from = 0; from < text.length;) {
    const end = text.lastIndexOf("\n", from + PIECE) + 1;
    // A line that is longer is broken, but no character.
    const to = end > from ? end : from + PIECE + (/[\uD800-\uDBFF]/.test(text[from + PIECE - 1] ?? "") ? 1 : 0);
    pieces.push(<span class="piece">{text.slice(from, to)}</span>);
    from = to;
  }
  return pieces;
}

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { copy } from "./copy.tsx";
import { Safe, safeText } from "./text.tsx";

// A text that may be JSON: indented and coloured; large ones in part, the rest on request.

const SHOWN_AT_FIRST = 64 * 1_024;
/** Tokens of an indented JSON text. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;

export function Code({
  text,
  isJson = true,
  isCommand = false,
  label,
}: {
  readonly text: string;
  readonly isJson?: boolean;
  /** Its long lines are scrolled, not broken. */
  readonly isCommand?: boolean;
  readonly label: string;
}) {
  const [isWhole, setWhole] = useState(false);
  const { shown, isPretty, isCut } = useMemo(() => {
    const most = isWhole ? Number.POSITIVE_INFINITY : SHOWN_AT_FIRST;
    const pretty = isJson ? indented(text, most) : undefined;
    const whole = pretty ?? text;
    return { shown: whole.slice(0, most), isPretty: pretty !== undefined, isCut: whole.length > most };
  }, [text, isJson, isWhole]);
  return (
    <div class="stack tight">
      <pre class={`code${isCommand ? " command" : ""}`} tabIndex={0} aria-label={label}>
        {shown.length > SHOWN_AT_FIRST ? safeText(shown) : isPretty ? coloured(shown) : <Safe text={shown} />}
      </pre>
      <div class="row small">
        <button type="button" class="button small" onClick={() => void copy(text, label.toLowerCase())}>
          Copy
        </button>
        {isCut && (
          <button type="button" class="button small" onClick={() => setWhole(true)}>
            Show all {Math.ceil(text.length / 1_024).toLocaleString("en")} KB
          </button>
        )}
      </div>
    </div>
  );
}

/** Deeper levels stand below each other: a text of brackets would else become its length squared. */
const DEEPEST = 40;

/**
 * JSON with two spaces a level, token by token: no number is changed. `undefined` for what is no JSON. It may end early,
 * once it is longer than `most`.
 */
export function indented(text: string, most: number): string | undefined {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return undefined;
  try {
    JSON.parse(trimmed);
  } catch {
    return undefined;
  }
  let depth = 0;
  let out = "";
  let isOpened = false;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  for (const [token] of trimmed.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (out.length > most) break;
    const opens = token === "{" || token === "[";
    const closes = token === "}" || token === "]";
    if (closes) depth -= 1;
    // An empty object or array stays on its line.
    if (isOpened !== closes) out += line();
    if (opens) depth += 1;
    out += token === ":" ? ": " : token === "," ? token + line() : token;
    isOpened = opens;
  }
  return out;
}

function coloured(text: string): ComponentChildren {
  const pieces: ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, string, colon] = match;
    const kind = string === undefined ? "n" : colon === undefined ? "s" : "k";
    pieces.push(
      text.slice(from, match.index),
      <span class={kind}>
        <Safe text={string ?? whole} />
      </span>,
    );
    from = match.index + (string ?? whole).length;
  }
  pieces.push(<Safe text={text.slice(from)} />);
  return pieces;
}

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import { copy } from "./copy.tsx";
import { Safe } from "./text.tsx";

// A text that may be JSON: indented and coloured; large ones in part, the rest on request.

const SHOWN_AT_FIRST = 64 * 1_024;
/** Tokens of an indented JSON text. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;

export function Code({
  text,
  isJson = true,
  label,
}: {
  readonly text: string;
  readonly isJson?: boolean;
  readonly label: string;
}) {
  const [isWhole, setWhole] = useState(false);
  const pretty = useMemo(() => (isJson ? indented(text) : undefined), [text, isJson]);
  const all = pretty ?? text;
  const shown = isWhole ? all : all.slice(0, SHOWN_AT_FIRST);
  return (
    <div class="stack tight">
      <pre class="code" tabIndex={0} aria-label={label}>
        {pretty === undefined || shown.length > SHOWN_AT_FIRST ? <Safe text={shown} /> : coloured(shown)}
      </pre>
      <div class="row small">
        <button type="button" class="button small" onClick={() => void copy(text, label.toLowerCase())}>
          Copy
        </button>
        {shown.length < all.length && (
          <button type="button" class="button small" onClick={() => setWhole(true)}>
            Show all {Math.ceil(all.length / 1_024).toLocaleString("en")} KB
          </button>
        )}
      </div>
    </div>
  );
}

/** JSON with two spaces a level, token by token: no number is changed. `undefined` for what is no JSON. */
export function indented(text: string): string | undefined {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return undefined;
  try {
    JSON.parse(trimmed);
  } catch {
    return undefined;
  }
  let depth = 0;
  let out = "";
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of trimmed.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      out = /[{[]\s*$/.test(out) ? out.trimEnd() + token : out + line() + token;
    } else if (token === ",") out += token + line();
    else if (token === ":") out += ": ";
    else out += token;
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

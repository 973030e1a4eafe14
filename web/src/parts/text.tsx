import type { ComponentChildren } from "preact";

// Text from outside. It is always a text node; what could change how a page reads is shown as an escape.

/** Control characters but line breaks and tabs, and those that turn the direction of writing. */
const HIDDEN = /(?![\n\t])\p{Cc}|\p{Cf}|[\u2028\u2029]/gu;

export function Safe({ text }: { readonly text: string }) {
  if (!HIDDEN.test(text)) return <>{text}</>;
  HIDDEN.lastIndex = 0;
  const pieces: ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    pieces.push(text.slice(from, match.index), <span class="escape">{escapeOf(match[0])}</span>);
    from = match.index + match[0].length;
  }
  pieces.push(text.slice(from));
  return <>{pieces}</>;
}

export function safeText(text: string): string {
  return text.replaceAll(HIDDEN, escapeOf);
}

function escapeOf(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

/** A link of a job's own: only http and https, and nothing is told to where it leads. */
export function OutLink({ href, children }: { readonly href: string; readonly children: ComponentChildren }) {
  const isWeb = /^https?:\/\//i.test(href) && URL.canParse(href);
  return isWeb ? (
    <a href={href} target="_blank" rel="noreferrer noopener">
      {children}
    </a>
  ) : (
    <>{children}</>
  );
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

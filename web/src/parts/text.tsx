import { options, type ComponentChildren } from "preact";

// Text from outside. It is always a text node; what could change how a page reads is shown as an escape.

/** Control characters but line breaks and tabs, and those that turn the direction of writing. */
const HIDDEN = /(?![\n\t])\p{Cc}|\p{Cf}|[\u2028\u2029]/u;
const EACH_HIDDEN = new RegExp(HIDDEN, "gu");
/** Escapes beyond these are text like the rest: a page of as many elements as characters would stand still. */
const MOST_MARKED = 500;

export function hasHidden(text: string): boolean {
  return HIDDEN.test(text);
}

export function Safe({ text }: { readonly text: string }) {
  if (!hasHidden(text)) return <>{text}</>;
  const pieces: ComponentChildren[] = [];
  let from = 0;
  for (const match of text.matchAll(EACH_HIDDEN)) {
    if (pieces.length > MOST_MARKED) break;
    pieces.push(text.slice(from, match.index), <span class="escape">{escapeOf(match[0])}</span>);
    from = match.index + match[0].length;
  }
  pieces.push(text.slice(from));
  return <>{pieces}</>;
}

export function safeText(text: string): string {
  return hasHidden(text) ? text.replaceAll(EACH_HIDDEN, escapeOf) : text;
}

/** What people are shown or told beside the text of an element. */
const TOLD = ["title", "aria-label", "aria-valuetext", "placeholder"];

/** Has every text that a page shows go through `safeText`, so that none can forget it. */
export function keepTextSafe(): void {
  const before = options.vnode?.bind(options);
  options.vnode = (vnode) => {
    const node = vnode as { type: unknown; props: string | Record<string, unknown> };
    if (typeof node.props === "string") node.props = safeText(node.props);
    else if (typeof node.type === "string")
      for (const name of TOLD) {
        const told = node.props[name];
        if (typeof told === "string") node.props[name] = safeText(told);
      }
    before?.(vnode);
  };
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

import { Icon } from "./icon.tsx";
import { toast } from "./toasts.tsx";

/** Copies a text, also where the page is not a secure context. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    if (!isSecureContext) throw new Error("not a secure context");
    await navigator.clipboard.writeText(text);
  } catch {
    copyBySelection(text);
  }
  toast(`Copied ${what}`);
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "hidden-text";
  const focused = document.activeElement;
  // A modal dialog makes all outside of it inert.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
}

export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <button
      type="button"
      class="button plain icon small"
      title={`Copy ${what}`}
      aria-label={`Copy ${what}`}
      onClick={() => void copy(text, what)}
    >
      <Icon shape="copy" />
    </button>
  );
}

import { signal } from "@preact/signals";
import { Icon } from "./icon.tsx";
import type { Tone } from "./status.tsx";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone?: Tone | undefined;
  readonly action?: { readonly word: string; readonly act: () => void } | undefined;
}

const shown = signal<readonly Toast[]>([]);
let last = 0;
/** Long enough to be read and to reach its button. */
const SEEN_FOR = 8_000;

export function toast(text: string, { tone, action }: Pick<Toast, "tone" | "action"> = {}): void {
  last += 1;
  const id = last;
  shown.value = [...shown.value.slice(-3), { id, text, tone, action }];
  setTimeout(() => dismiss(id), SEEN_FOR);
}

function dismiss(id: number): void {
  shown.value = shown.value.filter((each) => each.id !== id);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown.value.map(({ id, text, tone, action }) => (
        <div class="toast" key={id} data-tone={tone}>
          <span class="grow">{text}</span>
          {action && (
            <button type="button" class="button small" onClick={() => (dismiss(id), action.act())}>
              {action.word}
            </button>
          )}
          <button type="button" class="button plain icon small" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon shape="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}

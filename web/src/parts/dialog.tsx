import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { onArrival } from "../heading.ts";

export interface DialogProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}

/** A modal dialog. When it closes, the focus returns to where it was, or to the heading if that is gone. */
export function Dialog({ title, isOpen, onClose, isWide = false, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    const before = document.activeElement;
    const dialog = ref.current;
    dialog?.showModal();
    return () => {
      // While it is open, nothing beside it takes the focus. It is, where all that holds it goes.
      if (dialog?.contains(document.activeElement)) dialog.close();
      // Something else may have taken the focus since.
      else if (document.activeElement !== document.body) return;
      if (before instanceof HTMLElement && before.isConnected && before !== document.body) before.focus();
      else onArrival();
    };
  }, [isOpen]);
  if (!isOpen) return null;
  return (
    <dialog ref={ref} class={isWide ? "wide" : undefined} aria-label={title} onClose={onClose} onCancel={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

export interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly yes: string;
  readonly no: string;
  readonly isDangerous?: boolean;
  /** Its children begin with a field, which gets the focus. */
  readonly hasField?: boolean;
  /** From a thousand on it has to be typed: so far jobs are counted, and there may be more. */
  readonly count?: number;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** `false`: it stays open, and says why itself. */
  readonly act: () => Promise<unknown>;
}

const TYPED_FROM = 1_000;

/** Asks before something that can't be undone, or that concerns many. */
export function Confirm({
  title,
  children,
  yes,
  no,
  isDangerous = false,
  hasField = false,
  count = 1,
  isOpen,
  onClose,
  act,
}: ConfirmProps) {
  const [typed, setTyped] = useState("");
  const [isBusy, setBusy] = useState(false);
  const mustType = count >= TYPED_FROM;
  const run = async () => {
    setBusy(true);
    try {
      if ((await act()) !== false) onClose();
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} isOpen={isOpen} onClose={onClose}>
      <form onSubmit={(event) => (event.preventDefault(), void run())}>
        <div class="stack tight">{children}</div>
        {mustType && (
          <div class="field">
            <label for="typed-count">Type {count} to confirm</label>
            <input
              id="typed-count"
              class="input"
              inputMode="numeric"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </div>
        )}
        <div class="actions">
          <button type="button" class="button" onClick={onClose} autofocus={isDangerous}>
            {no}
          </button>
          <button
            type="submit"
            class={`button primary${isDangerous ? " danger" : ""}`}
            aria-busy={isBusy}
            disabled={isBusy || (mustType && typed.replaceAll(/\D/g, "") !== String(count))}
            autofocus={!isDangerous && !mustType && !hasField}
          >
            {isBusy ? "Working…" : yes}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

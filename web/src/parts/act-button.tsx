import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

interface ActButtonProps {
  /** What it does; `undefined` if that is done at once. It catches what it throws. */
  readonly act: () => Promise<unknown> | undefined;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
}

/** A button that shows at once that its action is under way, and takes no second click until it is done. */
export function ActButton({ act, children, class: own = "", title }: ActButtonProps) {
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    const underWay = act();
    if (!underWay) return;
    setBusy(true);
    await underWay;
    setBusy(false);
  };
  return (
    <button
      type="button"
      class={`button ${own}`}
      title={title}
      aria-busy={isBusy}
      disabled={isBusy}
      onClick={() => void run()}
    >
      {isBusy ? "Working…" : children}
    </button>
  );
}

import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

/** Lesser actions behind one button. The browser closes it by Escape and by a click beside it. */
export function Menu({ word, children }: { readonly word: string; readonly children: ComponentChildren }) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const menu = useRef<HTMLDivElement>(null);
  const place = () => {
    const from = button.current?.getBoundingClientRect();
    if (!from || !menu.current) return;
    const { style } = menu.current;
    const isLow = from.bottom > innerHeight - 220;
    style.top = isLow ? "auto" : `${from.bottom}px`;
    style.bottom = isLow ? `${innerHeight - from.top + 4}px` : "auto";
    style.right = `${Math.max(8, document.documentElement.clientWidth - from.right)}px`;
  };
  return (
    <>
      <button ref={button} type="button" class="button" popovertarget={id}>
        {word} <Icon shape="down" />
      </button>
      <div
        ref={menu}
        id={id}
        popover="auto"
        class="menu"
        onBeforeToggle={place}
        onClick={() => menu.current?.hidePopover()}
      >
        {children}
      </div>
    </>
  );
}

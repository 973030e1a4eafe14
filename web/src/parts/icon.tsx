// Shapes in the manner of Lucide, on a grid of 24.

const SHAPES = {
  circle: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  play: "M7 4v16l13-8z",
  retry: "M3 12a9 9 0 0 1 15.5-6.2L21 8M21 3v5h-5M21 12a9 9 0 0 1-15.5 6.2L3 16M3 21v-5h5",
  check: "M4 12.5l5 5L20 6.5",
  bang: "M12 4v10M12 19v.5",
  cross: "M5 5l14 14M19 5L5 19",
  slash: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M5.6 5.6l12.8 12.8",
  pause: "M8 5v14M16 5v14",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3 2",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14M16 16l5 5",
  home: "M4 11l8-7 8 7M6 10v10h12V10",
  list: "M8 6h13M8 12h13M8 18h13M3.5 6h.01M3.5 12h.01M3.5 18h.01",
  calendar: "M4 6h16v15H4zM4 10h16M8 3v4M16 3v4",
  target: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8",
  layers: "M12 3l9 5-9 5-9-5zM3 13l9 5 9-5",
  gear: "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6M12 2v3M12 19v3M4.9 4.9L7 7M17 17l2.1 2.1M2 12h3M19 12h3M4.9 19.1L7 17M17 7l2.1-2.1",
  key: "M15 3a6 6 0 1 0 0 12 6 6 0 0 0 0-12M10.5 13.5L3 21M6 18l2.5 2.5",
  chart: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  book: "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11",
  plus: "M12 5v14M5 12h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  apps: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  more: "M5 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2M12 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2M19 11a1 1 0 1 0 0 2 1 1 0 0 0 0-2",
  down: "M6 9l6 6 6-6",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  mail: "M3 6h18v13H3zM3 7l9 7 9-7",
  out: "M9 4H4v16h5M14 8l4 4-4 4M18 12H9",
  link: "M10 14a4 4 0 0 0 6 0l4-4a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-4 4a4 4 0 0 0 6 6l1-1",
  group:
    "M9 4a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14a6.5 6.5 0 0 1 3.5 6",
} as const;

export type Shape = keyof typeof SHAPES;

/** A shape beside text that says the same; `label` where there is no such text. */
export function Icon({ shape, label }: { readonly shape: Shape; readonly label?: string }) {
  return (
    <svg
      class="icon-shape"
      viewBox="0 0 24 24"
      {...(label === undefined ? { "aria-hidden": "true" } : { role: "img", "aria-label": label })}
    >
      <path d={SHAPES[shape]} />
    </svg>
  );
}

/** Line icons of 24 × 24 units, drawn for this page. */
const PATHS = {
  navigate: "M12 3v5M12 16v5M3 12h5M16 12h5M12 11.5v1M11.5 12h1",
  window: "M12 3.5a8.5 8.5 0 1 0 0 17zM12 3.5a8.5 8.5 0 0 1 0 17",
  measure: "M3 16.5 16.5 3 21 7.5 7.5 21zM7 12.5l2 2M10 9.5l3 3M13 6.5l2 2",
  angle: "M4 19.5h16.5M4 19.5 17 4.5M9.5 13.2a8 8 0 0 1 3 6.3",
  ellipse: "M12 5.5c5 0 8.5 2.9 8.5 6.5s-3.5 6.5-8.5 6.500S3.5 15.6 3.5 12 7 5.5 12 5.5",
  box: "M4.5 4.5h15v15h-15zM3 3h3v3H3zM18 3h3v3h-3zM3 18h3v3H3zM18 18h3v3h-3z",
  point: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M12 8v8M8 12h8",
  negative: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17M8 12h8",
  brush: "M20.5 3.5 11 13M14 16l-5-5c-3 0-4 2-4.2 4.5C4.7 17.5 3.5 18.5 2.5 19c3 2 9 2.5 11.5-3z",
  scribble: "M3 15c2-6 4-9 6-9s0 6 2 6 3-4 5-4 1 8 5 8",
  erase: "M9 20 3.5 14.5 14 4l6.5 6.5L11 20zM8.5 9.5l6.5 6.5M8 20h13",
  lasso:
    "M12 4c5 0 9 2.5 9 6s-4 6-9 6c-1.5 0-3-.2-4.2-.6M12 4C7 4 3 6.5 3 10c0 1.8 1 3.3 2.7 4.400M6.5 13.5a2 2 0 1 1 0 4 2 2 0 0 1 0-4M7.5 17.5c.5 1.5 0 2.5-1 3.5",
  look: "M4 7h8M17 7h3M12 7a2.5 2.5 0 1 0 5 0 2.5 2.5 0 0 0-5 0M4 17h2M11 17h9M6 17a2.5 2.5 0 1 0 5 0 2.5 2.5 0 0 0-5 0",
  statistics: "M4 20.5h16.5M5.5 17v-4M10 17V8M14.5 17v-6.5M19 17V5",
  copy: "M8 8h12v12.5H8zM8 16H4V3.5h12V8",
  camera: "M3.5 7.5h4L9 5h6l1.5 2.5h4v12h-17zM12 9.5a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6",
  undo: "M8.5 5 4 9.5 8.5 14M4.5 9.5H14a5.5 5.5 0 0 1 0 11h-3",
  redo: "M15.5 5 20 9.5 15.5 14M19.5 9.5H10a5.5 5.5 0 0 0 0 11h3",
  save: "M12 3.5v11M7.5 10.5 12 15l4.5-4.5M4 17.5V20h16v-2.5",
  open: "M3.5 18.5v-13h6l2 2.5h9v10.5z",
  help: "M9 9.2c.2-1.8 1.5-2.7 3-2.7 1.7 0 3 1 3 2.6 0 2.2-3 2.3-3 4.7M12 17v.5M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  hidden:
    "M4 4l16 16M9.5 6c.8-.3 1.6-.5 2.5-.5 6 0 9.5 6.5 9.5 6.5a17 17 0 0 1-3 3.700M6 8a17 17 0 0 0-3.5 4S6 18.5 12 18.5c1.4 0 2.7-.4 3.8-.9",
  lock: "M5.5 11h13v9.5h-13zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11",
  unlock: "M5.5 11h13v9.5h-13zM8.5 11V7.5A3.5 3.5 0 0 1 15 6",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13.5h9l1-13.5M10 11v6M14 11v6",
  close: "M6 6l12 12M18 6 6 18",
  check: "M4.5 12.5l5 5 10-11",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  list: "M9 6.5h11M9 12h11M9 17.5h11M4 6.5h1M4 12h1M4 17.5h1",
  more: "M5 12h.5M11.75 12h.5M18.5 12h.5",
  plus: "M12 5v14M5 12h14",
  again: "M19.5 12a7.5 7.5 0 1 1-2.3-5.400M19.5 4v4.5H15",
  review: "M4 6.5h9M4 12h6M4 17.5h5M13.5 14.5l2.5 2.5 4.5-5.5",
  quad: "M4 4h16v16H4zM12 4v16M4 12h16",
  main: "M4 4h16v16H4zM14.5 4v16M14.5 9.300H20M14.5 14.7H20",
  single: "M4 4h16v16H4z",
  sheet: "M5 15l7-7 7 7",
  shrink: "M20 10h-6V4M14 10l6-6M4 14h6v6M10 14l-6 6",
  settings:
    "M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M12 3v2.5M12 18.5V21M3 12h2.5M18.5 12H21M5.6 5.6l1.8 1.8M16.6 16.6l1.8 1.8M5.6 18.4l1.8-1.8M16.6 7.4l1.8-1.8",
  enlarge: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  stop: "M6.5 6.5h11v11h-11z",
  propagate: "M5 4.5v15L19 12z",
  upload: "M12 15.5v-11M7.5 9 12 4.5 16.5 9M4 15.5V20h16v-4.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function IconButton(props: {
  icon: IconName;
  label: string;
  run: () => unknown;
  disabled?: boolean;
  pressed?: boolean;
}) {
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={props.label}
      disabled={props.disabled}
      onClick={(event) => {
        event.stopPropagation();
        props.run();
      }}
    >
      <Icon name={props.icon} />
    </button>
  );
}

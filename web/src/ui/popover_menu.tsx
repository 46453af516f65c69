import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";
import "./styles/popover_menu.css";

/** A button that opens a small panel below it; Esc, a press beside it and leaving it with Tab close it. */
export function PopoverMenu(props: {
  icon?: IconName;
  /** Instead of an icon. */
  text?: string;
  label: string;
  /** The panel begins where the button does; else it ends where the button does. */
  start?: boolean;
  children: ComponentChildren | ((close: () => void) => ComponentChildren);
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>(".panel :is(button, input, select)")?.focus();
    const press = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", press, true);
    return () => removeEventListener("pointerdown", press, true);
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Esc anywhere inside closes the panel
    <div
      ref={root}
      class="popover-menu"
      onFocusOut={({ relatedTarget }) => {
        if (relatedTarget instanceof Node && !root.current?.contains(relatedTarget)) setOpen(false);
      }}
      onKeyDown={(event) => {
        if (!open || event.key !== "Escape") return;
        event.stopPropagation();
        close();
      }}
    >
      <button
        ref={button}
        type="button"
        class={props.text ? "" : "icon-button"}
        aria-label={props.label}
        aria-expanded={open}
        aria-haspopup="dialog"
        title={props.label}
        onClick={() => setOpen(!open)}
      >
        {props.icon ? <Icon name={props.icon} /> : props.text}
      </button>
      {open && (
        <div class={props.start ? "panel beginning" : "panel"} role="dialog" aria-label={props.label}>
          {typeof props.children === "function" ? props.children(close) : props.children}
        </div>
      )}
    </div>
  );
}

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { App } from "../state/app";
import { IconButton } from "./icons";
import "./styles/dialog.css";

interface FrameProps {
  app: App;
  title: string;
  wide?: boolean;
  children: ComponentChildren;
}

/** A modal dialog; the browser holds the focus inside and gives it back. */
export function DialogFrame({ app, title, wide, children }: FrameProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the browser closes it on Esc
    <dialog
      ref={dialog}
      aria-label={title}
      class={`dialog ${wide ? "wide" : ""}`}
      onClose={() => app.show(null)}
      onClick={(event) => event.target === dialog.current && dialog.current?.close()}
    >
      <div class="dialog-body">
        <header class="row spread">
          <h2>{title}</h2>
          <IconButton icon="close" label="Close" run={() => dialog.current?.close()} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

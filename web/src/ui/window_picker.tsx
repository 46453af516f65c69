import { useState } from "preact/hooks";
import type { App } from "../state/app";
import { NO_LABELS } from "../state/label_rules";
import type { OpenSession } from "../state/open_session";
import { centerWidth, KEYS_OF_PRESETS, presetsOf, sameWindow, windowOf } from "../volume/value_window";
import { useObservables } from "./use_observables";
import "./styles/window_picker.css";

/** The window: a preset, one from the values in view, or typed. */
export function WindowPicker({ app, session }: { app: App; session: OpenSession }) {
  const { display } = session;
  useObservables(display, session.kind);
  const presets = presetsOf(session.volume);
  const { center, width } = centerWidth(display.window);
  // In a case of a project the digits choose labels.
  const keyOf = (digit: number) => ` (${session.rules === NO_LABELS ? "" : "Shift+"}${digit})`;
  const preset = presets.find((each) => sameWindow(each.window, display.window));
  const choose = (name: string) => {
    const chosen = presets.find((each) => each.name === name);
    if (chosen) display.set({ window: chosen.window });
    else if (name === "slice" || name === "volume") session.autoWindow(name);
  };
  const type = (name: "width" | "level", text: string) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || (name === "width" && value <= 0)) {
      const needed = name === "width" ? "a number above 0" : "a number";
      app.showToast("error", `The ${name} of a window is ${needed}, not "${text}".`);
    } else
      display.set({
        window: windowOf({ ...centerWidth(display.window), [name === "level" ? "center" : name]: value }),
      });
  };
  return (
    <div class="window-picker" role="group" aria-label="Window">
      <select
        aria-label="Preset of the window"
        value={preset ? preset.name : ""}
        onChange={(event) => {
          choose(event.currentTarget.value);
          event.currentTarget.blur();
        }}
      >
        {!preset && <option value="">Window</option>}
        <optgroup label="Presets">
          {presets.map((each, n) => (
            <option key={each.name} value={each.name}>
              {each.name}
              {n < KEYS_OF_PRESETS && keyOf(n + 1)}
            </option>
          ))}
        </optgroup>
        <optgroup label="From the values">
          <option value="slice">Of this slice{keyOf(6)}</option>
          <option value="volume">Of the volume{keyOf(7)}</option>
        </optgroup>
      </select>
      <Typed letter="W" name="Width" value={width} take={(text) => type("width", text)} />
      <Typed letter="L" name="Level" value={center} take={(text) => type("level", text)} />
    </div>
  );
}

/** A number that counts when the user leaves the field or presses Enter; Esc takes the typing back. */
function Typed(props: { letter: string; name: string; value: number; take: (text: string) => void }) {
  const [text, setText] = useState<string | null>(null);
  const finish = () => {
    setText(null);
    if (text !== null && text !== String(props.value)) props.take(text);
  };
  return (
    <label title={`${props.name} of the window; or drag with the right button`}>
      {props.letter}
      <input
        type="text"
        inputMode="decimal"
        class="numbers"
        aria-label={`${props.name} of the window`}
        value={text ?? String(props.value)}
        onInput={(event) => setText(event.currentTarget.value)}
        onFocus={(event) => event.currentTarget.select()}
        onBlur={finish}
        onKeyDown={(event) => {
          if (event.key === "Enter") event.currentTarget.blur();
          if (event.key !== "Escape") return;
          event.stopPropagation();
          setText(null);
        }}
      />
    </label>
  );
}

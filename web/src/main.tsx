import "./ui/styles/theme.css";
import "./ui/styles/base.css";
import { render } from "preact";
import { App } from "./state/app";
import { importMasks } from "./state/import_masks";
import { readKeyboard } from "./ui/keyboard";
import { Page } from "./ui/page";

const app = new App(importMasks);
const root = document.getElementById("app")!;
root.replaceChildren();
render(<Page app={app} />, root);
void readKeyboard();
void app.start();

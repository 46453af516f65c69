import "./ui/styles/theme.css";
import "./ui/styles/base.css";
import { render } from "preact";
import { App } from "./state/app";
import { readKeyboard } from "./ui/keyboard";
import { Page } from "./ui/page";

const app = new App();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<Page app={app} />, root);
void readKeyboard();
void app.start();

import { render } from "preact";
import { App } from "./state/app";
import { Page } from "./ui/page";
import "./ui/style.css";

const app = new App();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<Page app={app} />, root);
void app.start();

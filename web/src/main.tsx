import { render } from "preact";
import { App } from "./state/app";
import { Page } from "./ui/page";
import "./ui/styles/base.css";
import "./ui/styles/workspace.css";
import "./ui/styles/panes.css";
import "./ui/styles/side_panel.css";
import "./ui/styles/overlays.css";
import "./ui/styles/dialogs.css";
import "./ui/styles/start_page.css";

const app = new App();
const root = document.getElementById("app")!;
root.replaceChildren();
render(<Page app={app} />, root);
void app.start();

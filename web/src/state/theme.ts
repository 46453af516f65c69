/** Light or dark: as the system has it, until the user chooses one of them. The views are dark in both. */
import { keep, kept } from "./kept";
import { Observable } from "./observable";

export type ThemeChoice = "system" | "light" | "dark";
export const THEMES: readonly ThemeChoice[] = ["system", "light", "dark"];

export class Theme extends Observable {
  choice: ThemeChoice;

  constructor() {
    super();
    const choice = kept<ThemeChoice>("theme", "system");
    this.choice = THEMES.includes(choice) ? choice : "system";
    this.show();
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    keep("theme", choice);
    this.show();
    this.notify();
  }

  private show(): void {
    const { dataset } = document.documentElement;
    if (this.choice === "system") delete dataset.theme;
    else dataset.theme = this.choice;
  }
}

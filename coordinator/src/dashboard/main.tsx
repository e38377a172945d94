/** The dashboard's entry: puts the page together. Everything it shows comes from the coordinator that served it. */
import { render } from "preact";
import { App } from "./view/app.tsx";

const root = document.getElementById("app");
if (root !== null) render(<App />, root);

import { createRoot } from "react-dom/client";
import { App } from "./app";
import { watchForNotices } from "./state/notices";
import { begin } from "./state/session";
import "./styles.css";

createRoot(document.getElementById("root")!).render(<App />);
watchForNotices();
void begin();

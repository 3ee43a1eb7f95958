import { type ReactNode, Suspense, lazy, useEffect } from "react";
import { usePending } from "../approvals/inbox";
import { useDialogs } from "../state/dialogs";
import { useKeys } from "../state/keys";
import { type Route, go } from "../state/route";
import { ConnectionBanner, StoreBanner } from "./connection";
import { PLACES } from "./places";
import { Rail } from "./rail";
import { ToastStack } from "./toast-stack";

const Palette = lazy(() => import("./palette"));
const NewAgent = lazy(() => import("../agents/new-agent"));
const Keyboard = lazy(() => import("./keyboard"));

/** Rail, page, and what lies over them. */
export function Shell({ route, children }: { route: Route; children: ReactNode }) {
  const pending = usePending().length;
  const { open, show } = useDialogs();

  useEffect(() => {
    document.title = `${pending ? `(${pending}) ` : ""}aetherd`;
  }, [pending]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k" && !(event.target as HTMLElement).closest(".xterm")) {
        event.preventDefault();
        show("palette");
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [show]);
  useKeys({
    n: () => show("new-agent"),
    "?": () => show("keyboard"),
    "/": () => show("palette"),
    ...Object.fromEntries(PLACES.map(({ key, path }) => [`g ${key}`, () => go(path)])),
  });

  return (
    <div className="flex h-full flex-col-reverse md:flex-row">
      <Rail route={route} pending={pending} />
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        <ConnectionBanner />
        <StoreBanner />
        <main className="min-h-0 flex-1">{children}</main>
      </div>
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={() => show(null)} />}
        {open === "new-agent" && <NewAgent onClose={() => show(null)} />}
        {open === "keyboard" && <Keyboard onClose={() => show(null)} />}
      </Suspense>
      <ToastStack />
    </div>
  );
}

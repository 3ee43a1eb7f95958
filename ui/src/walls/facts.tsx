import { TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { Rows } from "../agent/rows";
import { client } from "../generated/client";
import type { Operations } from "../generated/types";
import { ended } from "../model/conditions";
import { isolationOf, networkWord } from "../model/isolation";
import type { Process } from "../model/names";
import { Section } from "../parts/page";
import { TierMark } from "../parts/tier-mark";

type Mounted = Operations["sandbox.get"]["output"]["mounts"][number];

/** The sandbox as it was asked for and as it stands. */
export function Facts({ process }: { process: Process }) {
  const { walls, why } = isolationOf(process);
  const { sandbox } = process;
  const [shared, setShared] = useState<Mounted[]>([]);
  useEffect(() => {
    if (!ended(process)) client.sandbox.get({ pid: process.pid }).then((found) => setShared(found.mounts), () => {});
  }, [process.pid, process.state]);
  const gpus = Array.isArray(sandbox["gpu_devices"]) ? sandbox["gpu_devices"].join(", ") : "";
  return (
    <Section title="Sandbox">
      {walls !== "walled" && (
        <p data-testid="no-walls" className={`mb-3 flex gap-2 rounded-xl border px-4 py-3 text-sm text-fail ${walls === "none" ? "border-fail/40 bg-fail/10" : "border-fail/30"}`}>
          <TriangleAlert size={16} className="mt-0.5 shrink-0" />
          <span className="wrap-anywhere">{why}. To change it, run it again in another tier.</span>
        </p>
      )}
      <Rows
        rows={[
          ["tier", <TierMark key="tier" process={process} long />],
          ["runs as", sandbox["own_uid"] !== true ? <span className={walls === "walled" ? "" : "text-fail"}>the daemon's own uid</span> : `uid ${String(sandbox["uid"])}, its own`],
          ["started with", walls === "walled" && networkWord(sandbox["network"])],
          ["image", typeof sandbox["image"] === "string" && <code className="font-mono text-xs">{sandbox["image"]}</code>],
          ["desktop", sandbox["graphical"] === true && "with a screen of its own"],
          [
            "reaches",
            walls === "walled" && shared.length > 0 && (
              <ul>
                {shared.map((each) => (
                  <li key={each.path}>
                    <code className="font-mono text-xs">{each.path}</code>
                    {each.readonly && <span className="ml-2 text-xs text-faint">to read</span>}
                  </li>
                ))}
              </ul>
            ),
          ],
          ["GPUs", gpus || (Number(sandbox["gpu"]) > 0 && Number(sandbox["gpu"]))],
        ]}
      />
    </Section>
  );
}

import { Suspense, lazy } from "react";
import { AgentList } from "./agents/list";
import { Inbox } from "./approvals/inbox";
import { Boundary } from "./shell/boundary";
import { Login } from "./shell/login";
import { Shell } from "./shell/shell";
import { useFleet } from "./state/fleet";
import { useRoute } from "./state/route";

const AgentPage = lazy(() => import("./agent/page"));
const SystemPage = lazy(() => import("./system/page"));
const RuntimesPage = lazy(() => import("./runtimes/page"));
const ModelsPage = lazy(() => import("./models/page"));
const ConsentPage = lazy(() => import("./consent/page"));
const MessagesPage = lazy(() => import("./messages/page"));
const TasksPage = lazy(() => import("./tasks/page"));
const FlowsPage = lazy(() => import("./flows/page"));
const WorktreesPage = lazy(() => import("./worktrees/page"));
const WorkspacesPage = lazy(() => import("./workspaces/page"));
const MemoriesPage = lazy(() => import("./knowledge/memories/page"));
const SkillsPage = lazy(() => import("./knowledge/skills/page"));
const TemplatesPage = lazy(() => import("./knowledge/templates/page"));

export function App() {
  const route = useRoute();
  const out = useFleet((fleet) => fleet.unauthenticated);
  if (out) return <Login />;
  if (route.page === "consent")
    return (
      <Boundary>
        <Suspense fallback={null}>
          <ConsentPage />
        </Suspense>
      </Boundary>
    );
  return (
    <Shell route={route}>
      <Boundary key={`${route.page}/${route.pid}`}>
        <Suspense fallback={null}>
          {route.page === "agents" && <AgentList />}
          {route.page === "agent" && <AgentPage key={route.pid} pid={route.pid} tab={route.tab} />}
          {route.page === "inbox" && <Inbox />}
          {route.page === "messages" && <MessagesPage />}
          {route.page === "tasks" && <TasksPage />}
          {route.page === "flows" && <FlowsPage flow={route.tab} />}
          {route.page === "worktrees" && <WorktreesPage />}
          {route.page === "workspaces" && <WorkspacesPage />}
          {route.page === "memories" && <MemoriesPage />}
          {route.page === "skills" && <SkillsPage skill={route.tab} />}
          {route.page === "templates" && <TemplatesPage />}
          {route.page === "system" && <SystemPage tab={route.tab} />}
          {route.page === "runtimes" && <RuntimesPage />}
          {route.page === "models" && <ModelsPage />}
        </Suspense>
      </Boundary>
    </Shell>
  );
}

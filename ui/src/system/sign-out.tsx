import { LogOut } from "lucide-react";
import { connection } from "../generated/client";
import { Button } from "../parts/button";
import { socket } from "../state/session";
import { useFleet } from "../state/fleet";
import { attempt } from "../state/toasts";

export function SignOut() {
  const leave = async () => {
    const answer = await attempt("Signing out", () => fetch(`${connection.base}logout`, { method: "POST", credentials: "same-origin" }));
    if (!answer?.ok) return;
    socket.stop();
    useFleet.setState({ unauthenticated: true });
  };
  return (
    <Button look="quiet" icon={<LogOut size={15} />} onClick={() => void leave()}>
      Sign out
    </Button>
  );
}

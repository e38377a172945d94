/** Asks for the operator token. It goes to the coordinator once and is kept nowhere: a cookie stands for it then. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError } from "../browser/api.ts";
import type { Live } from "../browser/live.ts";

export function Login({ live, close }: { readonly live: Live; readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    dialog.current?.showModal();
    input.current?.focus();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem("");
    try {
      await live.logIn(input.current?.value.trim() ?? "");
      dialog.current?.close();
    } catch (error) {
      setProblem(problemText(error));
      input.current?.select();
    }
    setBusy(false);
  };
  return (
    <dialog ref={dialog} class="login" aria-labelledby="login-title" onClose={close}>
      <form method="post" onSubmit={(event) => void submit(event)}>
        <h2 id="login-title">Log in as operator</h2>
        <p id="login-help">
          The token is in <code>operator.json</code> of the coordinator’s state directory. Without it, relays
          are shown and agents are not.
        </p>
        {/* Password managers keep the token under a name. */}
        <input type="text" name="username" autocomplete="username" value="operator" readOnly hidden />
        <label for="token">Operator token</label>
        <input
          ref={input}
          id="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          required
          maxLength={256}
          aria-describedby="login-help login-problem"
          aria-invalid={problem !== ""}
        />
        <p id="login-problem" class="problem" role="alert">
          {problem}
        </p>
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="primary" aria-disabled={isBusy}>
            Log in
          </button>
        </div>
      </form>
    </dialog>
  );
}

function problemText(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return error.status === 401 ? "This is not the operator token." : error.message;
}

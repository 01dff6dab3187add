"""Drafts, asks a person, and goes on, whatever is killed meanwhile."""
import time

import warder


def draft(values):
    time.sleep(float(values.get("seconds", 0)))  # as a model would
    return {"draft": f"Dear {values['to']}, the report is ready.",
            "log": "drafted"}


@warder.agent(reducers={"log": warder.append},
              nodes=["draft", "ask", "send"])
def main(run):
    run.node("draft", draft)
    answer = run.interrupt({"send": run.values["draft"],
                            "allowed": ["approve", "edit", "reject"]})
    kind = answer.get("type") if isinstance(answer, dict) else answer
    if kind == "reject":
        return {"sent": None, "log": "rejected"}
    text = answer["text"] if kind == "edit" else run.values["draft"]
    run.node("send", lambda values: {"sent": text, "log": "sent"})
    run.emit({"sent": True})


if __name__ == "__main__":
    main.serve()

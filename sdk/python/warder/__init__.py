"""Write agents that Warder runs in jails, durably.

    import warder

    @warder.agent
    def main(run):
        page = run.step("fetch", fetch, run.input["url"])
        answer = run.interrupt({"question": "Send it?", "page": page})
        run.emit({"progress": 1})
        return {"page": page, "sent": answer}

    if __name__ == "__main__":
        main.serve()

An attempt of a run may be killed at any moment, and is made again: the
function is called from its beginning, steps that were journalled give the
results that they gave, interrupts that were answered give the answers.  So
what has effects belongs into a step, and between two steps the function must
do the same again that it did before.

Standard library only.  The protocol is docs/protocol-agent.md of Warder.
"""

from .agent import Agent, agent, append
from .execute import Execution, Result
from .rpc import Error, ProtocolError
from .run import Cancelled, Interrupted, Run
from .store import Item, Store

__all__ = ["Agent", "Cancelled", "Error", "Execution", "Interrupted", "Item",
           "ProtocolError", "Result", "Run", "Store", "agent", "append"]
__version__ = "0.1.0"

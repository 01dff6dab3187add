"""The same graph in this process, with LangGraph's own checkpointer.

Reads a list of calls as JSON ({input | command, modes, options}, or {update,
as_node, before: how many states back}), prints
what each streams and the state and history after it.
"""
import json
import sys
import uuid

from graph import build
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import InvalidUpdateError
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, Send
from warder.langgraph import plain


def command(said):
    goto = said.get("goto") or ()
    if isinstance(goto, dict):
        goto = Send(goto["node"], goto["input"])
    return Command(resume=said.get("resume"), update=said.get("update"),
                   goto=goto)


def update(graph, thread, call):
    """Nothing is streamed; what is refused is said."""
    states = list(graph.get_state_history(thread))
    config = states[call["before"]].config if states else thread
    try:
        graph.update_state(config, call["update"], call.get("as_node"))
    except (InvalidUpdateError, TypeError) as e:
        return str(e)
    return None


def main():
    graph = build().compile(checkpointer=InMemorySaver(),
                            store=InMemoryStore())
    out = []
    threads = {}
    for call in json.load(sys.stdin):
        thread = threads.setdefault(call["thread"], {"configurable": {
            "thread_id": str(uuid.uuid5(uuid.NAMESPACE_URL,
                                        call["thread"]))}})
        refused = update(graph, thread, call) if "update" in call else None
        value = (command(call["command"]) if "command" in call
                 else call.get("input"))
        events = [] if "update" in call else [
                  [list(ns), mode, plain(chunk)] for ns, mode, chunk in
                  graph.stream(value, thread, stream_mode=call["modes"],
                               subgraphs=True, **call.get("options", {}))]
        state = graph.get_state(thread)
        history = [[plain(s.values), list(s.next), s.metadata["source"],
                    s.metadata["step"],
                    [[t.name, plain([i.value for i in t.interrupts])]
                     for t in s.tasks]]
                   for s in graph.get_state_history(thread)]
        out.append({"events": events, "refused": refused, "values": plain(state.values),
                    "next": list(state.next), "history": history})
    json.dump(out, sys.stdout)


main()

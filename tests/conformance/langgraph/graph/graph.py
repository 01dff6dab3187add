"""A graph as LangGraph's users write them; it knows nothing of Warder.

"way" chooses a branch: each uses other parts of LangGraph.
"""
import operator
import time
from typing import Annotated, TypedDict

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.config import get_store, get_stream_writer
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Send, interrupt


class State(TypedDict, total=False):
    way: str
    log: Annotated[list, operator.add]
    messages: Annotated[list, add_messages]
    answer: dict
    big: str
    count: int


def line(state):
    get_stream_writer()({"progress": "line"})
    return {"log": ["line"]}


def ask(state):
    answer = interrupt({"question": "Send it?", "so far": state["log"]})
    return {"log": [f"ask {answer}"], "answer": {"said": answer}}


def after(state):
    return Command(update={"log": ["after"]}, goto="last")


def last(state):
    return {"log": ["last"]}


def skipped(state):
    return {"log": ["skipped"]}


def fan(state):
    return [Send("worker", {"n": n}) for n in (1, 2)]


def worker(state):
    return {"log": [f"worker {state['n']}: "
                    f"{interrupt({'n': state['n']})}"]}


def chat(state):
    model = GenericFakeChatModel(messages=iter([AIMessage("Hello there friend")]))
    return {"messages": [model.invoke([HumanMessage("hi")])]}


def remember(state):
    store, who = get_store(), state["log"][0]
    before = store.get((who, "ada"), "visits")
    n = (before.value["n"] if before else 0) + 1
    store.put((who, "ada"), "visits", {"n": n})
    store.put((who, "bob"), "visits", {"n": 7})
    found = store.search((who,), filter={"n": {"$gte": 7}})
    return {"count": n, "log": sorted(i.key + str(i.value["n"])
                                      for i in found) +
            ["/".join(ns) for ns in sorted(store.list_namespaces(
                prefix=(who,)))]}


def big(state):
    return {"big": "0123456789" * 300000}


def measure(state):
    return {"count": len(state["big"]), "big": ""}


def slow(state):
    store = get_store()
    before = store.get(("tries",), state["log"][0])
    store.put(("tries",), state["log"][0],
              {"n": (before.value["n"] if before else 0) + 1})
    if before is None:
        time.sleep(120)
    return {"log": [f"slow {(before.value['n'] if before else 0) + 1}"]}


class Inner(TypedDict, total=False):
    log: Annotated[list, operator.add]


def inner_one(state):
    return {"log": ["inner one"]}


def inner_ask(state):
    return {"log": [f"inner {interrupt('inner?')}"]}


inner = (StateGraph(Inner)
         .add_node("inner_one", inner_one).add_node("inner_ask", inner_ask)
         .add_edge(START, "inner_one").add_edge("inner_one", "inner_ask")
         .add_edge("inner_ask", END).compile())



WAYS = {"ask": "line", "fan": "fan", "chat": "chat", "store": "remember",
        "big": "big", "slow": "line_slow", "inner": "inner"}


def way(state):
    return WAYS[state["way"]]


def build():
    b = StateGraph(State)
    for node in (line, ask, after, last, skipped, worker, chat, remember, big,
                 measure, slow):
        b.add_node(node.__name__, node)
    b.add_node("line_slow", line)
    b.add_node("fan", lambda s: {"log": ["fan"]})
    b.add_node("inner", inner)
    b.add_conditional_edges(START, way, list(WAYS.values()))
    b.add_edge("line", "ask")
    b.add_edge("ask", "after")
    b.add_edge("skipped", "last")
    b.add_conditional_edges("fan", fan, ["worker"])
    b.add_edge("worker", "last")
    b.add_edge("big", "measure")
    b.add_edge("line_slow", "slow")
    for node in ("last", "chat", "remember", "measure", "slow", "inner"):
        b.add_edge(node, END)
    return b


graph = build().compile()

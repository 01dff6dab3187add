"""The graph as an agent of Warder's: these two lines are all of it."""
from graph import graph
from warder.langgraph import serve

serve(graph)

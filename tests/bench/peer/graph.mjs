// The graphs of the benches: one node that does nothing, ten that add to a
// growing state.
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";

const list = () => Annotation({
  reducer: (old, more) => old.concat(more), default: () => [] });

const None = Annotation.Root({ done: Annotation() });
export const noop = new StateGraph(None)
  .addNode("noop", () => ({ done: true }))
  .addEdge(START, "noop").addEdge("noop", END).compile();

const Steps = Annotation.Root({ messages: list() });
const steps_ = new StateGraph(Steps);
const STEPS = 10;
for (let i = 0; i < STEPS; i++)
  steps_.addNode(`step${i}`, () => ({ messages: ["m".repeat(100)] }))
    .addEdge(i === 0 ? START : `step${i - 1}`, `step${i}`);
export const steps = steps_.addEdge(`step${STEPS - 1}`, END).compile();

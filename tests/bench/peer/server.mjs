// The reference server, in memory: server.mjs PORT WORKERS DIRECTORY.
import { fileURLToPath } from "node:url";
import { startServer } from "@langchain/langgraph-api/server";

const [port, workers, cwd] = process.argv.slice(2);
const graph = fileURLToPath(new URL("graph.mjs", import.meta.url));
await startServer({
  port: Number(port), nWorkers: Number(workers), host: "127.0.0.1", cwd,
  graphs: { noop: `${graph}:noop`, steps: `${graph}:steps` },
});
